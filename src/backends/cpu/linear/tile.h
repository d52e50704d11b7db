// What all linear kernels share: rows cut into register tiles, the fp32 tile, and the way out of a panel's sums.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/linear/int_vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

constexpr int kTileVecs = 2;                             // vectors of columns in a register tile
constexpr int kTileColumns = kTileVecs * kLanes;
constexpr int kPanelTiles = kPanelVecs / kTileVecs;

constexpr int kStreamRows = kRegisters == 32 ? 8 : 4;  // up to here codes are unpacked in registers, once for all rows

// Body::run<m>(row) over rows cut into tiles of at most kRows rows, as even as possible: 16 rows are 8 + 8.
template <int m, class Body>
MS_INLINE void run_tile(int rows, int row, const Body& body) {
  if (rows == m) {
    body.template run<m>(row);
  } else if constexpr (m > 1) {
    run_tile<m - 1>(rows, row, body);
  }
}
template <int kRows = kTileRows, class Body>
MS_INLINE void for_tiles(int rows, const Body& body) {
  const int tiles = (rows + kRows - 1) / kRows;
  const int base = rows / tiles, extra = rows % tiles;
  for (int i = 0, row = 0; i < tiles; ++i) {
    const int m = base + (i < extra ? 1 : 0);
    run_tile<kRows>(m, row, body);
    row += m;
  }
}

// sums[m][kTileColumns of kPanelColumns] += x[m][n] * w[n][kTileColumns], k after k: one fused multiply-add per product
// in the order of k, in every tile shape. That order is what makes results independent of the number of rows.
template <int m>
void tile_f32(const float* w, int n, const float* x, int64_t x_stride, float* sums) {
  VF acc[m][kTileVecs];
  each<m>([&](auto r) MS_LAMBDA {
    each<kTileVecs>([&](auto v) MS_LAMBDA { acc[r][v] = vload(sums + r * kPanelColumns + v * kLanes); });
  });
  for (int k = 0; k < n; ++k, w += kTileColumns) {
    VF b[kTileVecs];
    each<kTileVecs>([&](auto v) MS_LAMBDA { b[v] = vload(w + v * kLanes); });
    each<m>([&](auto r) MS_LAMBDA {
      const VF a = vset(x[r * x_stride + k]);
      each<kTileVecs>([&](auto v) MS_LAMBDA { acc[r][v] = vfma(b[v], a, acc[r][v]); });
    });
  }
  each<m>([&](auto r) MS_LAMBDA {
    each<kTileVecs>([&](auto v) MS_LAMBDA { vstore(sums + r * kPanelColumns + v * kLanes, acc[r][v]); });
  });
}

// acc[m][kTileVecs] += the products of `pairs` pairs of 16-bit weights, w[pairs][kTileVecs] vectors, and of x, whose rows
// are kChunk codes apart.
template <int m>
MS_INLINE void tile_pairs(const std::byte* w, const int16_t* x, int pairs, Acc (&acc)[m][kTileVecs]) {
  for (int j = 0; j < pairs; ++j, w += kTileVecs * kVecBytes, x += 2) {
    VI b[kTileVecs];
    each<kTileVecs>([&](auto v) MS_LAMBDA { b[v] = iload(w + v * kVecBytes); });
    each<m>([&](auto r) MS_LAMBDA {
      const VI a = pair_at(x + r * kChunk);
      each<kTileVecs>([&](auto v) MS_LAMBDA { acc[r][v] = acc_dot(acc[r][v], b[v], a); });
    });
  }
}

// One chunk of weights as fp32: [kPanelTiles][n][kTileColumns].
MS_INLINE float* block_at(float* block, int n, int vec, int k) {
  return block + ((vec / kTileVecs) * n + k) * kTileColumns + vec % kTileVecs * kLanes;
}

struct F32Tiles {
  const float* block;
  int n;
  const float* x;
  int64_t x_stride;
  float* sums;
  template <int m> MS_INLINE void run(int row) const {
    for (int u = 0; u < kPanelTiles; ++u)
      tile_f32<m>(block + u * n * kTileColumns, n, x + row * x_stride, x_stride,
                  sums + row * kPanelColumns + u * kTileColumns);
  }
};

// out = sums * factor + bias, or added to out; the last panel may be cut anywhere.
MS_INLINE void write_panel(const LinearTask& task, int64_t columns, int64_t panel, int64_t row, const float* sums,
                           float factor) {
  const int64_t first = panel * kPanelColumns;
  float* out = task.out + row * task.out_stride + first;
  for (int v = 0; v < kPanelVecs; ++v) {
    const int64_t left = columns - first - v * kLanes;
    if (left <= 0) return;
    const int n = left < kLanes ? static_cast<int>(left) : kLanes;
    VF s = vload(sums + v * kLanes) * vset(factor);
    if (task.bias) s = s + vload_n(task.bias + first + v * kLanes, n);
    if (task.accumulate) s = vload_n(out + v * kLanes, n) + s;
    vstore_n(out + v * kLanes, s, n);
  }
}

MS_INLINE void zero_sums(float* sums, int64_t rows) {
  const VF zero = vset(0);
  for (int64_t i = 0; i < rows * kPanelVecs; ++i) vstore(sums + i * kLanes, zero);
}

// The fp32 way: every chunk of a panel is made fp32 in the first-level cache by make(panel, chunk, n, block), then
// multiplied with all rows of the task.
template <class Make>
MS_INLINE void run_f32_blocks(const LinearTask& task, int64_t in, int64_t columns, const Make& make) {
  alignas(64) float sums[kTaskRows * kPanelColumns];
  alignas(64) float block[kChunk * kPanelColumns];
  const int rows = static_cast<int>(task.n_rows);
  for (int64_t panel = task.panel; panel < task.panel + task.n_panels; ++panel) {
    zero_sums(sums, rows);
    for (int64_t k = 0; k < in; k += kChunk) {
      const int n = in - k < kChunk ? static_cast<int>(in - k) : kChunk;
      make(panel, k / kChunk, n, block);
      const LinearInput& x = *task.x;
      for_tiles(rows, F32Tiles{block, n, x.values + k / kChunk * x.chunk_stride + task.row * x.row_stride, x.row_stride,
                               sums});
    }
    for (int r = 0; r < rows; ++r) write_panel(task, columns, panel, task.row + r, sums + r * kPanelColumns, 1.0f);
  }
}

// Panels that are read side by side.
struct Streams {
  int n;
  int64_t panel[2];
  const std::byte* data[2];
};

// f(Streams) for all panels of a task, in two halves side by side: two memory streams keep the memory busier than one,
// four no more. Each half is one run of bytes, so what is prefetched behind a panel is the next one.
template <class F>
MS_INLINE void for_streams(const LinearTask& task, size_t panel_bytes, const F& f) {
  const int64_t half = (task.n_panels + 1) / 2, end = task.panel + task.n_panels;
  for (int64_t first = task.panel; first < task.panel + half; ++first) {
    const int64_t second = first + half;
    const std::byte* data = task.weight->data;
    f(Streams{second < end ? 2 : 1,
              {first, second},
              {data + static_cast<size_t>(first) * panel_bytes, data + static_cast<size_t>(second) * panel_bytes}});
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
