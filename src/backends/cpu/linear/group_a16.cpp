// Quantised weights times integer activations of 16 bits.
//
// Per group: exact integer sum of code * activation code, made fp32, times the activation scale, then one fused
// multiply-add with the weight scale, group after group along k. Integer sums are exact in any order, so the order of
// these multiply-adds alone decides the result: all tile shapes, row counts and instruction sets agree bit for bit.
#include "backends/cpu/linear/linear.h"
#include "backends/cpu/linear/packed_by.h"
#include "backends/cpu/linear/planes.h"
#include "backends/cpu/linear/tile.h"

namespace mainspring::cpu::MAINSPRING_ISA {

namespace {

constexpr size_t kPrefetch = 3072;                     // bytes ahead of a stream
constexpr int kPairs = kChunk / 2;

GroupPanels panels(const WeightFormat& f, int64_t in) { return group_panels(f, in, kLanes, kPanelVecs, true); }

MS_INLINE int32_t sum_of(const ChunkMeta& m, int halves, int half) {
  return halves == 2 ? m.sum[half] : m.sum[0] + m.sum[1];
}

// The step that every path takes at the end of a group, for one row and one vector of columns.
MS_INLINE VF add_group(VF sums, Acc acc, VF scale, float x_scale) {
  return vfma(to_float(acc_sum(acc)) * vset(x_scale), scale, sums);
}
MS_INLINE VF add_offset(VF sums, VF offset, float x_scale, int32_t x_sum) {
  return vfma(vset(x_scale * static_cast<float>(x_sum)), offset, sums);
}

// Rows [row, row + m) of x in chunk c.
struct RowsAt {
  const int16_t* codes;
  const ChunkMeta* meta;
  MS_INLINE RowsAt(const LinearTask& task, int64_t c)
      : codes(task.x->chunks.codes + (c * task.x->rows + task.row) * kChunk),
        meta(task.x->chunks.meta + c * task.x->rows + task.row) {}
};

// A few rows: codes stay in registers, the weights are read once.
template <int kWords, int m, int halves>
MS_INLINE void stream_chunk(const GroupPanels& p, const ChunkAt& at, const RowsAt& x, float* sums) {
  constexpr int kHalfPairs = kPairs / halves;
  const auto* scales = reinterpret_cast<const uint16_t*>(at.record);
  const auto* offsets = reinterpret_cast<const uint16_t*>(at.record + p.scale_bytes);
  for (int v = 0; v < kPanelVecs; ++v) {
    const std::byte* bits = at.planes + v * kWords * kVecBytes;
    for (int b = 0; b < kWords * kVecBytes; b += 64) prefetch(bits + kPrefetch + b);
    const Planes<kWords> planes(bits);
    each<halves>([&](auto h) MS_LAMBDA {
      Acc acc[m];
      each<m>([&](auto r) MS_LAMBDA { acc[r] = acc_set(-p.bias * sum_of(x.meta[r], halves, h)); });
      each<kHalfPairs>([&](auto j) MS_LAMBDA {
        constexpr int pair = h * kHalfPairs + j;
        const VI w = planes.template pair<pair>();
        each<m>([&](auto r) MS_LAMBDA { acc[r] = acc_dot(acc[r], w, pair_at(x.codes + r * kChunk + 2 * pair)); });
      });
      const int column = h * kPanelColumns + v * kLanes;
      const VF scale = vload_f16(scales + column);
      each<m>([&](auto r) MS_LAMBDA {
        float* s = sums + r * kPanelColumns + v * kLanes;
        vstore(s, add_group(vload(s), acc[r], scale, x.meta[r].scale));
      });
      if (p.offset) {
        const VF offset = vload_f16(offsets + column);
        each<m>([&](auto r) MS_LAMBDA {
          float* s = sums + r * kPanelColumns + v * kLanes;
          vstore(s, add_offset(vload(s), offset, x.meta[r].scale, sum_of(x.meta[r], halves, h)));
        });
      }
    });
  }
}

template <int kWords, int m>
void stream(const LinearTask& task, const GroupPanels& p) {
  const PackedLinear& w = *task.weight;
  const int64_t chunks = (w.in + kChunk - 1) / kChunk;
  alignas(64) float sums[2][m * kPanelColumns];
  for_streams(task, p.panel_bytes, [&](const Streams& at) MS_LAMBDA {
    for (int s = 0; s < at.n; ++s) zero_sums(sums[s], m);
    for (int64_t c = 0; c < chunks; ++c)
      for (int s = 0; s < at.n; ++s) {
        const ChunkAt chunk(p, at.data[s], c);
        if (p.halves == 2) stream_chunk<kWords, m, 2>(p, chunk, RowsAt(task, c), sums[s]);
        else stream_chunk<kWords, m, 1>(p, chunk, RowsAt(task, c), sums[s]);
      }
    for (int s = 0; s < at.n; ++s)
      for (int r = 0; r < m; ++r)
        write_panel(task, w.out, at.panel[s], task.row + r, sums[s] + r * kPanelColumns,
                    *reinterpret_cast<const float*>(at.data[s]));
  });
}

// A chunk unpacked to the first-level cache for many rows.
struct Block {
  alignas(64) std::byte pairs[kPairs * kPanelVecs * kVecBytes];  // [kPanelTiles][16][kTileVecs] vectors
  alignas(64) float scales[2 * kPanelColumns];
  alignas(64) float offsets[2 * kPanelColumns];

