// Activations as the linear kernels read them: int16 codes with a scale per 32, or fp32 copied chunk by chunk.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/linear/int_vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// Chunk c of row t goes to codes[(c * rows + t) * 32]. |code| <= 32767: 32 products with codes of 8 bits stay far below
// 2^31, and the rounding (2^-16 of the chunk's largest value) is 128 times finer than bf16's.
inline void convert_codes(const float* x, int64_t in, int64_t t, int64_t rows, int16_t* codes, ChunkMeta* meta) {
  constexpr int kVecs = kChunk / kLanes;
  for (int64_t k = 0, c = 0; k < in; k += kChunk, ++c) {
    VF v[kVecs];
    if (in - k >= kChunk) {
      each<kVecs>([&](auto i) MS_LAMBDA { v[i] = vload(x + k + i * kLanes); });
    } else {
      alignas(64) float tail[kChunk] = {};
      for (int64_t i = 0; i < in - k; ++i) tail[i] = x[k + i];
      each<kVecs>([&](auto i) MS_LAMBDA { v[i] = vload(tail + i * kLanes); });
    }
    VF largest = vabs(v[0]);
    each<kVecs - 1>([&](auto i) MS_LAMBDA { largest = vmax(largest, vabs(v[i + 1])); });
    const float top = vmax_of(largest);
    // Below this the reciprocal would overflow; such a chunk is zero next to anything else in the model.
    const bool zero = top < 1e-30f;
    const VF to_code = vset(zero ? 0.0f : 32767.0f / top);
    int16_t* out = codes + (c * rows + t) * kChunk;
    each<kVecs>([&](auto i) MS_LAMBDA { store_i16(out + i * kLanes, to_int(v[i] * to_code)); });
    int32_t sum[2] = {0, 0};
    for (int i = 0; i < kChunk / 2; ++i) sum[0] += out[i], sum[1] += out[kChunk / 2 + i];
    meta[c * rows + t] = {zero ? 0.0f : top / 32767.0f, {sum[0], sum[1]}, 0};
  }
}

inline void copy_chunks(const float* x, int64_t in, int64_t t, int64_t rows, float* values) {
  for (int64_t k = 0, c = 0; k < in; k += kChunk, ++c) {
    float* out = values + (c * rows + t) * kChunk;
    const int64_t n = in - k < kChunk ? in - k : kChunk;
    for (int64_t i = 0; i < n; ++i) out[i] = x[k + i];
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
