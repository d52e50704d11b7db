// Activations as the linear kernels read them: int16 codes with a scale per 32 or per record, or fp32 copied chunk by
// chunk. (Signed bytes: convert_int8.h.)
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/linear/amx.h"
#include "backends/cpu/linear/int_vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// Sums of the codes of both halves of a chunk.
inline void half_sums(const int16_t* codes, int32_t (&sums)[2]) {
  sums[0] = sums[1] = 0;
  for (int i = 0; i < kChunk / 2; ++i) sums[0] += codes[i], sums[1] += codes[kChunk / 2 + i];
}

// Row t of x as 16-bit codes, |code| <= 32767: 32 products with codes of 8 bits stay far below 2^31, and the rounding (2^-16
// of the chunk's largest value) is 128 times finer than bf16's.
inline void convert_codes(const float* x, int64_t in, int64_t t, int64_t rows, const ChunkInput& out) {
  constexpr float kTop = 32767;
  for (int64_t k = 0; k < in; k += kChunk, x += kChunk) {
    alignas(64) float tail[kChunk] = {};
    for (int64_t i = 0; in - k < kChunk && i < in - k; ++i) tail[i] = x[i];
    const float* from = in - k < kChunk ? tail : x;
    VF largest = vset(0);
    for (int i = 0; i < kChunk; i += kLanes) largest = vmax(largest, vabs(vload(from + i)));
    const float top = vmax_of(largest);
    // Below this the reciprocal would overflow; such a chunk is zero next to anything else in the model.
    const bool zero = top < 1e-30f;
    const VF to_code = vset(zero ? 0.0f : kTop / top);
    const int64_t at = k / kChunk * rows + t;
    int16_t* codes = out.codes + at * kChunk;
    for (int i = 0; i < kChunk; i += kLanes) store_i16(codes + i, to_int(vload(from + i) * to_code));
    out.meta[at] = {zero ? 0.0f : top / kTop, {}, 0};
    half_sums(codes, out.meta[at].sum);
  }
}

// Sum of absolute values in 16 partial sums, whatever the vector width: every instruction set gives the same scale.
inline float record_mass(const float* x, int n, float& top) {
  constexpr int kParts = 16 / kLanes;
  VF sum[kParts], most = vset(0);
  each<kParts>([&](auto i) MS_LAMBDA { sum[i] = vset(0); });
  for (int k = 0; k < n; k += 16)
    each<kParts>([&](auto i) MS_LAMBDA {
      const VF v = vabs(vload(x + k + i * kLanes));
      sum[i] = sum[i] + v, most = vmax(most, v);
    });
  each<2>([&](auto step) MS_LAMBDA {
    constexpr int half = kParts >> (step + 1);
    each<half>([&](auto i) MS_LAMBDA { sum[i] = sum[i] + sum[i + half]; });
  });
  top = vmax_of(most);
  return vsum(sum[0]);
}

constexpr float kFixedTop = 32639;  // 256 * 127 + 127: the largest code that is two signed bytes

// One record of one row as int16, n a multiple of 32. The step is the smallest that keeps the mass: about 2^-10 of the
// mean absolute value, so the rounding error is below 0.06 % of it.
inline float record_codes(const float* x, int n, int16_t* codes) {
  constexpr float kMass = static_cast<float>(kFixedMass - kRecord);
  float top;
  const float mass = record_mass(x, n, top);
  const float step = mass / kMass > top / kFixedTop ? mass / kMass : top / kFixedTop;
  const bool zero = step < 1e-34f;  // below this the reciprocal would overflow
  const VF to_code = vset(zero ? 0.0f : 1.0f / step);
  for (int k = 0; k < n; k += kLanes) store_i16(codes + k, to_int(vload(x + k) * to_code));
  return zero ? 0.0f : step;
}

// 32 codes as high and low bytes in groups of four.
inline void put_quads(const int16_t* codes, int8_t* high, int8_t* low) {
  constexpr int kOrder[4] = {0, 2, 1, 3};
  for (int i = 0; i < kChunk; ++i) {
    const int code = codes[i / 4 * 4 + kOrder[i % 4]];
    low[i] = static_cast<int8_t>(code);
    high[i] = static_cast<int8_t>((code - low[i]) >> 8);
  }
}

inline void put_chunks(const int16_t* codes, int n, int64_t at, int64_t rows, const FixedInput& out) {
  for (int c = 0; c < n / kChunk; ++c, codes += kChunk, at += rows) {
    if (out.codes) {
      for (int i = 0; i < kChunk; ++i) out.codes[at * kChunk + i] = codes[i];
      continue;
    }
    put_quads(codes, out.quads + at * 2 * kChunk, out.quads + at * 2 * kChunk + kChunk);
    half_sums(codes, *reinterpret_cast<int32_t(*)[2]>(out.sums + at * 2));
  }
}

inline void put_steps(const int16_t* codes, int steps, std::byte* tile, int row, int tile_rows) {
  for (int s = 0; s < steps; ++s) {
    std::byte* high = tile + (static_cast<size_t>(s) * 2 * static_cast<size_t>(tile_rows) + static_cast<size_t>(row)) * 64;
    put_bytes(codes + s * 64, high, high + static_cast<size_t>(tile_rows) * 64);
  }
}

// Row t of x in fixed point.
inline void convert_fixed(const float* x, int64_t in, int64_t t, int64_t rows, const FixedInput& out) {
  const int64_t records = (in + kRecord - 1) / kRecord;
  const int64_t tiles = out.tiles ? (rows + out.tile_rows - 1) / out.tile_rows : 0;
  for (int64_t r = 0; r < records; ++r) {
    const int left = static_cast<int>(in - r * kRecord < kRecord ? in - r * kRecord : kRecord);
    const float* from = x + r * kRecord;
    alignas(64) float padded[kRecord];
    const int n = (left + 63) / 64 * 64;
    if (n != left) {
      for (int k = 0; k < left; ++k) padded[k] = from[k];
      for (int k = left; k < n; ++k) padded[k] = 0;
      from = padded;
    }
    alignas(64) int16_t codes[kRecord];
    out.scales[r * rows + t] = record_codes(from, n, codes);
    if (out.tiles) {
      std::byte* tile = out.tiles + tile_at(r, t / out.tile_rows, n / 64, tiles, out.tile_rows);
      put_steps(codes, n / 64, tile, static_cast<int>(t % out.tile_rows), out.tile_rows);
    } else {
      put_chunks(codes, (left + kChunk - 1) / kChunk * kChunk, r * kRecordChunks * rows + t, rows, out);
    }
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
