// The int8 kernel on matrix tiles: two tiles of x by two of weights at a time, so that one load feeds two products.
#include "backends/cpu/linear/amx.h"
#include "backends/cpu/linear/convert_int8.h"
#include "backends/cpu/linear/group_int8.h"

#if defined(MAINSPRING_ISA_amx)

namespace mainspring::cpu::MAINSPRING_ISA {

namespace {

static_assert(kPanelVecs == 2);
constexpr int kSidePanels = 8;      // multiplied by the same block of x while that is in the second-level cache
constexpr int kTile = 16 * 16;      // lanes of a tile of sums
constexpr size_t kRowBytes = 64;
constexpr int kAhead = 3;             // steps that x is asked for in advance

// Up to two tiles of x.
struct PairOfTiles {
  const std::byte* first;
  const std::byte* second;   // null: one only
  int height, rows[2];       // rows that x has
};

// Tile numbers must be digits: gcc writes them into the instruction as they stand.
#define MS_TILE_DOT(c, a, b) \
  if constexpr (kUnsigned) _tile_dpbsud(c, a, b); \
  else _tile_dpbssd(c, a, b)

// Tiles 0..3 += x0 w0, x0 w1, x1 w0, x1 w1 over `steps` steps of kStep inputs: 64, or half of each row of x for groups of
// 32. between(0 .. 2 * steps) is other work for the vector units, done while the tiles multiply.
template <bool kUnsigned, bool kTwo, class Between>
MS_INLINE void multiply(const PairOfTiles& x, size_t x_at, size_t x_step, const std::byte* w0, const std::byte* w1,
                        size_t w_step, int steps, const Between& between) {
  const std::byte *a = x.first + x_at, *b = kTwo ? x.second + x_at : a;
  for (int s = 0; s < steps; ++s) {
    _tile_loadd(6, w0, kRowBytes);
    _tile_loadd(4, a, kRowBytes);
    MS_TILE_DOT(0, 4, 6);
    _tile_loadd(7, w1, kRowBytes);
    MS_TILE_DOT(1, 4, 7);
    between(2 * s);
    if constexpr (kTwo) {
      _tile_loadd(5, b, kRowBytes);
      MS_TILE_DOT(2, 5, 6);
      MS_TILE_DOT(3, 5, 7);
    }
    between(2 * s + 1);
    a += x_step, b += x_step, w0 += w_step, w1 += w_step;
  }
}

template <bool kTwo> MS_INLINE void zero_tiles() {
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kTwo) {
    _tile_zero(2);
    _tile_zero(3);
  }
}
template <bool kTwo> MS_INLINE void load_tiles(const int32_t* from) {
  _tile_loadd(0, from, kRowBytes);
  _tile_loadd(1, from + kTile, kRowBytes);
  if constexpr (kTwo) {
    _tile_loadd(2, from + 2 * kTile, kRowBytes);
    _tile_loadd(3, from + 3 * kTile, kRowBytes);
  }
}
template <bool kTwo> MS_INLINE void store_tiles(int32_t* to) {
  _tile_stored(0, to, kRowBytes);
  _tile_stored(1, to + kTile, kRowBytes);
  if constexpr (kTwo) {
    _tile_stored(2, to + 2 * kTile, kRowBytes);
    _tile_stored(3, to + 3 * kTile, kRowBytes);
  }
}

// Products of a group on their way into the sums.
struct Pending {
  const int32_t* products = nullptr;
  int height = 0, rows[2] = {0, 0}, bias = 0;
  VF scale[2], offset[2];
  const float* x_scales = nullptr;
  const int32_t* x_sums = nullptr;
  float* sums = nullptr;

