// Quantised weights times activations of one signed byte (ActType::k8).
//
// Per group: the exact 32-bit integer sum of (code - zero) * activation code, made fp32, times the activation's scale, then
// one fused multiply-add with the group's scale (and one with its offset, where that is no whole number of scales), group
// after group along k; a whole row is one group. Integer sums are exact in any order, so streams, register tiles, matrix
// tiles and all instruction sets agree bit for bit.
#include "backends/cpu/linear/group_int8.h"

#include "backends/cpu/linear/packed_by.h"

namespace mainspring::cpu::MAINSPRING_ISA {

namespace {

constexpr size_t kPrefetch = 2048;  // bytes ahead of a stream

Int8Panels panels(const WeightFormat& f, int64_t in) { return int8_panels(f, in, kLanes, kPanelVecs); }

// acc[row][chain] += one chunk of codes of one vector of columns times m rows of x.
template <int kWords, int m, int kChains>
MS_INLINE void stream_chunk(const std::byte* bits, const int8_t* x, QuadAcc (&acc)[m][kChains]) {
  for (int b = 0; b < kWords * kVecBytes; b += 64) prefetch(bits + kPrefetch + b);
  const Planes<kWords> planes(bits);
  each<kQuads>([&](auto j) MS_LAMBDA {
    const VI w = planes.template quad<decltype(j)::value>();
    each<m>([&](auto row) MS_LAMBDA {
      QuadAcc& a = acc[row][j % kChains];
      a = byte_dot<kWords, j / kChains>(a, w, pair_at(x + row * kChunk + 4 * j));
    });
  });
}

// One block of one vector of columns: chunks [c, end) of m rows.
template <int kWords, int m>
MS_INLINE void stream_chunks(const Int8Panels& p, const std::byte* planes, const Int8Rows& x, int64_t c, int n, VI* total) {
  constexpr int kChains = m == 1 ? kByteChains : 1;
  QuadAcc acc[m][kChains];
  each<m>([&](auto row) MS_LAMBDA { each<kChains>([&](auto i) MS_LAMBDA { acc[row][i] = quad_zero(); }); });
  for (int i = 0; i < n; ++i)
    stream_chunk<kWords, m, kChains>(planes + static_cast<size_t>(i) * p.vector_bytes, x.quads(c + i), acc);
  each<m>([&](auto row) MS_LAMBDA {
    total[row] = quad_sum(acc[row][0]);
    if constexpr (kChains == 2) total[row] = iadd(total[row], quad_sum(acc[row][1]));
  });
}

template <int kWords, int m>
MS_INLINE void stream_vector(const Int8Panels& p, const PanelEnd& end, const Int8Block& at, const Int8Rows& x, int64_t b,
                             int v, float* sums) {
  const int64_t chunk = b * kInt8Chunks;
  VI total[m];
  if (p.group == 0) {
    const int64_t left = x.chunks - chunk;
    stream_chunks<kWords, m>(p, at.plane(p, v, 0), x, chunk, left < at.chunks ? static_cast<int>(left) : at.chunks, total);
    each<m>([&](auto row) MS_LAMBDA {
      float* s = sums + row * kPanelColumns + v * kLanes;
      istore(s, iadd(iload(s), total[row]));
    });
    return;
  }
  const int n = p.group / kChunk;
  VF s[m];
  each<m>([&](auto row) MS_LAMBDA { s[row] = vload(sums + row * kPanelColumns + v * kLanes); });
  for (int g = 0; g < at.groups; ++g) {
    stream_chunks<kWords, m>(p, at.plane(p, v, g * n), x, chunk + g * n, n, total);
    const GroupEnd group(p, end, at, g, v);
    const int64_t all = b * (kInt8Block / p.group) + g;
    each<m>([&](auto row) MS_LAMBDA { s[row] = group.add(end, s[row], total[row], x.scales(all)[row], x.sums(all)[row]); });
  }
  each<m>([&](auto row) MS_LAMBDA { vstore(sums + row * kPanelColumns + v * kLanes, s[row]); });
}

// A few rows: codes stay in registers, the weights are read once.
template <int kWords, int m>
void stream(const LinearTask& task, const Int8Panels& p) {
  const Int8Rows x(task);
  alignas(64) float sums[2][m * kPanelColumns];
  for_streams(task, p.panel_bytes, [&](const Streams& at) MS_LAMBDA {
    for (int i = 0; i < at.n; ++i) zero_sums(sums[i], m);
    for (int64_t b = 0; b < p.n_blocks; ++b)
      for (int v = 0; v < kPanelVecs; ++v)
        for (int i = 0; i < at.n; ++i)
          stream_vector<kWords, m>(p, PanelEnd(p, at.data[i]), Int8Block(p, at.data[i], b), x, b, v, sums[i]);
    for (int i = 0; i < at.n; ++i) finish_panel(task, p, at.data[i], at.panel[i], m, sums[i]);
  });
}

// Register tiles: codes of a block as bytes, [kPanelVecs][chunks][kQuads] vectors, times many rows.
template <int kWords, int m>
MS_INLINE void tile_chunks(const std::byte* w, size_t vec_stride, const Int8Rows& x, int64_t c, int n,
                           QuadAcc (&acc)[m][kTileVecs]) {
  for (int i = 0; i < n; ++i, w += kQuads * kVecBytes) {
    const int8_t* codes = x.quads(c + i);
    each<kQuads>([&](auto j) MS_LAMBDA {
      VI b[kTileVecs];
      each<kTileVecs>([&](auto v) MS_LAMBDA { b[v] = iload(w + v * vec_stride + j * kVecBytes); });
      each<m>([&](auto row) MS_LAMBDA {
        const VI a = pair_at(codes + row * kChunk + 4 * j);
        each<kTileVecs>([&](auto v) MS_LAMBDA { acc[row][v] = byte_dot<kWords, j>(acc[row][v], b[v], a); });
      });
    });
  }
}

struct RegisterTiles {
  const Int8Panels& p;
  const PanelEnd& end;
  const Int8Block& at;
  const std::byte* bytes;
  size_t vec_stride;
  const Int8Rows& x;
  int64_t b;
  float* sums;

