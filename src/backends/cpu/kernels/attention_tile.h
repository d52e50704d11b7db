// The matrix products of attention: queries times a block of keys, weights times a block of values. Blocks are read in
// their own format, straight into registers, once for up to a dozen rows.
#pragma once

#include "backends/cpu/kernels/kv_codec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// Vectors of columns in a register tile; tiles of few rows are twice as wide, or too few sums would be under way.
constexpr int kTileVectors = kLanes == 4 ? 4 : 2;

// Rows of A times blocks of B one above the other, columns numbered as Step numbers them.
template <class Step>
struct Product {
  const typename Step::Num* a;  // [rows][a_stride]
  int64_t a_stride;
  const std::byte* const* b;    // [blocks] -> + b_offset: [steps][b_stride bytes]
  const int64_t* ahead;         // [blocks]: bytes to what is read soon: it is asked for line by line, because all at
                                // once would fill the core's miss buffers; 0: nothing
  int64_t blocks, b_offset, b_stride;
  float* c;                     // [rows][c_stride] of f32 or int32
  int64_t c_stride, width;      // width: of B, in columns
  int64_t steps;                // of a block
  bool accumulate;
};

// Sums, one multiplier, a mask and the vectors of a step fit in the register file.
template <class Step>
inline constexpr int kMaxRows = [] {
  const int free = kRegisters - 1 - (Step::kSub > 1) - kTileVectors * Step::kSub;
  const int rows = free / (kTileVectors * Step::kSumRegisters);
  return rows < kTileRows ? rows : kTileRows;
}();

// Every number is one chain over the steps (or exact): it does not depend on how many rows share the tile.
template <class Step, int kRows, int kVectors>
void register_tile(const Product<Step>& m, int64_t row, int64_t vector) {
  const typename Step::Num* a = m.a + row * m.a_stride;
  float* c = m.c + row * m.c_stride;
  typename Step::Sum sum[kRows][kVectors];
  each<kRows>([&](auto r) MS_LAMBDA {
    each<kVectors>([&](auto v) MS_LAMBDA {
      sum[r][v] = Step::start(c + r * m.c_stride + Step::column(vector + v, m.width), m.accumulate);
    });
  });
  for (int64_t block = 0; block < m.blocks; ++block) {
    const std::byte* b = m.b[block] + m.b_offset + vector * Step::kBytes;
    const int64_t ahead = m.ahead[block];
    for (int64_t k = 0; k < m.steps; ++k, a += Step::kSub * Step::kPer, b += m.b_stride) {
      typename Step::X x[Step::kSub][kVectors];
      Step::template load<kVectors>(b, x);
      for (int line = 0; line < kVectors * Step::kBytes; line += 64) prefetch_l2(b + line + ahead);
      each<Step::kSub>([&](auto s) MS_LAMBDA {
        each<kRows>([&](auto r) MS_LAMBDA {
          const typename Step::X by = Step::multiplier(a + r * m.a_stride + s * Step::kPer);
          each<kVectors>([&](auto v) MS_LAMBDA { sum[r][v] = Step::madd(sum[r][v], x[s][v], by); });
        });
      });
    }
  }
  each<kRows>([&](auto r) MS_LAMBDA {
    each<kVectors>([&](auto v) MS_LAMBDA {
      Step::store(c + r * m.c_stride + Step::column(vector + v, m.width), sum[r][v], m.accumulate);
    });
  });
}

template <class Step, int kVectors, int kRows>
inline void tile_of(const Product<Step>& m, int rows, int64_t row, int64_t vector) {
  if constexpr (kRows > 1)
    if (rows < kRows) return tile_of<Step, kVectors, kRows - 1>(m, rows, row, vector);
  register_tile<Step, kRows, kVectors>(m, row, vector);
}

// `vectors` columns of all rows.
template <class Step>
void multiply(const Product<Step>& m, int64_t rows, int64_t vectors) {
  constexpr int kMax = kMaxRows<Step>;
  const int64_t parts = (rows + kMax - 1) / kMax;  // of nearly equal height
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t row = rows * part / parts;
    const int height = static_cast<int>(rows * (part + 1) / parts - row);
    int64_t v = 0;
    if constexpr (kMax >= 2)
      if (height <= kMax / 2)
        for (; v + 2 * kTileVectors <= vectors; v += 2 * kTileVectors)
          tile_of<Step, 2 * kTileVectors, kMax / 2>(m, height, row, v);
    for (; v + kTileVectors <= vectors; v += kTileVectors) tile_of<Step, kTileVectors, kMax>(m, height, row, v);
    if constexpr (kLanes * kTileVectors > 16 && Step::kVectorStep == 1)
      if (v < vectors) tile_of<Step, 1, kMax>(m, height, row, v);
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
