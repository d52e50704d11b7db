// One tile of queries over one chunk of keys and values: scores, softmax, weighted sums.
//
// A query sees a range of a chunk's slots. Keys are multiplied block by block for all queries that see any of it, and
// the softmax leaves out the slots outside a query's range, whatever they hold. Values: codes are finite, so a weight
// of zero is enough. In floating point a slot that a query does not see may hold anything (a later token's NaN, memory
// nobody has written): at the edges of the ranges each query goes alone over exactly its own slots, unless the block
// turns out to be finite. Zero weights change the sign of a zero at most, and results drop it (attention.cpp).
#pragma once

#include "backends/cpu/kernels/attention_state.h"
#include "backends/cpu/kernels/attention_tile.h"

namespace mainspring::cpu::MAINSPRING_ISA {

constexpr int kBlockVectors = kBlockTokens / kLanes;

struct Range {
  int64_t begin, end;
  bool empty() const { return begin >= end; }
  Range within(Range o) const { return {begin > o.begin ? begin : o.begin, end < o.end ? end : o.end}; }
};

// What all tiles of an operation share.
struct AttentionContext {
  const ops::Attention& op;
  const AttentionShape& shape;
  KvHeadLayout layout;

  AttentionContext(const ops::Attention& o, const AttentionShape& s)
      : op(o), shape(s), layout(kv_head_layout(o.kv.spec, o.kv.format)) {}

  // Tokens that the query at this position sees.
  Range visible(int64_t position) const {
    const int64_t begin = op.window > 0 && position + 1 > op.window ? position + 1 - op.window : 0;
    return {begin, position + 1};
  }
  const std::byte* record(int64_t sequence, int64_t block, int64_t head) const {
    return op.kv.base + static_cast<size_t>(op.batch->block_table.row<int32_t>(sequence)[block]) * op.kv.block_stride +
           static_cast<size_t>(head) * layout.head_bytes;
  }
};

template <class Codec>
class TileRunner {
  using Keys = typename Codec::Keys;
  using Values = typename Codec::Values;
  static constexpr bool kInt = Codec::kQuantised;

 public:
  TileRunner(const AttentionContext& context, const QueryTile& tile, const Member& m)
      : c_(context), tile_(tile), m_(m), d_(context.shape.d), width_(context.shape.width),
        group_(context.shape.group), q_stride_(Member::q_stride(context.shape.d)) {
    for (int64_t i = 0; i < tile.n; ++i)
      for (int64_t g = 0; g < group_; ++g)
        load_query(c_.op.q.template row<float>(tile.first + i) + (tile.head * group_ + g) * d_, i * group_ + g);
  }

  // The tile's rows over the tokens of a chunk that they see, from nothing, into `out`. Chunks follow up to `last`.
  void run(const RowState& out, int64_t chunk, int64_t last) {
    for (int64_t r = 0; r < tile_.n * group_; ++r) clear(out, r);
    first_ = chunk * kChunkTokens, out_ = out;
    const Range all = Range{c_.visible(tile_.position).begin, tile_.position + tile_.n}.within(
        {first_, first_ + kChunkTokens});
    if (all.empty()) return;
    begin_block_ = (all.begin - first_) / kBlockTokens, end_block_ = (all.end - 1 - first_) / kBlockTokens + 1;
    list_parts(chunk, last);
    __builtin_memset(out.acc, 0, static_cast<size_t>(tile_.n * group_ * width_) * sizeof(float));
    for (int64_t b = begin_block_; b < end_block_; ++b) keys(b);
    for (int64_t i = 0; i < tile_.n; ++i) {
      const Range r = seen(i);
      for (int64_t g = 0; g < group_; ++g) {
        if constexpr (kInt) clear_weights(i * group_ + g);
        if (!r.empty()) softmax(i * group_ + g, r);
      }
    }
    for (int64_t b = begin_block_; b < end_block_;) b += values(b);
    if constexpr (kInt)
      for (int64_t i = 0; i < tile_.n; ++i)
        if (!seen(i).empty())
          for (int64_t g = 0; g < group_; ++g) finish_row(i * group_ + g);
  }

 private:
  static constexpr float kWeightTop = 32767.0f;
  static constexpr int kMostAhead = 4;

