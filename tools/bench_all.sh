#!/bin/sh
# `make bench`: whole models and kernels against llama.cpp; rows, tables and plots of docs/performance.md.
#
# The default model is always measured. The synthetic ones need numpy and gguf (tools/requirements.txt, looked for in
# build/venv) and 6 GB below build/models; without them they are left out, and a line says so.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
if [ ! -d build/rival/lib ]; then
  echo "bench: llama.cpp is not built yet; run tools/build_rival.sh once (some minutes)" >&2
  exit 1
fi
python=build/venv/bin/python
small=$(python3 scripts/fetch_default_model.py)
python3 tools/bench_rival.py --model "smollm2-135m-q4_1=$small"
if [ -x "$python" ] && "$python" -c 'import gguf, numpy' 2> /dev/null; then
  mkdir -p build/models
  for shape in 1b 8b; do
    [ -e build/models/synthetic-$shape.gguf ] ||
      "$python" tools/make_synthetic.py $shape build/models/synthetic-$shape.gguf --tokenizer "$small"
  done
  python3 tools/bench_rival.py --model synthetic-1b=build/models/synthetic-1b.gguf
  python3 tools/bench_rival.py --model synthetic-1b=build/models/synthetic-1b.gguf --metrics kv:8192:16
  python3 tools/bench_rival.py --model synthetic-8b=build/models/synthetic-8b.gguf \
    --metrics prefill:512,decode:16:24,startup --tune-runs 1
else
  echo "bench: the synthetic models are left out: build/venv has no numpy and gguf (tools/requirements.txt)"
fi
cmake --preset default -B build/bench -DMAINSPRING_TESTS=OFF -DMAINSPRING_BENCH=ON > /dev/null
cmake --build build/bench --target kernel_bench
build/bench/bench/kernel_bench --rival-lib build/rival/lib --out bench/results/kernels.csv \
  --commit "$(git rev-parse --short HEAD)"
python3 tools/plot_results.py