  template <bool kUnsigned, bool kOffsets>
  MS_INLINE void row(int t, int i) const {
    const int at = t * height + i;
    const float x_scale = x_scales[at];
    float* s = sums + at * kPanelColumns;
    each<2>([&](auto v) MS_LAMBDA {
      VI total = iload(products + (2 * t + v) * kTile + i * 16);
      if constexpr (kUnsigned) total = isub(total, iset(bias * x_sums[at]));
      VF sum = add_int8_group(vload(s + v * kLanes), total, scale[v], x_scale);
      if constexpr (kOffsets) sum = add_int8_offset(sum, offset[v], x_scale, x_sums[at]);
      vstore(s + v * kLanes, sum);
    });
  }
  // Part i of n of the rows.
  template <bool kUnsigned, bool kOffsets>
  MS_INLINE void part(int i, int n) const {
    const int first = height * i / n, last = height * (i + 1) / n;
    for (int t = 0; t < 2; ++t)
      for (int r = first; r < last && r < rows[t]; ++r) row<kUnsigned, kOffsets>(t, r);
  }
};

// A block's codes as signed bytes, zeros taken off: [kPanelVecs][chunks][kQuads] vectors.
template <int kWords>
MS_INLINE void unpack_signed(const Int8Panels& p, const PanelEnd& end, const Int8Block& at, std::byte* to) {
  const int per_group = p.group ? p.group / kChunk : at.chunks;
  for (int v = 0; v < kPanelVecs; ++v) {
    VI zero = imul(iset(end.bias & 255), iset(0x01010101));
    for (int c = 0; c < at.chunks; ++c, to += kQuads * kVecBytes) {
      if (end.zeros && c % per_group == 0 && c / per_group < at.groups) {
        const VI z = vload_i16(at.block + p.offset_at(c / per_group, at.groups) + v * kLanes * 2);
        zero = imul(iand(z, iset(255)), iset(0x01010101));
      }
      const std::byte* bits = at.plane(p, v, c);
      for (int b = 0; b < kWords * kVecBytes; b += 64) prefetch(bits + 2 * p.block + b);
      const Planes<kWords> planes(bits);
      each<kQuads>([&](auto j) MS_LAMBDA {
        istore(to + j * kVecBytes, isub8(planes.template quad<decltype(j)::value>(), zero));
      });
    }
  }
}

// One task: blocks of the weights times all its tiles of x.
class TileTask {
 public:
  TileTask(const LinearTask& task, const Int8Panels& p)
      : task_(task), p_(p), x_(task.int8), height_(x_.tile_rows), rows_(static_cast<int>(task.n_rows)),
        tiles_((rows_ + height_ - 1) / height_), all_tiles_((task.x->rows + height_ - 1) / height_) {}

  void run() {
    const TileUnit unit(height_, p_.group == kChunk ? kChunk : 64);
    for (int64_t first = task_.panel; first < task_.panel + task_.n_panels; first += kSidePanels) {
      const int64_t left = task_.panel + task_.n_panels - first;
      const int side = left < kSidePanels ? static_cast<int>(left) : kSidePanels;
      for (int i = 0; i < side; ++i) zero_sums(sums_[i], int64_t{tiles_ + tiles_ % 2} * 16);
      for (int64_t b = 0; b < p_.n_blocks; ++b)
        for (int i = 0; i < side; ++i) block(data(first + i), b, sums_[i]);
      for (int row = 0; row < rows_; ++row)
        for (int i = 0; i < side; ++i) finish(first + i, row, sums_[i]);
    }
  }

 private:
  const std::byte* data(int64_t panel) const { return task_.weight->data + static_cast<size_t>(panel) * p_.panel_bytes; }

  PairOfTiles pair(int64_t b, int steps, int tile) const {
    const std::byte* at = x_.tiles + int8_tile_at(b, task_.row / height_ + tile, steps, all_tiles_, height_);
    const auto rows = [&](int t) {
      const int left = rows_ - t * height_;
      return left <= 0 ? 0 : left < height_ ? left : height_;
    };
    const std::byte* next = at + static_cast<size_t>(steps * height_) * kRowBytes;
    return {at, tile + 1 < tiles_ ? next : nullptr, height_, {rows(tile), rows(tile + 1)}};
  }

  void block(const std::byte* panel, int64_t b, float* sums) {
    const PanelEnd end(p_, panel);
    const Int8Block at(p_, panel, b);
    const std::byte* bytes = p_.words == 8 ? at.planes : bytes_;
    with_words(p_.words, [&](auto words) MS_LAMBDA {
      if constexpr (decltype(words)::value < 8) unpack_signed<decltype(words)::value>(p_, end, at, bytes_);
    });
    const bool row_groups = p_.group == 0;
    if (p_.words == 8) {
      if (row_groups) whole_rows<true>(at, b, bytes, sums);
      else if (end.offsets) groups<true, true>(end, at, b, bytes, sums);
      else groups<true, false>(end, at, b, bytes, sums);
    } else {
      if (row_groups) whole_rows<false>(at, b, bytes, sums);
      else if (end.offsets) groups<false, true>(end, at, b, bytes, sums);
      else groups<false, false>(end, at, b, bytes, sums);
    }
  }

