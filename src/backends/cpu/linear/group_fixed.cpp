// Quantised weights as fixed-point integers times fixed-point activations.
//
// Per record of 256 inputs: the exact 32-bit integer sum of (multiplier * code + zero) * activation code, made fp32, times
// the activation's scale, then one fused multiply-add with the record's scale, record after record along k. Integer sums
// are exact in any order, so streams, register tiles, matrix tiles and all instruction sets agree bit for bit.
#include "backends/cpu/linear/amx.h"
#include "backends/cpu/linear/linear.h"
#include "backends/cpu/linear/packed_by.h"
#include "backends/cpu/linear/planes.h"
#include "backends/cpu/linear/tile.h"

namespace mainspring::cpu::MAINSPRING_ISA {

namespace {

constexpr size_t kPrefetch = 2048;                     // bytes ahead of a stream
constexpr int kPairs = kChunk / 2;
constexpr int kRecordPairs = kRecord / 2;

FixedPanels panels(const WeightFormat& f, int64_t in) { return fixed_panels(f, in, kLanes, kPanelVecs); }

MS_INLINE float factor_of(const std::byte* panel) { return *reinterpret_cast<const float*>(panel); }

// Record r of a panel.
struct RecordAt {
  int chunks, groups;
  const uint16_t* scales;
  const std::byte* multipliers;
  const std::byte* zeros;
  const std::byte* planes;
  MS_INLINE RecordAt(const FixedPanels& p, const std::byte* panel, int64_t r)
      : chunks(p.record_chunks(r)), groups(p.record_groups(r)) {
    const std::byte* record = panel + kPanelHeader + static_cast<size_t>(r) * p.record;
    scales = reinterpret_cast<const uint16_t*>(record);
    multipliers = record + p.scale_bytes;
    zeros = record + p.zeros_at(groups);
    planes = record + p.planes_at(groups);
  }
  MS_INLINE const std::byte* begin() const { return reinterpret_cast<const std::byte*>(scales); }
  MS_INLINE const std::byte* plane(const FixedPanels& p, int vec, int chunk) const {
    return planes + static_cast<size_t>(vec * chunks + chunk) * p.vector_bytes;
  }
};

// Byte offset of the multiplier (or zero) of a half chunk and vector.
MS_INLINE size_t group_at(const FixedPanels& p, int chunk, int half, int vec) {
  return static_cast<size_t>((chunk * kChunk + half * (kChunk / 2)) / p.group) * p.group_bytes +
         static_cast<size_t>(vec) * kLanes * 2;
}

// The step that every path takes at the end of a record, for one row and one vector of columns.
MS_INLINE VF add_record(VF sums, VI total, VF scale, float x_scale) {
  return vfma(to_float(total) * vset(x_scale), scale, sums);
}

// Rows of x from `row` on.
struct Rows {
  const FixedInput& x;
  int64_t rows, row;
  MS_INLINE const int8_t* quads(int64_t chunk) const { return x.quads + (chunk * rows + row) * 2 * kChunk; }
  MS_INLINE const int32_t* sums(int64_t chunk) const { return x.sums + (chunk * rows + row) * 2; }
  MS_INLINE const int16_t* codes(int64_t chunk) const { return x.codes + (chunk * rows + row) * kChunk; }
  MS_INLINE const float* scales(int64_t record) const { return x.scales + record * rows + row; }
};

// Lines of a memory stream asked for ahead of its use: where a vector of a record is read, as many bytes further on.
struct StreamAhead {
  const std::byte* from;
  size_t share;  // of a chunk
  MS_INLINE StreamAhead(const FixedPanels& p, const std::byte* record, int v)
      : from(record + kPrefetch + p.record / kPanelVecs * static_cast<size_t>(v)),
        share(p.record / (kPanelVecs * kRecordChunks)) {}
  template <int kWords> MS_INLINE void chunk(int c) const {
    constexpr size_t kMost = (kWords + 1) * kVecBytes;  // planes, and a chunk's part of scales, multipliers and zeros
    const std::byte* p = from + static_cast<size_t>(c) * share;
    each<static_cast<int>((kMost + 63) / 64)>([&](auto i) MS_LAMBDA { prefetch(p + i * 64); });
  }
};

// A few rows: codes stay in registers, the weights are read once.
template <int kWords, int m, int halves>
MS_INLINE void stream_vector(const FixedPanels& p, const RecordAt& at, const StreamAhead& ahead, const Rows& x, int64_t r,
                             int v, VI* total) {
  constexpr int kQuads = kChunk / 4 / halves;
  constexpr int kChains = m == 1 ? 2 : 1;  // sums that do not wait for each other
  constexpr int kTop = Planes<kWords>::kTop;
  for (int c = 0; c < at.chunks; ++c) {
    ahead.template chunk<kWords>(c);
    const Planes<kWords> planes(at.plane(p, v, c));
    const int8_t* quads = x.quads(r * kRecordChunks + c);
    const int32_t* mass = x.sums(r * kRecordChunks + c);
    each<halves>([&](auto h) MS_LAMBDA {
      QuadAcc high[m][kChains], low[m][kChains];
      each<m>([&](auto row) MS_LAMBDA {
        each<kChains>([&](auto i) MS_LAMBDA { high[row][i] = low[row][i] = quad_zero(); });
      });
      each<kQuads>([&](auto j) MS_LAMBDA {
        constexpr int quad = h * kQuads + j, chain = j % kChains;
        const VI w = planes.template quad<quad>();
        each<m>([&](auto row) MS_LAMBDA {
          const int8_t* q = quads + row * 2 * kChunk + 4 * quad;
          high[row][chain] = quad_dot<kTop, j / kChains>(high[row][chain], w, pair_at(q));
          low[row][chain] = quad_dot<kTop, j / kChains>(low[row][chain], w, pair_at(q + kChunk));
        });
      });
      const size_t group = group_at(p, c, h, v);
      const VI multiplier = vload_i16(at.multipliers + group);
      each<m>([&](auto row) MS_LAMBDA {
        VI hi = quad_sum(high[row][0]), lo = quad_sum(low[row][0]);
        if constexpr (kChains == 2) hi = iadd(hi, quad_sum(high[row][1])), lo = iadd(lo, quad_sum(low[row][1]));
        const int32_t sum = halves == 2 ? mass[2 * row + h] : mass[2 * row] + mass[2 * row + 1];
        VI dot = iadd(shl32_8(hi), lo);
        if (!p.offset) dot = isub(dot, iset(p.bias * sum));
        total[row] = iadd(total[row], imul(dot, multiplier));
        if (p.offset) total[row] = iadd(total[row], imul(iset(sum), vload_i16(at.zeros + group)));
      });
    });
  }
}

template <int kWords, int m>
void stream(const LinearTask& task, const FixedPanels& p) {
  const PackedLinear& w = *task.weight;
  const Rows x{task.x->fixed, task.x->rows, task.row};
  alignas(64) float sums[2][m * kPanelColumns];
  for_streams(task, p.panel_bytes, [&](const Streams& at) MS_LAMBDA {
    for (int s = 0; s < at.n; ++s) zero_sums(sums[s], m);
    for (int64_t r = 0; r < p.n_records; ++r) {
      for (int v = 0; v < kPanelVecs; ++v) {
        for (int s = 0; s < at.n; ++s) {
          const RecordAt record(p, at.data[s], r);
          const StreamAhead ahead(p, record.begin(), v);
          VI total[m];
          each<m>([&](auto row) MS_LAMBDA { total[row] = iset(0); });
          if (p.group == 16) stream_vector<kWords, m, 2>(p, record, ahead, x, r, v, total);
          else stream_vector<kWords, m, 1>(p, record, ahead, x, r, v, total);
          const VF scale = vload_f16(record.scales + v * kLanes);
          each<m>([&](auto row) MS_LAMBDA {
            float* to = sums[s] + row * kPanelColumns + v * kLanes;
            vstore(to, add_record(vload(to), total[row], scale, x.scales(r)[row]));
          });
        }
      }
    }
    for (int s = 0; s < at.n; ++s)
      for (int row = 0; row < m; ++row)
        write_panel(task, w.out, at.panel[s], task.row + row, sums[s] + row * kPanelColumns, factor_of(at.data[s]));
  });
}

// f(pair of the record, its 16-bit weights) for one vector of columns.
template <int kWords, class F>
MS_INLINE void unpack_vector(const FixedPanels& p, const RecordAt& at, int v, const F& f) {
  const VI bias = iset(p.bias);
  for (int c = 0; c < at.chunks; ++c) {
    const Planes<kWords> planes(at.plane(p, v, c));
    VI multiplier[2], zero[2];
    each<2>([&](auto h) MS_LAMBDA {
      const size_t group = group_at(p, c, h, v);
      const VI m = vload_i16(at.multipliers + group);
      multiplier[h] = both_halves(m);
      zero[h] = both_halves(p.offset ? vload_i16(at.zeros + group) : isub(iset(0), imul(m, bias)));
    });
    each<kPairs>([&](auto j) MS_LAMBDA {
      constexpr int h = j / (kPairs / 2);
      f(c, j, iadd16(imul16(planes.template pair<decltype(j)::value>(), multiplier[h]), zero[h]));
    });
  }
}

// A record unpacked to 16-bit weights in the first-level cache for many rows: [kPanelTiles][pairs][kTileVecs] vectors.
struct Block {
  alignas(64) std::byte pairs[kRecordPairs * kPanelVecs * kVecBytes];
  template <int kWords>
  MS_INLINE void unpack(const FixedPanels& p, const RecordAt& at) {
    for (int v = 0; v < kPanelVecs; ++v) {
      std::byte* to = pairs + (v / kTileVecs * kRecordPairs * kTileVecs + v % kTileVecs) * kVecBytes;
      unpack_vector<kWords>(p, at, v, [&](int c, auto j, VI w) MS_LAMBDA {
        istore(to + (c * kPairs + j) * kTileVecs * kVecBytes, w);
      });
    }
  }
};

template <int m>
void tile(const RecordAt& at, const Block& block, int u, const Rows& x, int64_t r, float* sums) {
  const std::byte* w = block.pairs + u * kRecordPairs * kTileVecs * kVecBytes;
  Acc acc[m][kTileVecs];
  each<m>([&](auto row) MS_LAMBDA { each<kTileVecs>([&](auto v) MS_LAMBDA { acc[row][v] = acc_set(0); }); });
  for (int c = 0; c < at.chunks; ++c, w += kPairs * kTileVecs * kVecBytes)
    tile_pairs<m>(w, x.codes(r * kRecordChunks + c), kPairs, acc);
  each<kTileVecs>([&](auto v) MS_LAMBDA {
    const int column = u * kTileColumns + v * kLanes;
    const VF scale = vload_f16(at.scales + column);
    each<m>([&](auto row) MS_LAMBDA {
      float* s = sums + row * kPanelColumns + column;
      vstore(s, add_record(vload(s), acc_sum(acc[row][v]), scale, x.scales(r)[row]));
    });
  });
}

struct RegisterTiles {
  const RecordAt& at;
  const Block& block;
  Rows x;
  int64_t r;
  float* sums;
  template <int m> MS_INLINE void run(int row) const {
    for (int u = 0; u < kPanelTiles; ++u)
      tile<m>(at, block, u, Rows{x.x, x.rows, x.row + row}, r, sums + row * kPanelColumns);
  }
};

void run_register_tiles(const LinearTask& task, const FixedPanels& p) {
  const PackedLinear& w = *task.weight;
  const int rows = static_cast<int>(task.n_rows);
  alignas(64) float sums[kTaskRows * kPanelColumns];
  Block block;
  for (int64_t panel = task.panel; panel < task.panel + task.n_panels; ++panel) {
    const std::byte* data = w.data + static_cast<size_t>(panel) * p.panel_bytes;
    zero_sums(sums, rows);
    for (int64_t r = 0; r < p.n_records; ++r) {
      const RecordAt at(p, data, r);
      with_words(p.words, [&](auto words) MS_LAMBDA { block.unpack<decltype(words)::value>(p, at); });
      for_tiles(rows, RegisterTiles{at, block, Rows{task.x->fixed, task.x->rows, task.row}, r, sums});
    }
    for (int i = 0; i < rows; ++i) write_panel(task, w.out, panel, task.row + i, sums + i * kPanelColumns, factor_of(data));
  }
}

#if defined(MAINSPRING_ISA_amx)

constexpr size_t kStepBytes = 2 * 16 * 64;  // high and low bytes of 64 inputs and 16 columns

// A record unpacked to weight tiles: [kPanelVecs][steps][high, low][16][64].
struct TileBlock {
  // Zero at first: a step that the record fills only half is multiplied whole (by zeros of x).
  alignas(64) std::byte bytes[kPanelVecs * kSteps * kStepBytes] = {};
  template <int kWords>
  MS_INLINE void unpack(const FixedPanels& p, const RecordAt& at) {
    for (int v = 0; v < kPanelVecs; ++v) {
      std::byte* to = bytes + v * kSteps * kStepBytes;
      const StreamAhead ahead(p, at.begin(), v);
      VI first;
      unpack_vector<kWords>(p, at, v, [&](int c, auto j, VI w) MS_LAMBDA {
        if constexpr (decltype(j)::value == 0) ahead.template chunk<kWords>(c);
        if constexpr (decltype(j)::value % 2 == 0) first = w;
        else {
          std::byte* row = to + c / 2 * kStepBytes + (c % 2 * (kPairs / 2) + j / 2) * 64;
          put_rows(first, w, row, row + kStepBytes / 2);
        }
      });
    }
  }
};

// Products of one tile and vector of columns on their way into the sums, a quarter of the rows at a time.
struct Pending {
  const int32_t* products = nullptr;
  int rows = 0;
  VF scale;
  const float* x_scales = nullptr;
  float* sums = nullptr;