  void load_query(const float* q, int64_t row) {
    float* to = m_.q + row * q_stride_;
    __builtin_memset(to, 0, static_cast<size_t>(q_stride_) * sizeof(float));
    __builtin_memcpy(to, q, static_cast<size_t>(d_) * sizeof(float));
    if constexpr (kInt) encode_query(to, row);
  }

  // int16 codes of a query, so small that sums over a head fit in 32 bits.
  void encode_query(const float* q, int64_t row) {
    const int64_t limit = INT32_MAX / (Codec::kTopKey * q_stride_);
    const float top = limit < 32767 ? static_cast<float>(limit) : 32767.0f;
    VF high = vset(0.0f), sum = high;
    for (int64_t i = 0; i < q_stride_; i += kLanes) high = vmax(high, vabs(vload(q + i)));
    const float max = vmax_of(high);
    const VF by = vset(max > 1e-30f ? top / max : 0.0f);
    for (int64_t i = 0; i < q_stride_; i += kLanes) {
      const VF code = vround(vload(q + i) * by);
      sum = sum + code;
      store_i16(m_.q_codes + row * q_stride_ + i, to_int(code));
    }
    m_.q_sum[row] = vsum(sum);  // integers below 2^24: exact. NaN if q has one
    m_.q_scale[row] = max > 1e-30f ? max / top : 0.0f;
  }

  // Slots of the chunk that query i of the tile sees.
  Range seen(int64_t i) const {
    const Range v = c_.visible(tile_.position + i);
    return Range{v.begin - first_, v.end - first_}.within({0, kChunkTokens});
  }
  // Queries of the tile that see any slot, or every slot, of the block at slot `start`: they follow each other.
  Range queries_with_any(int64_t start) const {
    const int64_t from = first_ + start - tile_.position, window = c_.op.window;
    return Range{from, window > 0 ? from + kBlockTokens - 1 + window : tile_.n}.within({0, tile_.n});
  }
  Range queries_with_all(int64_t start) const {
    const int64_t from = first_ + start - tile_.position, window = c_.op.window;
    return Range{from + kBlockTokens - 1, window > 0 ? from + window : tile_.n}.within({0, tile_.n});
  }

  // What is read in which order: the keys of the chunk's blocks, their values, and the next chunk's first keys.
  void list_parts(int64_t chunk, int64_t last) {
    const std::byte* parts[2 * kChunkBlocks + kMostAhead];
    int n = 0;
    for (int64_t b = begin_block_; b < end_block_; ++b)
      parts[n++] = records_[b] = c_.record(tile_.s, chunk * kChunkBlocks + b, tile_.head);
    for (int64_t b = begin_block_; b < end_block_; ++b) parts[n++] = records_[b] + c_.layout.v_codes;
    const int own = n, known = static_cast<int>((tile_.position + tile_.n + kBlockTokens - 1) / kBlockTokens);
    if (chunk < last)
      for (int64_t b = (chunk + 1) * kChunkBlocks; b < known && n < own + kMostAhead; ++b)
        parts[n++] = c_.record(tile_.s, b, tile_.head);
    // Far enough ahead to cover a softmax.
    const int by = c_.layout.v_codes < 6000 ? kMostAhead : c_.layout.v_codes < 12000 ? 2 : 1;
    for (int i = 0; i < own; ++i) {
      int64_t& to = i < own / 2 ? keys_ahead_[begin_block_ + i] : values_ahead_[begin_block_ + i - own / 2];
      to = i + by < n ? parts[i + by] - parts[i] : 0;
    }
  }

  void keys(int64_t b) {
    const Range q = queries_with_any(b * kBlockTokens);
    if (q.empty()) return;
    constexpr int64_t kDims = Keys::kSub * Keys::kPer;
    const int64_t row = q.begin * group_;
    const typename Keys::Num* a;
    if constexpr (kInt) a = m_.q_codes;
    else a = m_.q;
    multiply<Keys>({a + row * q_stride_, q_stride_, records_ + b, keys_ahead_ + b, 1, 0, kBlockVectors * Keys::kBytes,
                    m_.scores + row * kChunkTokens + b * kBlockTokens, kChunkTokens, kBlockTokens,
                    (d_ + kDims - 1) / kDims, false},
                   (q.end - q.begin) * group_, kBlockVectors);
    if constexpr (kInt) bases(b, row, q.end * group_);
  }