  template <int kWords>
  MS_INLINE void unpack(const GroupPanels& p, const ChunkAt& at) {
    for (int v = 0; v < kPanelVecs; ++v) {
      const Planes<kWords> planes(at.planes + v * kWords * kVecBytes);
      std::byte* to = pairs + (v / kTileVecs * kPairs * kTileVecs + v % kTileVecs) * kVecBytes;
      each<kPairs>([&](auto j) MS_LAMBDA {
        istore(to + j * kTileVecs * kVecBytes, planes.template pair<decltype(j)::value>());
      });
    }
    for (int i = 0; i < p.halves * kPanelVecs; ++i) {
      vstore(scales + i * kLanes, vload_f16(reinterpret_cast<const uint16_t*>(at.record) + i * kLanes));
      if (p.offset)
        vstore(offsets + i * kLanes,
               vload_f16(reinterpret_cast<const uint16_t*>(at.record + p.scale_bytes) + i * kLanes));
    }
  }
};

template <int m>
void tile(const GroupPanels& p, const Block& block, int u, const int16_t* codes, const ChunkMeta* meta, float* sums) {
  const int pairs = kPairs / p.halves;
  const std::byte* w = block.pairs + u * kPairs * kTileVecs * kVecBytes;
  for (int h = 0; h < p.halves; ++h) {
    Acc acc[m][kTileVecs];
    each<m>([&](auto r) MS_LAMBDA {
      acc[r][0] = acc_set(-p.bias * sum_of(meta[r], p.halves, h));
      each<kTileVecs>([&](auto v) MS_LAMBDA { acc[r][v] = acc[r][0]; });
    });
    tile_pairs<m>(w + h * pairs * kTileVecs * kVecBytes, codes + h * pairs * 2, pairs, acc);
    each<kTileVecs>([&](auto v) MS_LAMBDA {
      const int column = h * kPanelColumns + u * kTileColumns + v * kLanes;
      const VF scale = vload(block.scales + column);
      float* to = sums + u * kTileColumns + v * kLanes;
      each<m>([&](auto r) MS_LAMBDA {
        float* s = to + r * kPanelColumns;
        vstore(s, add_group(vload(s), acc[r][v], scale, meta[r].scale));
      });
      if (p.offset) {
        const VF offset = vload(block.offsets + column);
        each<m>([&](auto r) MS_LAMBDA {
          float* s = to + r * kPanelColumns;
          vstore(s, add_offset(vload(s), offset, meta[r].scale, sum_of(meta[r], p.halves, h)));
        });
      }
    });
  }
}

struct Tiles {
  const GroupPanels& p;
  const Block& block;
  RowsAt x;
  float* sums;
  template <int m> MS_INLINE void run(int row) const {
    for (int u = 0; u < kPanelTiles; ++u)
      tile<m>(p, block, u, x.codes + row * kChunk, x.meta + row, sums + row * kPanelColumns);
  }
};

void run_tiles(const LinearTask& task, const GroupPanels& p) {
  const PackedLinear& w = *task.weight;
  const int64_t chunks = (w.in + kChunk - 1) / kChunk;
  const int rows = static_cast<int>(task.n_rows);
  alignas(64) float sums[kTaskRows * kPanelColumns];
  Block block;
  for (int64_t panel = task.panel; panel < task.panel + task.n_panels; ++panel) {
    const std::byte* data = w.data + static_cast<size_t>(panel) * p.panel_bytes;
    zero_sums(sums, rows);
    for (int64_t c = 0; c < chunks; ++c) {
      with_words(p.words, [&](auto words) MS_LAMBDA {
        block.unpack<decltype(words)::value>(p, ChunkAt(p, data, c));
      });
      for_tiles(rows, Tiles{p, block, RowsAt(task, c), sums});
    }
    const float factor = *reinterpret_cast<const float*>(data);
    for (int r = 0; r < rows; ++r) write_panel(task, w.out, panel, task.row + r, sums + r * kPanelColumns, factor);
  }
}

// Also of formats that ask for 8-bit activations in groups of 16, which int8 panels do not have.
int score(const WeightFormat& f, ComputeType compute, int64_t, int64_t in) {
  return compute != ComputeType::kF32 && group_supported(f, in) ? 10 : 0;
}

void run(const LinearTask& task) {
  const GroupPanels p = panels(task.weight->format, task.weight->in);
  if (task.n_rows > kStreamRows) return run_tiles(task, p);
  with_words(p.words, [&](auto words) MS_LAMBDA {
    each<kStreamRows>([&](auto i) MS_LAMBDA {
      if (task.n_rows == i + 1) stream<decltype(words)::value, decltype(i)::value + 1>(task, p);
    });
  });
}

}  // namespace

const LinearKernel kGroupA16 =
    PackedBy<&panels>::kernel("group_a16", &score, kPanelColumns, InputForm::kChunkCodes, &run);

}  // namespace mainspring::cpu::MAINSPRING_ISA
