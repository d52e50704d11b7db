// Online softmax of attention rows, and the scratch memory of one member of the team.
#pragma once

#include "backends/cpu/kernels/attention_plan.h"
#include "backends/cpu/kernels/vec_math.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// Maximum, sum and weighted values of rows: [rows], [rows], [rows][width].
struct RowState {
  float* max;
  float* sum;
  float* acc;
};

// A row that has seen no token.
inline void clear(const RowState& state, int64_t row) {
  state.max[row] = -__builtin_inff(), state.sum[row] = 0.0f;
}
inline bool is_clear(const RowState& state, int64_t row) {
  return state.sum[row] == 0.0f && state.max[row] == -__builtin_inff();
}

inline float exp_of(float x) {
  float lanes[kLanes];
  vstore(lanes, vexp(vset(x)));
  return lanes[0];
}

// total <- total merged with the row of a later chunk.
inline void merge(const RowState& total, const RowState& chunk, int64_t row, int64_t width) {
  if (is_clear(chunk, row)) return;
  float* to = total.acc + row * width;
  const float* from = chunk.acc + row * width;
  if (is_clear(total, row)) {
    total.max[row] = chunk.max[row], total.sum[row] = chunk.sum[row];
    __builtin_memcpy(to, from, static_cast<size_t>(width) * sizeof(float));
    return;
  }
  const float top = total.max[row] > chunk.max[row] ? total.max[row] : chunk.max[row];
  const float a = exp_of(total.max[row] - top), b = exp_of(chunk.max[row] - top);
  total.max[row] = top;
  total.sum[row] = total.sum[row] * a + chunk.sum[row] * b;
  const VF va = vset(a), vb = vset(b);
  for (int64_t i = 0; i < width; i += kLanes) vstore(to + i, vfma(vload(to + i), va, vload(from + i) * vb));
}

// Scratch of one member. For quantised keys and values, queries and weights are int16 besides.
struct Member {
  float* q;            // [rows][q_stride]
  int16_t* q_codes;    // [rows][q_stride]
  float* q_scale;      // [rows], and the sum of a row's codes
  float* q_sum;
  float* bases;        // [rows][kChunkBlocks]: products with the blocks' first keys
  float* scores;       // [rows][kChunkTokens]: sums of keys, then weights
  int16_t* weights;    // [rows][kChunkTokens]
  RowState chunk, total;

  static int64_t q_stride(int64_t d) { return (d + 31) / 32 * 32; }
  static int64_t state_floats(const AttentionShape& s) { return round16(s.tile_rows) * 2 + s.tile_rows * s.width; }
  static int64_t floats(const AttentionShape& s) {
    return s.tile_rows * q_stride(s.d) * 3 / 2 + 2 * round16(s.tile_rows) + round16(s.tile_rows * kChunkBlocks) +
           s.tile_rows * kChunkTokens * 3 / 2 + 2 * state_floats(s);
  }
  Member(float* p, const AttentionShape& s) {
    q = p, p += s.tile_rows * q_stride(s.d);
    q_codes = reinterpret_cast<int16_t*>(p), p += s.tile_rows * q_stride(s.d) / 2;
    q_scale = p, p += round16(s.tile_rows);
    q_sum = p, p += round16(s.tile_rows);
    bases = p, p += round16(s.tile_rows * kChunkBlocks);
    scores = p, p += s.tile_rows * kChunkTokens;
    weights = reinterpret_cast<int16_t*>(p), p += s.tile_rows * kChunkTokens / 2;
    for (RowState* state : {&chunk, &total}) {
      state->max = p, p += round16(s.tile_rows);
      state->sum = p, p += round16(s.tile_rows);
      state->acc = p, p += s.tile_rows * s.width;
    }
  }
};

}  // namespace mainspring::cpu::MAINSPRING_ISA