  // Products of rows [row, end) with the first key of block b, which its codes leave out.
  void bases(int64_t b, int64_t row, int64_t end) {
    const uint16_t* base = at<uint16_t>(records_[b], c_.layout.k_base);
    for (; row < end; ++row) {
      VF sum = vset(0.0f);
      for (int64_t i = 0; i < d_; i += kLanes) sum = vfma(vload(m_.q + row * q_stride_ + i), vload_f16(base + i), sum);
      m_.bases[row * kChunkBlocks + b] = vsum(sum);
    }
  }

  VF score(int64_t row, int64_t slot) const {
    const float* p = m_.scores + row * kChunkTokens + slot;
    if constexpr (!kInt) {
      return vload(p) * vset(c_.op.scale);
    } else {
      const float* params = at<float>(records_[slot / kBlockTokens], c_.layout.k_params) + slot % kBlockTokens;
      const VF sum = vfma(to_float(iload(p)), vload(params), vload(params + kBlockTokens) * vset(m_.q_sum[row]));
      const VF base = vset(m_.bases[row * kChunkBlocks + slot / kBlockTokens]);
      return vfma(sum, vset(m_.q_scale[row]), base) * vset(c_.op.scale);
    }
  }

  static VF outside_to(VF x, int64_t slot, Range r, VF other) {
    const VF at = vload(kSlots) + vset(static_cast<float>(slot));
    x = vselect(vless(at, vset(static_cast<float>(r.end))), x, other);
    return vselect(vless(at, vset(static_cast<float>(r.begin))), other, x);
  }

  // Scores of one row become weights relative to the chunk's largest score; slots outside `r` get zero.
  void softmax(int64_t row, Range r) {
    float* p = m_.scores + row * kChunkTokens;
    const int64_t begin = r.begin / kBlockTokens * kBlockTokens;
    const int64_t end = (r.end + kBlockTokens - 1) / kBlockTokens * kBlockTokens;
    const VF none = vset(-__builtin_inff());
    VF top = none;
    for (int64_t t = begin; t < end; t += kLanes) {
      VF s = score(row, t);
      if (c_.op.softcap > 0.0f) s = vset(c_.op.softcap) * vtanh(s / vset(c_.op.softcap));
      if (t < r.begin || t + kLanes > r.end) s = outside_to(s, t, r, none);
      vstore(p + t, s);
      top = vmax(top, s);
    }
    const float max = vmax_of(top);
    out_.max[row] = max;
    VF sum = vset(0.0f);
    for (int64_t t = begin; t < end; t += kLanes) {
      const VF e = vexp(vload(p + t) - vset(max));
      vstore(p + t, e);
      sum = sum + e;
    }
    out_.sum[row] = vsum(sum);
    if constexpr (kInt) weights(row, r, begin, end);
  }

  void clear_weights(int64_t row) {
    __builtin_memset(m_.weights + row * kChunkTokens, 0, static_cast<size_t>(kChunkTokens) * sizeof(int16_t));
  }

  // weight * scale of its value as int16; what a code is worth and the sum of weight * minimum go to the row's scores.
  void weights(int64_t row, Range r, int64_t begin, int64_t end) {
    float* p = m_.scores + row * kChunkTokens;
    VF top = vset(0.0f), minima = vset(0.0f);
    for (int64_t t = begin; t < end; t += kLanes) {
      const float* params = at<float>(records_[t / kBlockTokens], c_.layout.v_params) + t % kBlockTokens;
      VF w = vload(p + t) * vload(params), m = vload(p + t) * vload(params + kBlockTokens);
      if (t < r.begin || t + kLanes > r.end) w = outside_to(w, t, r, vset(0.0f)), m = outside_to(m, t, r, vset(0.0f));
      vstore(p + t, w);
      top = vmax(top, w);
      minima = minima + m;
    }
    const float max = vmax_of(top);
    const VF by = vset(max > 1e-30f ? kWeightTop / max : 0.0f);
    for (int64_t t = begin; t < end; t += kLanes)
      store_i16(m_.weights + row * kChunkTokens + t, to_int(vload(p + t) * by));
    p[0] = max > 1e-30f ? max / kWeightTop : 0.0f;
    p[1] = vsum(minima);
  }