  // The exact sum is high * 2^16 + both middles * 2^8 + low, modulo 2^32.
  MS_INLINE void add(int quarter) const {
    const int end = rows < quarter * 4 + 4 ? rows : quarter * 4 + 4;
    for (int i = quarter * 4; i < end; ++i) {
      const int32_t* c = products + i * 16;
      const VI middle = iadd(iadd(_mm512_slli_epi32(iload(c), 8), iload(c + 256)), iload(c + 768));
      const VI total = iadd(_mm512_slli_epi32(middle, 8), iload(c + 512));
      float* s = sums + i * kPanelColumns;
      vstore(s, add_record(vload(s), total, scale, x_scales[i]));
    }
  }
};

// Panels whose sums stay in the second-level cache together: a record of x serves all of them before the next one is read.
constexpr int kSidePanels = 4;

struct TileRun {
  const LinearTask& task;
  const FixedPanels& p;
  const TileUnit unit;
  int rows, height, tiles;
  int64_t all_tiles;
  TileBlock block;
  alignas(64) int32_t products[kPanelVecs][4 * 256];

  MS_INLINE TileRun(const LinearTask& t, const FixedPanels& panels)
      : task(t),
        p(panels),
        unit(t.x->fixed.tile_rows),
        rows(static_cast<int>(t.n_rows)),
        height(t.x->fixed.tile_rows),
        tiles((rows + height - 1) / height),
        all_tiles((t.x->rows + height - 1) / height) {}

