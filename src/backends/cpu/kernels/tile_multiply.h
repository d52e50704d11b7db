// Small fp32 matrix product for attention: C = A B or C += A B with everything in L1.
#pragma once

#include "backends/cpu/linear/int_vec.h"  // kTileRows

namespace mainspring::cpu::MAINSPRING_ISA {

// Vectors of a register tile of kTileRows rows: accumulators, one row of B and a broadcast fit in the register file.
constexpr int kTileVectors = kLanes == 4 ? 4 : 2;

struct Multiply {
  const float* a;
  int64_t a_stride;
  const float* b;
  int64_t b_stride;
  float* c;
  int64_t c_stride;
  int64_t depth;
  bool accumulate;
};

// Every element is one chain of fused multiply-adds over the depth: it does not depend on how many rows share the tile.
template <int kRows, int kVectors>
void register_tile(const Multiply& m, int64_t row, int64_t column) {
  const float* a = m.a + row * m.a_stride;
  const float* b = m.b + column;
  float* c = m.c + row * m.c_stride + column;
  VF acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) acc[r][v] = m.accumulate ? vload(c + r * m.c_stride + v * kLanes) : vset(0.0f);
  for (int64_t k = 0; k < m.depth; ++k, b += m.b_stride) {
    VF row_of_b[kVectors];
    for (int v = 0; v < kVectors; ++v) row_of_b[v] = vload(b + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const VF x = vset(a[r * m.a_stride + k]);
      for (int v = 0; v < kVectors; ++v) acc[r][v] = vfma(x, row_of_b[v], acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) vstore(c + r * m.c_stride + v * kLanes, acc[r][v]);
}

template <int kVectors>
inline void column_tile(const Multiply& m, int rows, int64_t row, int64_t column) {
  switch (rows) {
    case 1: return register_tile<1, kVectors>(m, row, column);
    case 2: return register_tile<2, kVectors>(m, row, column);
    case 3: return register_tile<3, kVectors>(m, row, column);
    default: break;
  }
  if constexpr (kTileRows * kTileVectors / kVectors > 3) {
    switch (rows) {
      case 4: return register_tile<4, kVectors>(m, row, column);
      case 5: return register_tile<5, kVectors>(m, row, column);
      case 6: return register_tile<6, kVectors>(m, row, column);
      default: break;
    }
  }
  if constexpr (kTileRows * kTileVectors / kVectors > 6) {
    switch (rows) {
      case 7: return register_tile<7, kVectors>(m, row, column);
      case 8: return register_tile<8, kVectors>(m, row, column);
      case 9: return register_tile<9, kVectors>(m, row, column);
      case 10: return register_tile<10, kVectors>(m, row, column);
      case 11: return register_tile<11, kVectors>(m, row, column);
      default: return register_tile<12, kVectors>(m, row, column);
    }
  }
}

// columns: a multiple of 16. Few rows take tiles of twice the width, or too few sums would be under way at a time.
inline void multiply(const Multiply& m, int64_t rows, int64_t columns) {
  const int64_t parts = (rows + kTileRows - 1) / kTileRows;  // of nearly equal height
  constexpr int64_t kWidth = kTileVectors * kLanes;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t row = rows * part / parts;
    const int height = static_cast<int>(rows * (part + 1) / parts - row);
    int64_t column = 0;
    if (height <= kTileRows / 2)
      for (; column + 2 * kWidth <= columns; column += 2 * kWidth)
        column_tile<2 * kTileVectors>(m, height, row, column);
    for (; column + kWidth <= columns; column += kWidth) column_tile<kTileVectors>(m, height, row, column);
    if constexpr (kWidth > 16)
      if (column < columns) column_tile<16 / kLanes>(m, height, row, column);
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