  // Codes' sums -> sums of values.
  void finish_row(int64_t row) {
    float* acc = out_.acc + row * width_;
    const VF scale = vset(m_.scores[row * kChunkTokens]), minima = vset(m_.scores[row * kChunkTokens + 1]);
    for (int64_t i = 0; i < width_; i += kLanes) vstore(acc + i, vfma(to_float(iload(acc + i)), scale, minima));
  }

  // Adds the values of block b, or of several blocks from b on where all rows take part in all of them and are too many
  // for one register tile: the sums then stay in registers. Returns how many.
  int64_t values(int64_t b) {
    const Range any = queries_with_any(b * kBlockTokens);
    if (any.empty()) return 1;
    if (tile_.n * group_ > kMaxRows<Values>) {
      int64_t n = 0;
      while (b + n < end_block_ && takes_all(b + n)) ++n;
      if (n > 0) return add_values(b, n, {0, tile_.n}, {0, kBlockTokens}), n;
    }
    if constexpr (kInt) add_values(b, 1, any, {0, kBlockTokens});
    else values_of_block(b, any);
    return 1;
  }

  void values_of_block(int64_t b, Range any) {
    if (is_whole(b, any)) return add_values(b, 1, any, {0, kBlockTokens});
    const int64_t start = b * kBlockTokens;
    const Range all = queries_with_all(start);
    if (!all.empty()) add_values(b, 1, all, {0, kBlockTokens});
    for (int64_t i = any.begin; i < any.end; ++i) {
      if (i >= all.begin && i < all.end) continue;
      const Range r = seen(i).within({start, start + kBlockTokens});
      add_values(b, 1, {i, i + 1}, {r.begin - start, r.end - start});
    }
  }

  bool takes_all(int64_t b) const {
    const Range q = kInt ? queries_with_any(b * kBlockTokens) : queries_with_all(b * kBlockTokens);
    return q.begin == 0 && q.end == tile_.n;
  }
  // Whether the queries that see any of block b may be multiplied with all of it.
  bool is_whole(int64_t b, Range any) const {
    const Range all = queries_with_all(b * kBlockTokens);
    const int64_t edge = any.end - any.begin - (all.empty() ? 0 : all.end - all.begin);
    return edge == 0 || (edge > 1 && is_finite(b));
  }

  void add_values(int64_t b, int64_t blocks, Range queries, Range slots) {
    constexpr int64_t kTokens = Values::kSub * Values::kPer;
    const int64_t row = queries.begin * group_, weight = row * kChunkTokens + b * kBlockTokens + slots.begin;
    const int64_t row_bytes = static_cast<int64_t>(c_.layout.v_row_bytes);
    const typename Values::Num* a;
    if constexpr (kInt) a = m_.weights + weight;
    else a = m_.scores + weight;
    multiply<Values>({a, kChunkTokens, records_ + b, values_ahead_ + b, blocks,
                      static_cast<int64_t>(c_.layout.v_codes) + slots.begin * row_bytes, kTokens * row_bytes,
                      out_.acc + row * width_, width_, c_.layout.v_width, (slots.end - slots.begin) / kTokens, true},
                     (queries.end - queries.begin) * group_, c_.layout.v_width / kLanes);
  }

  // No NaN and no infinity among the values of block b: x * 0 is 0 for all of them.
  bool is_finite(int64_t b) const {
    VF sum = vset(0.0f);
    for (int t = 0; t < kBlockTokens; ++t) {
      const std::byte* row = records_[b] + c_.layout.v_codes + static_cast<size_t>(t) * c_.layout.v_row_bytes;
      for (int64_t v = 0; v < c_.layout.v_width / kLanes; ++v) {
        VF x[1][1];
        Values::template load<1>(row + v * Values::kBytes, x);
        sum = vfma(x[0][0], vset(0.0f), sum);
      }
    }
    return vsum(sum) == 0.0f;
  }

  static constexpr float kSlots[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

  const AttentionContext& c_;
  const QueryTile& tile_;
  const Member& m_;
  const int64_t d_, width_, group_, q_stride_;
  int64_t first_ = 0, begin_block_ = 0, end_block_ = 0;  // of the chunk at hand; blocks [begin, end) of it
  RowState out_ = {};
  const std::byte* records_[kChunkBlocks] = {};
  int64_t keys_ahead_[kChunkBlocks] = {}, values_ahead_[kChunkBlocks] = {};  // what to ask for meanwhile
};

}  // namespace mainspring::cpu::MAINSPRING_ISA
