#!/bin/bash
# Cross-compiles the NEON kernels with the operation checks and runs them under qemu.
# Needs g++-aarch64-linux-gnu and qemu-user. Usage: test_neon.sh [BUILD_DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build-neon}
cxx=${NEON_CXX:-aarch64-linux-gnu-g++}
qemu=${QEMU:-qemu-aarch64}
for tool in "$cxx" "$qemu"; do
  command -v "$tool" >/dev/null || { echo "test_neon.sh: $tool is not installed" >&2; exit 1; }
done
mkdir -p "$out"
flags="-std=c++20 -Isrc -Iinclude -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
       -ffp-contract=off -fno-math-errno -fvisibility=hidden"
isa="-O3 -march=armv8.2-a+dotprod+fp16 -DMAINSPRING_ISA=neon -DMAINSPRING_ISA_neon=1"

rules=$out/rules.mk objects=
: >"$rules"
add() {  # file flags
  local object=$out/${1//\//_}.o
  objects="$objects $object"
  printf '%s: %s\n\t%s %s -MMD -MP -c %s -o %s\n' "$object" "$1" "$cxx" "$(echo $flags $2)" "$1" "$object" >>"$rules"
}
for f in src/base/{str,errors,utf8,thread_team,hash}.cpp src/tensor/*.cpp src/ops/*.cpp src/backends/ref/*.cpp \
         src/backends/cpu/*.cpp src/backends/cpu/packing/*.cpp \
         src/backends/self_test/*.cpp tests/ops/neon_main.cpp; do add "$f" -O2; done
for f in src/backends/cpu/kernels/*.cpp src/backends/cpu/linear/*.cpp; do add "$f" "$isa"; done
printf '%s: %s\n\t%s $^ -o $@ -pthread\n-include %s/*.d\n' "$out/test_neon" "$objects" "$cxx" "$out" >>"$rules"
make -f "$rules" -j "${JOBS:-2}" "$out/test_neon"
"$qemu" -L /usr/aarch64-linux-gnu "$out/test_neon"