  // A row is one group: sums stay integers, as tiles.
  template <bool kUnsigned>
  void whole_rows(const Int8Block& at, int64_t b, const std::byte* bytes, float* sums) {
    const int steps = at.chunks / 2;
    const size_t x_step = static_cast<size_t>(height_) * kRowBytes;
    const std::byte* second = bytes + static_cast<size_t>(steps) * 16 * kRowBytes;
    for (int tile = 0; tile < tiles_; tile += 2) {
      auto* to = reinterpret_cast<int32_t*>(sums) + tile * 2 * kTile;
      const PairOfTiles x = pair(b, steps, tile);
      // Tiles of x lie one after the other: past the end of the first one is the second, then the next pair.
      const auto next_x = [&](int s) MS_LAMBDA {
        const int ahead = s / 2 + kAhead + (s % 2 || s / 2 + kAhead >= steps ? steps : 0);
        const std::byte* at = x.first + static_cast<size_t>(ahead) * x_step;
        for (size_t i = 0; i < x_step; i += kRowBytes) prefetch(at + i);
      };
      if (x.second) {
        load_tiles<true>(to);
        multiply<kUnsigned, true>(x, 0, x_step, bytes, second, 16 * kRowBytes, steps, next_x);
        store_tiles<true>(to);
      } else {
        load_tiles<false>(to);
        multiply<kUnsigned, false>(x, 0, x_step, bytes, second, 16 * kRowBytes, steps, next_x);
        store_tiles<false>(to);
      }
    }
  }

  template <bool kUnsigned, bool kOffsets>
  void groups(const PanelEnd& end, const Int8Block& at, int64_t b, const std::byte* bytes, float* sums) {
    const int steps = at.chunks / 2, half = p_.group == kChunk ? 2 : 1, group_steps = half == 2 ? 1 : p_.group / 64;
    const size_t x_step = static_cast<size_t>(height_) * kRowBytes, w_step = 16 * kRowBytes;
    const std::byte* second = bytes + static_cast<size_t>(steps) * w_step;
    Pending pending;
    int buffer = 0;
    for (int tile = 0; tile < tiles_; tile += 2) {
      const PairOfTiles x = pair(b, steps, tile);
      for (int g = 0; g < at.groups; ++g, buffer ^= 1) {
        const size_t x_at = static_cast<size_t>(g * group_steps / half) * x_step + static_cast<size_t>(g % half) * kChunk;
        const size_t w_at = static_cast<size_t>(g * group_steps) * w_step / static_cast<size_t>(half);
        const auto between = [&](int s) MS_LAMBDA { pending.part<kUnsigned, kOffsets>(s, 2 * group_steps); };
        int32_t* to = products_[buffer];
        if (x.second) {
          zero_tiles<true>();
          multiply<kUnsigned, true>(x, x_at, x_step, bytes + w_at, second + w_at, w_step, group_steps, between);
          store_tiles<true>(to);
        } else {
          zero_tiles<false>();
          multiply<kUnsigned, false>(x, x_at, x_step, bytes + w_at, second + w_at, w_step, group_steps, between);
          store_tiles<false>(to);
        }
        const GroupEnd first(p_, end, at, g, 0), last(p_, end, at, g, 1);
        const int64_t all = b * (kInt8Block / p_.group) + g;
        const int row = tile * height_;
        pending = {to,
                   height_,
                   {x.rows[0], x.rows[1]},
                   end.bias,
                   {first.scale, last.scale},
                   {first.offset, last.offset},
                   x_.scales + all * task_.x->rows + task_.row + row,
                   x_.sums + all * task_.x->rows + task_.row + row,
                   sums + row * kPanelColumns};
      }
    }
    pending.part<kUnsigned, kOffsets>(0, 1);
  }

  void finish(int64_t panel, int row, const float* sums) const {
    PanelEnd end(p_, data(panel));
    if (p_.group != 0)
      return write_panel(task_, task_.weight->out, panel, task_.row + row, sums + row * kPanelColumns, end.factor);
    if (p_.words < 8) end.bias = 0;  // taken off already
    alignas(64) float values[kPanelColumns];
    const auto* from = reinterpret_cast<const int32_t*>(sums) + row / height_ * 2 * kTile + row % height_ * 16;
    for (int v = 0; v < kPanelVecs; ++v)
      end_row(p_, end, data(panel), Int8Rows(task_), row, v, iload(from + v * kTile), values + v * kLanes);
    write_panel(task_, task_.weight->out, panel, task_.row + row, values, end.factor);
  }

  const LinearTask& task_;
  const Int8Panels& p_;
  const Int8Input& x_;
  const int height_, rows_, tiles_;
  const int64_t all_tiles_;
  alignas(64) std::byte bytes_[kPanelVecs * kInt8Chunks * kQuads * kVecBytes];
  alignas(64) int32_t products_[2][4 * kTile];
  // Per panel: fp32 [rows][kPanelColumns], or int32 tiles [tiles][kPanelVecs][16][16] where a row is one group.
  alignas(64) float sums_[kSidePanels][kInt8TaskRows * kPanelColumns];
};

}  // namespace

void run_int8_matrix_tiles(const LinearTask& task, const Int8Panels& p) { TileTask(task, p).run(); }

}  // namespace mainspring::cpu::MAINSPRING_ISA

#endif