  template <int kWords, int m> void tile(int row, int u) const {
    const Int8Rows rows = x.from(row);
    const std::byte* w = bytes + static_cast<size_t>(u * kTileVecs) * vec_stride;
    float* to = sums + row * kPanelColumns + u * kTileVecs * kLanes;
    const int64_t chunk = b * kInt8Chunks;
    QuadAcc acc[m][kTileVecs];
    if (p.group == 0) {
      each<m>([&](auto r) MS_LAMBDA {
        each<kTileVecs>([&](auto v) MS_LAMBDA { acc[r][v] = quad_of(iload(to + r * kPanelColumns + v * kLanes)); });
      });
      const int64_t left = x.chunks - chunk;
      tile_chunks<kWords, m>(w, vec_stride, rows, chunk, left < at.chunks ? static_cast<int>(left) : at.chunks, acc);
      each<m>([&](auto r) MS_LAMBDA {
        each<kTileVecs>([&](auto v) MS_LAMBDA { istore(to + r * kPanelColumns + v * kLanes, quad_sum(acc[r][v])); });
      });
      return;
    }
    const int n = p.group / kChunk;
    for (int g = 0; g < at.groups; ++g) {
      each<m>([&](auto r) MS_LAMBDA { each<kTileVecs>([&](auto v) MS_LAMBDA { acc[r][v] = quad_zero(); }); });
      tile_chunks<kWords, m>(w + static_cast<size_t>(g * n) * kQuads * kVecBytes, vec_stride, rows, chunk + g * n, n, acc);
      const int64_t all = b * (kInt8Block / p.group) + g;
      each<kTileVecs>([&](auto v) MS_LAMBDA {
        const GroupEnd group(p, end, at, g, u * kTileVecs + v);
        each<m>([&](auto r) MS_LAMBDA {
          float* s = to + r * kPanelColumns + v * kLanes;
          vstore(s, group.add(end, vload(s), quad_sum(acc[r][v]), rows.scales(all)[r], rows.sums(all)[r]));
        });
      });
    }
  }

  template <int m> MS_INLINE void run(int row) const {
    for (int u = 0; u < kPanelTiles; ++u) {
      if (p.words == 8) tile<8, m>(row, u);
      else if (p.words == 4) tile<4, m>(row, u);
      else tile<6, m>(row, u);
    }
  }
};

// Codes of less than 8 bits as bytes, [kPanelVecs][chunks][kQuads] vectors.
template <int kWords>
MS_INLINE void unpack(const Int8Panels& p, const Int8Block& at, std::byte* to) {
  for (int i = 0; i < kPanelVecs * at.chunks; ++i, to += kQuads * kVecBytes) {
    const Planes<kWords> planes(at.planes + static_cast<size_t>(i) * p.vector_bytes);
    each<kQuads>([&](auto j) MS_LAMBDA { istore(to + j * kVecBytes, planes.template quad<decltype(j)::value>()); });
  }
}

void run_register_tiles(const LinearTask& task, const Int8Panels& p) {
  const PackedLinear& w = *task.weight;
  const int rows = static_cast<int>(task.n_rows);
  const Int8Rows x(task);
  alignas(64) float sums[kTaskRows * kPanelColumns];
  alignas(64) std::byte buffer[kPanelVecs * kInt8Chunks * kQuads * kVecBytes];
  for (int64_t panel = task.panel; panel < task.panel + task.n_panels; ++panel) {
    const std::byte* data = w.data + static_cast<size_t>(panel) * p.panel_bytes;
    const PanelEnd end(p, data);
    zero_sums(sums, rows);
    for (int64_t b = 0; b < p.n_blocks; ++b) {
      const Int8Block at(p, data, b);
      const std::byte* bytes = p.words == 8 ? at.planes : buffer;
      with_words(p.words, [&](auto words) MS_LAMBDA {
        if constexpr (decltype(words)::value < 8) unpack<decltype(words)::value>(p, at, buffer);
      });
      for_tiles<kByteRows>(rows, RegisterTiles{p, end, at, bytes, static_cast<size_t>(at.chunks) * kQuads * kVecBytes, x, b,
                                               sums});
    }
    finish_panel(task, p, data, panel, rows, sums);
  }
}

int score(const WeightFormat& f, ComputeType compute, int64_t, int64_t in) {
  return compute != ComputeType::kF32 && int8_supported(f, in) ? 20 : 0;
}

void run(const LinearTask& task) {
  const Int8Panels p = panels(task.weight->format, task.weight->in);
#if defined(MAINSPRING_ISA_amx)
  if (task.int8.tiles) return run_int8_matrix_tiles(task, p);
#endif
  if (task.x->rows > kStreamRows) return run_register_tiles(task, p);
  with_words(p.words, [&](auto words) MS_LAMBDA {
    each<kStreamRows>([&](auto i) MS_LAMBDA {
      if (task.n_rows == i + 1) stream<decltype(words)::value, decltype(i)::value + 1>(task, p);
    });
  });
}

}  // namespace

const LinearKernel kGroupInt8 = PackedBy<&panels>::kernel("group_int8", &score, kPanelColumns, InputForm::kInt8, &run);

}  // namespace mainspring::cpu::MAINSPRING_ISA
