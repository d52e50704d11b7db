// Activations as the linear kernels read them: int16 codes with a scale per 32 or per record, or fp32 copied chunk by
// chunk.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/linear/amx.h"
#include "backends/cpu/linear/int_vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

inline void put_chunk(const float* x, VF to_code, float scale, int16_t* out, ChunkMeta& meta) {
  for (int k = 0; k < kChunk; k += kLanes) store_i16(out + k, to_int(vload(x + k) * to_code));
  int32_t sum[2] = {0, 0};
  for (int i = 0; i < kChunk / 2; ++i) sum[0] += out[i], sum[1] += out[kChunk / 2 + i];
  meta = {scale, {sum[0], sum[1]}, 0};
}

// Chunks [0, n) of x, n * 32 values, to codes of at most `top_code` with one scale. Chunk c goes to index c * rows.
inline void convert_chunks(const float* x, int n, float top_code, int64_t rows, int16_t* codes, ChunkMeta* meta) {
  VF largest = vset(0);
  for (int k = 0; k < n * kChunk; k += kLanes) largest = vmax(largest, vabs(vload(x + k)));
  const float top = vmax_of(largest);
  // Below this the reciprocal would overflow; such a chunk is zero next to anything else in the model.
  const bool zero = top < 1e-30f;
  const VF to_code = vset(zero ? 0.0f : top_code / top);
  for (int c = 0; c < n; ++c)
    put_chunk(x + c * kChunk, to_code, zero ? 0.0f : top / top_code, codes + c * rows * kChunk, meta[c * rows]);
}

// A group whose last chunk is short: as convert_chunks, with zeros after its end.
inline void convert_tail(const float* x, int64_t n, float top_code, int64_t rows, int16_t* codes, ChunkMeta* meta) {
  float top = 0;
  for (int64_t i = 0; i < n; ++i) top = __builtin_fmaxf(top, __builtin_fabsf(x[i]));
  const bool zero = top < 1e-30f;
  const VF to_code = vset(zero ? 0.0f : top_code / top);
  for (int64_t k = 0, c = 0; k < n; k += kChunk, ++c) {
    alignas(64) float values[kChunk] = {};
    for (int64_t i = 0; i < kChunk && k + i < n; ++i) values[i] = x[k + i];
    put_chunk(values, to_code, zero ? 0.0f : top / top_code, codes + c * rows * kChunk, meta[c * rows]);
  }
}

// Row t of x. act_group 0: 16-bit codes, |code| <= 32767: 32 products with codes of 8 bits stay far below 2^31, and the
// rounding (2^-16 of the chunk's largest value) is 128 times finer than bf16's. Else 8-bit codes with a scale per
// act_group inputs, a multiple of 32 or all of them.
inline void convert_codes(const float* x, int64_t in, int64_t t, int64_t rows, int64_t act_group, int16_t* codes,
                          ChunkMeta* meta) {
  const int64_t step = act_group == 0 ? kChunk : act_group;
  const float top_code = act_group == 0 ? 32767.0f : 127.0f;
  for (int64_t k = 0; k < in; k += step) {
    const int64_t whole = (in - k < step ? in - k : step) / kChunk, at = k / kChunk * rows + t;
    const bool tail = k + step >= in && in % kChunk != 0;
    if (!tail) {
      convert_chunks(x + k, static_cast<int>(whole), top_code, rows, codes + at * kChunk, meta + at);
      continue;
    }
    convert_tail(x + k, in - k, top_code, rows, codes + at * kChunk, meta + at);
  }
}

// Where the fixed-point form of x goes (FixedInput); one of quads, codes and tiles is not null.
struct FixedOut {
  float* scales;
  int8_t* quads;
  int32_t* sums;
  int16_t* codes;
  std::byte* tiles;
  int tile_rows;
};

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
  constexpr float kMass = static_cast<float>(kFixedMass - kRecordInputs);
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

inline void put_chunks(const int16_t* codes, int n, int64_t at, int64_t rows, const FixedOut& out) {
  for (int c = 0; c < n / kChunk; ++c, codes += kChunk, at += rows) {
    if (out.codes) {
      for (int i = 0; i < kChunk; ++i) out.codes[at * kChunk + i] = codes[i];
      continue;
    }
    put_quads(codes, out.quads + at * 2 * kChunk, out.quads + at * 2 * kChunk + kChunk);
    int32_t* sums = out.sums + at * 2;
    sums[0] = sums[1] = 0;
    for (int i = 0; i < kChunk / 2; ++i) sums[0] += codes[i], sums[1] += codes[kChunk / 2 + i];
  }
}

inline void put_steps(const int16_t* codes, int steps, std::byte* tile, int row, int tile_rows) {
  for (int s = 0; s < steps; ++s) {
    std::byte* high = tile + (static_cast<size_t>(s) * 2 * static_cast<size_t>(tile_rows) + static_cast<size_t>(row)) * 64;
    put_bytes(codes + s * 64, high, high + static_cast<size_t>(tile_rows) * 64);
  }
}

// Row t of x in fixed point.
inline void convert_fixed(const float* x, int64_t in, int64_t t, int64_t rows, const FixedOut& out) {
  const int64_t records = (in + kRecordInputs - 1) / kRecordInputs;
  const int64_t tiles = out.tiles ? (rows + out.tile_rows - 1) / out.tile_rows : 0;
  for (int64_t r = 0; r < records; ++r) {
    const int left = static_cast<int>(in - r * kRecordInputs < kRecordInputs ? in - r * kRecordInputs : kRecordInputs);
    const float* from = x + r * kRecordInputs;
    alignas(64) float padded[kRecordInputs];
    const int n = (left + 63) / 64 * 64;
    if (n != left) {
      for (int k = 0; k < left; ++k) padded[k] = from[k];
      for (int k = left; k < n; ++k) padded[k] = 0;
      from = padded;
    }
    alignas(64) int16_t codes[kRecordInputs];
    out.scales[r * rows + t] = record_codes(from, n, codes);
    if (out.tiles) {
      const size_t step = static_cast<size_t>(out.tile_rows) * 128;
      std::byte* tile = out.tiles + (static_cast<size_t>(r * 4 * tiles) + static_cast<size_t>(t / out.tile_rows) *
                                     static_cast<size_t>(n / 64)) * step;
      put_steps(codes, n / 64, tile, static_cast<int>(t % out.tile_rows), out.tile_rows);
    } else {
      put_chunks(codes, (left + kChunk - 1) / kChunk * kChunk, r * (kRecordInputs / kChunk) * rows + t, rows, out);
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
