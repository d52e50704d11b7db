#!/bin/bash
# Looks into the objects that were compiled for one instruction set. They must not define weak symbols outside their own
# namespace (the linker keeps one copy for the whole program, and it could be the AVX-512 one), nor start-up code (it would
# run on processors without those instructions).
# Usage: check_isa_symbols.sh BUILD_DIR
set -euo pipefail
build=${1:?usage: check_isa_symbols.sh BUILD_DIR}
nm=${NM:-nm}
readelf=${READELF:-readelf}
bad=0 objects=0
for dir in "$build"/src/backends/CMakeFiles/mainspring_isa_*.dir; do
  isa=${dir##*/mainspring_isa_} isa=${isa%.dir}
  while IFS= read -r object; do
    objects=$((objects + 1))
    if weak=$("$nm" -C "$object" | grep -E '^[0-9a-f]* +[WwVvu] ' | grep -vE "^ +w " | grep -v "mainspring::cpu::$isa::"); then
      echo "$object: weak symbols outside mainspring::cpu::$isa:" >&2
      echo "$weak" >&2
      bad=1
    fi
    if "$readelf" -SW "$object" | grep -qE '\.(init_array|ctors)'; then
      echo "$object: has start-up code" >&2
      bad=1
    fi
  done < <(find "$dir" -name '*.o')
done
[ "$objects" -gt 0 ] || { echo "no mainspring_isa_* objects under $build" >&2; exit 1; }
[ "$bad" = 0 ] && echo "$objects kernel objects: no foreign weak symbols, no start-up code"
exit "$bad"
