#!/bin/sh
# Builds llama.cpp (llama-cpp-python, version in requirements.txt) from source for this machine into FOLDER/venv, for
# tools/bench_rival.py; FOLDER/lib is the folder of its libraries, for bench/kernel_bench. Takes some minutes.
#
# One fault is corrected that shows on CPUs with AMX: gcc 12's AMX intrinsics do not tell the optimiser that they read memory,
# it drops the stores that fill the tile configuration, and the first prefill crashes. A header given to every C++ file adds
# what is missing; nothing else changes, so that the rival is measured at its best.
#
# usage: build_rival.sh [FOLDER]        (default: build/rival)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../build/rival}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
package=$(grep '^llama-cpp-python==' "$here/requirements.txt")

cat > "$folder/amx_fix.h" <<'EOF'
#pragma once
#ifdef __AMX_TILE__
#include <immintrin.h>
#define _tile_loadconfig(p) __asm__ volatile("ldtilecfg %0" :: "m"(*(const char (*)[64])(p)) : "memory")
#undef _tile_loadd
#define _tile_loadd(tile, base, stride) MS_TILE_LOADD(tile, base, stride)
#define MS_TILE_LOADD(tile, base, stride) \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile :: "r"((const void*)(base)), "r"((long)(stride)) : "memory")
#endif
EOF

python3 -m venv "$folder/venv"
CC=gcc CXX=g++ CXXFLAGS="-include $folder/amx_fix.h" "$folder/venv/bin/pip" install -q --no-cache-dir --no-binary llama-cpp-python "$package"
ln -sfn "$("$folder/venv/bin/python" -c 'import llama_cpp, os; print(os.path.dirname(llama_cpp.__file__))')/lib" "$folder/lib"
"$folder/venv/bin/python" -c 'import llama_cpp as l; print("llama-cpp-python", l.__version__, l.llama_print_system_info().decode())'
