// Activations as signed bytes (ActType::k8), one scale per token and group.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/linear/byte_vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// Bytes of Int8Input::tiles before tile `tile` of block `block`, which has `steps` steps of 64 inputs.
MS_INLINE size_t int8_tile_at(int64_t block, int64_t tile, int64_t steps, int64_t tiles, int tile_rows) {
  return static_cast<size_t>((block * (kInt8Block / 64) * tiles + tile * steps) * 64 * tile_rows);
}

// Where the 32 bytes of chunk c of a row go.
struct Int8Row {
  const Int8Input& out;
  int64_t in, t, rows;
  MS_INLINE int8_t* chunk(int64_t c) const {
    if (!out.tiles) return out.quads + (c * rows + t) * kChunk;
    const int64_t block = c / kInt8Chunks, tiles = (rows + out.tile_rows - 1) / out.tile_rows;
    const int64_t left = (in - block * kInt8Block + 63) / 64, steps = left < kInt8Block / 64 ? left : kInt8Block / 64;
    std::byte* tile = out.tiles + int8_tile_at(block, t / out.tile_rows, steps, tiles, out.tile_rows);
    const int64_t inside = c % kInt8Chunks;
    return reinterpret_cast<int8_t*>(tile) + (inside / 2 * out.tile_rows + t % out.tile_rows) * 64 + inside % 2 * kChunk;
  }
};

// Row t of x: codes -127..127, scale = largest / 127; zeros up to whole chunks, with tiles up to whole steps.
inline void convert_int8(const float* x, int64_t in, int64_t t, int64_t rows, const Int8Input& out) {
  const Int8Row to{out, in, t, rows};
  alignas(64) float tail[kChunk] = {};
  for (int64_t k = in / kChunk * kChunk; k < in; ++k) tail[k % kChunk] = x[k];
  const auto chunk_at = [&](int64_t k) MS_LAMBDA { return in - k < kChunk ? tail : x + k; };
  for (int64_t first = 0, g = 0; first < in; first += out.group, ++g) {
    const int64_t end = in - first < out.group ? in : first + out.group;
    VF largest = vset(0);
    for (int64_t k = first; k < end; k += kChunk)
      for (int i = 0; i < kChunk; i += kLanes) largest = vmax(largest, vabs(vload(chunk_at(k) + i)));
    const float top = vmax_of(largest);
    const bool zero = top < 1e-30f;  // below this the reciprocal would overflow
    const VF to_code = vset(zero ? 0.0f : 127.0f / top);
    VI sum = iset(0);
    for (int64_t k = first; k < end; k += kChunk) {
      int8_t* bytes = to.chunk(k / kChunk);
      for (int i = 0; i < kChunk; i += kLanes) {
        const VI codes = to_int(vload(chunk_at(k) + i) * to_code);
        sum = iadd(sum, codes);
        store_quads(bytes + i, codes);
      }
    }
    alignas(64) int32_t lanes[kLanes];
    istore(lanes, sum);
    int32_t all = 0;
    for (int i = 0; i < kLanes; ++i) all += lanes[i];
    out.scales[g * rows + t] = zero ? 0.0f : top / 127.0f;
    out.sums[g * rows + t] = all;
  }
  const int64_t chunks = (in + kChunk - 1) / kChunk;
  if (out.tiles && chunks % 2) {
    int8_t* bytes = to.chunk(chunks);
    for (int i = 0; i < kChunk; ++i) bytes[i] = 0;
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