  // Adds record r of a panel times all rows of the task to sums[rows][kPanelColumns].
  void add_record_of(const std::byte* panel, int64_t r, float* sums) {
    const RecordAt at(p, panel, r);
    const int steps = (at.chunks + 1) / 2;
    with_words(p.words, [&](auto words) MS_LAMBDA { block.unpack<decltype(words)::value>(p, at); });
    VF scale[kPanelVecs];
    each<kPanelVecs>([&](auto v) MS_LAMBDA { scale[v] = vload_f16(at.scales + v * kLanes); });
    const size_t x_step = static_cast<size_t>(height) * 64, tile_bytes = static_cast<size_t>(steps) * 2 * x_step;
    const FixedInput& x = task.x->fixed;
    const std::byte* tile = x.tiles + tile_at(r, task.row / height, steps, all_tiles, height);
    const float* x_scales = x.scales + r * task.x->rows + task.row;
    Pending pending;
    for (int i = 0; i < tiles; ++i, tile += tile_bytes) {
      const int row = i * height, n = rows - row < height ? rows - row : height;
      each<kPanelVecs>([&](auto v) MS_LAMBDA {
        unit.multiply(tile, x_step, block.bytes + v * kSteps * kStepBytes, steps, products[v],
                      [&](int s) MS_LAMBDA { pending.add(s); });
        pending = {products[v], n, scale[v], x_scales + row, sums + row * kPanelColumns + v * kLanes};
      });
    }
    for (int s = 0; s < 4; ++s) pending.add(s);
  }
};

void run_matrix_tiles(const LinearTask& task, const FixedPanels& p) {
  const PackedLinear& w = *task.weight;
  TileRun run(task, p);
  alignas(64) float sums[kSidePanels][kTileTaskRows * kPanelColumns];
  const int64_t end = task.panel + task.n_panels;
  for (int64_t first = task.panel; first < end; first += kSidePanels) {
    const int side = end - first < kSidePanels ? static_cast<int>(end - first) : kSidePanels;
    const auto panel = [&](int i) MS_LAMBDA { return w.data + static_cast<size_t>(first + i) * p.panel_bytes; };
    for (int i = 0; i < side; ++i) zero_sums(sums[i], run.rows);
    for (int64_t r = 0; r < p.n_records; ++r)
      for (int i = 0; i < side; ++i) run.add_record_of(panel(i), r, sums[i]);
    for (int i = 0; i < side; ++i)
      for (int row = 0; row < run.rows; ++row)
        write_panel(task, w.out, first + i, task.row + row, sums[i] + row * kPanelColumns, factor_of(panel(i)));
  }
}

#endif

int score(const WeightFormat& f, ComputeType compute, int64_t, int64_t in) {
  return compute != ComputeType::kF32 && fixed_supported(f, in) ? 20 : 0;
}

void run(const LinearTask& task) {
  const FixedPanels p = panels(task.weight->format, task.weight->in);
#if defined(MAINSPRING_ISA_amx)
  if (task.x->fixed.tiles) return run_matrix_tiles(task, p);
#endif
  if (!task.x->fixed.quads) return run_register_tiles(task, p);
  with_words(p.words, [&](auto words) MS_LAMBDA {
    if constexpr (decltype(words)::value != 8)
      each<kStreamRows>([&](auto i) MS_LAMBDA {
        if (task.n_rows == i + 1) stream<decltype(words)::value, decltype(i)::value + 1>(task, p);
      });
  });
}

}  // namespace

const LinearKernel kGroupFixed =
    PackedBy<&panels>::kernel("group_fixed", &score, kPanelColumns, InputForm::kFixed, &run);

}  // namespace mainspring::cpu::MAINSPRING_ISA
