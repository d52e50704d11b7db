// Attention over the paged KV cache.
//
// Order of sums. A query goes through its keys in chunks of kChunkTokens at fixed absolute positions and inside a chunk
// in blocks of kBlockTokens, with an online softmax per chunk; chunks are merged from left to right. Scores and
// weighted sums of values are one chain per number. So a result depends on the query's own sequence alone: not on the
// batch, on how a prompt was cut into steps, on the number of threads, nor on whether the chunks ran in parallel.
//
// Work. A tile is several queries of a sequence times the query heads that share a KV head; a block of keys or values
// is turned into fp32 once per tile. Where a block is visible to all queries of a tile in full, all rows are multiplied
// together; at the edges (diagonal, window) each query goes alone over exactly its own tokens, so what lies in the rest
// of the block is never read as a number.
#include "backends/cpu/kernels/kernels.h"
#include "backends/cpu/kernels/kv_codec.h"
#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/tile_multiply.h"
#include "backends/cpu/kernels/vec_math.h"
#include "ops/attention.h"

namespace mainspring::cpu::MAINSPRING_ISA {
namespace {

constexpr int64_t kChunkTokens = 512;
// Chunks run in parallel when the tiles alone cannot keep the team busy and their partial results fit in this much.
constexpr size_t kPartialBytes = size_t{16} << 20;
constexpr int kBlockVectors = kBlockTokens / kLanes;

struct Shape {
  int64_t tokens, sequences, heads, kv_heads, group, d, width;  // width: of a padded value row in an accumulator
  int64_t tile_queries, tile_rows;
  int64_t max_parts;  // chunks of the longest sequence the block table can hold

  explicit Shape(const ops::Attention& op)
      : tokens(op.q.rows()), sequences(op.batch->n_sequences()), heads(op.q.dims[1]), kv_heads(op.kv.spec.kv_heads),
        group(heads / kv_heads), d(op.q.dims[2]), width((d + 15) / 16 * 16) {
    const int64_t rows = d <= 64 ? 64 : d <= 128 ? 48 : 32;  // accumulators stay near L1
    tile_queries = group >= rows ? 1 : rows / group;
    tile_rows = (tile_queries < tokens ? tile_queries : tokens > 0 ? tokens : 1) * group;
    const int64_t blocks = op.batch->block_table.row_elements();
    max_parts = (blocks * kBlockTokens + kChunkTokens - 1) / kChunkTokens;
  }
  int64_t tile_width() const { return (d + 31) / 32 * 32; }  // fp32 row of a decoded value, all formats
  size_t partial_floats() const { return static_cast<size_t>(tokens * heads * (width + 2)); }  // per part
};

constexpr int64_t round16(int64_t n) { return (n + 15) / 16 * 16; }

// Online softmax of a tile's rows: maximum, sum and weighted values, [rows], [rows], [rows][width].
struct RowState {
  float* max;
  float* sum;
  float* acc;
};

// Scratch of one member, in floats.
struct Member {
  float* q;       // [rows][d]
  float* block;   // a block's keys or values in fp32
  float* scores;  // [rows][32]
  RowState chunk, total;

  static int64_t state_floats(const Shape& s) { return round16(s.tile_rows) * 2 + s.tile_rows * s.width; }
  static int64_t floats(const Shape& s) {
    return round16(s.tile_rows * s.d) + kBlockTokens * s.tile_width() + s.tile_rows * kBlockTokens +
           2 * state_floats(s);
  }
  Member(float* p, const Shape& s) {
    q = p, p += round16(s.tile_rows * s.d);
    block = p, p += kBlockTokens * s.tile_width();
    scores = p, p += s.tile_rows * kBlockTokens;
    for (RowState* state : {&chunk, &total}) {
      state->max = p, p += round16(s.tile_rows);
      state->sum = p, p += round16(s.tile_rows);
      state->acc = p, p += s.tile_rows * s.width;
    }
  }
};

// Queries [first, first + n) of sequence `s` (rows of the step), the first at `position`; KV head `head`.
struct Tile {
  int64_t s, first, n, position, head;
};

struct Range {
  int64_t begin, end;  // absolute tokens
  bool empty() const { return begin >= end; }
};

float exp_of(float x) {
  float lanes[kLanes];
  vstore(lanes, vexp(vset(x)));
  return lanes[0];
}

void scale_row(float* x, float by, int64_t width) {
  const VF f = vset(by);
  for (int64_t i = 0; i < width; i += kLanes) vstore(x + i, vload(x + i) * f);
}

class Attend {
 public:
  Attend(const ops::Attention& op, const Shape& shape)
      : op_(op), shape_(shape), layout_(kv_head_layout(op.kv.spec, op.kv.format)) {}

  // Tokens that the query at this position sees.
  Range visible(int64_t position) const {
    const int64_t begin = op_.window > 0 && position + 1 > op_.window ? position + 1 - op_.window : 0;
    return {begin, position + 1};
  }

  void load_queries(const Tile& tile, float* q) const {
    const size_t bytes = static_cast<size_t>(shape_.group * shape_.d) * sizeof(float);
    for (int64_t i = 0; i < tile.n; ++i)
      __builtin_memcpy(q + i * shape_.group * shape_.d,
                       op_.q.row<float>(tile.first + i) + tile.head * shape_.group * shape_.d, bytes);
  }

  // Runs the tile's rows over the tokens of [chunk, chunk + kChunkTokens) that they see, from an empty state.
  template <class Codec>
  void run_chunk(const Tile& tile, int64_t chunk, const Member& m) const {
    const int64_t rows = tile.n * shape_.group;
    for (int64_t r = 0; r < rows; ++r) m.chunk.max[r] = -__builtin_inff(), m.chunk.sum[r] = 0.0f;
    __builtin_memset(m.chunk.acc, 0, static_cast<size_t>(rows * shape_.width) * sizeof(float));
    Range all = {visible(tile.position).begin, tile.position + tile.n};
    if (all.begin < chunk) all.begin = chunk;
    if (all.end > chunk + kChunkTokens) all.end = chunk + kChunkTokens;
    if (all.empty()) return;
    const int32_t* table = op_.batch->block_table.row<int32_t>(tile.s);
    const int64_t last = (all.end - 1) / kBlockTokens;
    for (int64_t b = all.begin / kBlockTokens; b <= last; ++b) {
      const std::byte* head = record(table[b], tile.head);
      const int64_t ahead = b < last ? record(table[b + 1], tile.head) - head : 0;
      run_block<Codec>(tile, b * kBlockTokens, head, ahead, m);
    }
  }

  // total <- total merged with chunk, rows that saw nothing in the chunk excepted.
  void merge(const RowState& total, const RowState& chunk, int64_t row) const {
    if (chunk.sum[row] == 0.0f && chunk.max[row] == -__builtin_inff()) return;
    float* to = total.acc + row * shape_.width;
    const float* from = chunk.acc + row * shape_.width;
    if (total.sum[row] == 0.0f && total.max[row] == -__builtin_inff()) {
      total.max[row] = chunk.max[row], total.sum[row] = chunk.sum[row];
      __builtin_memcpy(to, from, static_cast<size_t>(shape_.width) * sizeof(float));
      return;
    }
    const float top = total.max[row] > chunk.max[row] ? total.max[row] : chunk.max[row];
    const float a = exp_of(total.max[row] - top), b = exp_of(chunk.max[row] - top);
    total.max[row] = top;
    total.sum[row] = total.sum[row] * a + chunk.sum[row] * b;
    const VF va = vset(a), vb = vset(b);
    for (int64_t i = 0; i < shape_.width; i += kLanes)
      vstore(to + i, vfma(vload(to + i), va, vload(from + i) * vb));
  }

  // Writes one row (head h of token t) from its state.
  void finish(const RowState& state, int64_t row, int64_t t, int64_t h) const {
    float sum = state.sum[row], by = 1.0f;
    if (op_.sinks) {
      const float sink = op_.sinks.as<float>()[h];
      const float top = state.max[row] > sink ? state.max[row] : sink;
      by = exp_of(state.max[row] - top);
      sum = sum * by + exp_of(sink - top);
    }
    const VF f = vset(by / sum);
    const float* from = state.acc + row * shape_.width;
    float* out = op_.out.row<float>(t) + h * shape_.d;
    for (int64_t i = 0; i < shape_.d; i += kLanes) {
      const int n = lanes_left(shape_.d - i);
      vstore_n(out + i, vload(from + i) * f, n);
    }
  }

 private:
  const std::byte* record(int32_t block, int64_t head) const {
    return op_.kv.base + static_cast<size_t>(block) * op_.kv.block_stride +
           static_cast<size_t>(head) * layout_.head_bytes;
  }

  // fn(row, rows, begin, end): groups of rows that see the same slots [begin, end) of the block at `start`.
  template <class F>
  void for_groups(const Tile& tile, int64_t start, const F& fn) const {
    const bool whole = tile.position >= start + kBlockTokens - 1 && visible(tile.position + tile.n - 1).begin <= start;
    if (whole) return fn(int64_t{0}, tile.n * shape_.group, 0, kBlockTokens);
    for (int64_t i = 0; i < tile.n; ++i) {
      Range r = visible(tile.position + i);
      if (r.begin < start) r.begin = start;
      if (r.end > start + kBlockTokens) r.end = start + kBlockTokens;
      if (!r.empty())
        fn(i * shape_.group, shape_.group, static_cast<int>(r.begin - start), static_cast<int>(r.end - start));
    }
  }

  template <class Codec>
  void run_block(const Tile& tile, int64_t start, const std::byte* head, int64_t ahead, const Member& m) const {
    const float* keys = Codec::keys(head, ahead, layout_, shape_.d, m.block);
    int first = kBlockTokens, last = 0;
    for_groups(tile, start, [&](int64_t row, int64_t rows, int begin, int end) {
      multiply({m.q + row * shape_.d, shape_.d, keys, kBlockTokens, m.scores + row * kBlockTokens, kBlockTokens,
                shape_.d, false},
               rows, kBlockTokens);
      for (int64_t r = row; r < row + rows; ++r) softmax_row(m, r, begin, end);
      first = begin < first ? begin : first;
      last = end > last ? end : last;
    });
    const float* values = Codec::values(head, ahead, layout_, first, last, m.block);
    for_groups(tile, start, [&](int64_t row, int64_t rows, int begin, int end) {
      multiply({m.scores + row * kBlockTokens + begin, kBlockTokens, values + int64_t{begin} * layout_.v_width,
                layout_.v_width, m.chunk.acc + row * shape_.width, shape_.width, end - begin, true},
               rows, shape_.width);
    });
  }

  // Scores of one row become weights; slots outside [begin, end) are left out whatever they hold.
  void softmax_row(const Member& m, int64_t row, int begin, int end) const {
    float* p = m.scores + row * kBlockTokens;
    VF s[kBlockVectors];
    for (int v = 0; v < kBlockVectors; ++v) {
      s[v] = vload(p + v * kLanes) * vset(op_.scale);
      if (op_.softcap > 0.0f) s[v] = vset(op_.softcap) * vtanh(s[v] / vset(op_.softcap));
    }
    if (begin > 0 || end < kBlockTokens) {
      const VF none = vset(-__builtin_inff());
      for (int v = 0; v < kBlockVectors; ++v) {
        const VF slot = vload(kSlots + v * kLanes);
        s[v] = vselect(vless(slot, vset(static_cast<float>(end))), s[v], none);
        s[v] = vselect(vless(slot, vset(static_cast<float>(begin))), none, s[v]);
      }
    }
    VF top = s[0];
    for (int v = 1; v < kBlockVectors; ++v) top = vmax(top, s[v]);
    const float block_max = vmax_of(top), old = m.chunk.max[row];
    if (block_max > old) {
      m.chunk.max[row] = block_max;
      const float by = exp_of(old - block_max);
      m.chunk.sum[row] *= by;
      scale_row(m.chunk.acc + row * shape_.width, by, shape_.width);
    }
    const VF max = vset(m.chunk.max[row]);
    VF sum = vset(0.0f);
    for (int v = 0; v < kBlockVectors; ++v) {
      const VF e = vexp(s[v] - max);
      vstore(p + v * kLanes, e);
      sum = sum + e;
    }
    m.chunk.sum[row] += vsum(sum);
  }

  static constexpr float kSlots[kBlockTokens] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

  const ops::Attention& op_;
  const Shape& shape_;
  KvHeadLayout layout_;
};

// Which tasks a step is cut into: sequence by sequence, tiles of queries times KV heads times parts of the keys.
struct Plan {
  int64_t* first_task;  // [sequences + 1]
  bool split;
  int64_t n_tasks;

  static int64_t parts(int64_t length) { return (length + kChunkTokens - 1) / kChunkTokens; }

  Plan(const ops::Attention& op, const Shape& shape, int n_threads, int64_t* memory)
      : first_task(memory), split(false) {
    const int32_t* starts = op.batch->query_start.as<int32_t>();
    const int32_t* lengths = op.batch->kv_length.as<int32_t>();
    int64_t longest = 0;
    count(starts, lengths, shape);
    for (int64_t s = 0; s < shape.sequences; ++s) longest = lengths[s] > longest ? lengths[s] : longest;
    split = n_threads > 1 && n_tasks < 4 * n_threads && parts(longest) > 1 &&
            shape.partial_floats() * static_cast<size_t>(parts(longest)) * sizeof(float) <= kPartialBytes;
    if (split) count(starts, lengths, shape);
  }

  void count(const int32_t* starts, const int32_t* lengths, const Shape& shape) {
    n_tasks = 0;
    for (int64_t s = 0; s < shape.sequences; ++s) {
      first_task[s] = n_tasks;
      const int64_t tiles = (starts[s + 1] - starts[s] + shape.tile_queries - 1) / shape.tile_queries;
      n_tasks += tiles * shape.kv_heads * (split ? parts(lengths[s]) : 1);
    }
    first_task[shape.sequences] = n_tasks;
  }

  // Task -> tile and part. The last tile of a sequence, the longest, comes first.
  Tile tile(const ops::Attention& op, const Shape& shape, int64_t task, int64_t& part) const {
    const int32_t* starts = op.batch->query_start.as<int32_t>();
    const int32_t* lengths = op.batch->kv_length.as<int32_t>();
    int64_t low = 0, high = shape.sequences;  // the last s with first_task[s] <= task and tasks of its own
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (first_task[middle] <= task ? low : high) = middle;
    }
    const int64_t s = low, queries = starts[s + 1] - starts[s];
    int64_t rest = task - first_task[s];
    const int64_t n_parts = split ? parts(lengths[s]) : 1;
    part = rest % n_parts, rest /= n_parts;
    const int64_t tiles = (queries + shape.tile_queries - 1) / shape.tile_queries;
    const int64_t index = tiles - 1 - rest / shape.kv_heads, offset = index * shape.tile_queries;
    const int64_t n = queries - offset < shape.tile_queries ? queries - offset : shape.tile_queries;
    return {s, starts[s] + offset, n, lengths[s] - queries + offset, rest % shape.kv_heads};
  }
};

// All chunks of a tile in order, then the result.
template <class Codec>
void run_whole(const Attend& attend, const Shape& shape, const Tile& tile, const Member& m) {
  attend.load_queries(tile, m.q);
  const int64_t rows = tile.n * shape.group;
  const int64_t first = attend.visible(tile.position).begin / kChunkTokens;
  const int64_t last = (tile.position + tile.n - 1) / kChunkTokens;
  for (int64_t r = 0; r < rows; ++r) m.total.max[r] = -__builtin_inff(), m.total.sum[r] = 0.0f;
  for (int64_t c = first; c <= last; ++c) {
    attend.run_chunk<Codec>(tile, c * kChunkTokens, m);
    if (first == last) break;
    for (int64_t r = 0; r < rows; ++r) attend.merge(m.total, m.chunk, r);
  }
  for (int64_t r = 0; r < rows; ++r)
    attend.finish(first == last ? m.chunk : m.total, r, tile.first + r / shape.group,
                  tile.head * shape.group + r % shape.group);
}

// Partial results of split tiles: per part a RowState over all rows (token, head) of the step.
RowState partial(float* base, const Shape& shape, int64_t part) {
  float* p = base + static_cast<size_t>(part) * shape.partial_floats();
  const int64_t rows = shape.tokens * shape.heads;
  return {p, p + rows, p + 2 * rows};
}

template <class Codec>
void run_part(const Attend& attend, const Shape& shape, const Tile& tile, int64_t part, float* partials,
              const Member& m) {
  attend.load_queries(tile, m.q);
  attend.run_chunk<Codec>(tile, part * kChunkTokens, m);
  const RowState to = partial(partials, shape, part);
  const size_t bytes = static_cast<size_t>(shape.width) * sizeof(float);
  for (int64_t r = 0; r < tile.n * shape.group; ++r) {
    const int64_t row = (tile.first + r / shape.group) * shape.heads + tile.head * shape.group + r % shape.group;
    to.max[row] = m.chunk.max[r], to.sum[row] = m.chunk.sum[r];
    __builtin_memcpy(to.acc + row * shape.width, m.chunk.acc + r * shape.width, bytes);
  }
}

// Merges the parts of every row into part 0 and writes the results.
void join_parts(const ops::Attention& op, const Attend& attend, const Shape& shape, float* partials, int64_t begin,
                int64_t end) {
  const int32_t* starts = op.batch->query_start.as<int32_t>();
  const int32_t* lengths = op.batch->kv_length.as<int32_t>();
  const RowState total = partial(partials, shape, 0);
  int64_t s = 0;
  for (int64_t t = begin; t < end; ++t) {
    while (starts[s + 1] <= t) ++s;
    for (int64_t h = 0; h < shape.heads; ++h) {
      const int64_t row = t * shape.heads + h;
      for (int64_t part = 1; part < Plan::parts(lengths[s]); ++part)
        attend.merge(total, partial(partials, shape, part), row);
      attend.finish(total, row, t, h);
    }
  }
}

// Bytes of keys and values the step reads, about: tells whether threads are worth waking.
int64_t work(const ops::Attention& op, const Shape& shape) {
  const int32_t* lengths = op.batch->kv_length.as<int32_t>();
  int64_t tokens = 0;
  for (int64_t s = 0; s < shape.sequences; ++s) tokens += lengths[s];
  return tokens * shape.kv_heads * shape.d * 2 + shape.tokens * shape.heads * shape.d * 8;
}

}  // namespace

size_t attention_scratch(const void* p, int n_threads) {
  const auto& op = *static_cast<const ops::Attention*>(p);
  const Shape shape(op);
  const size_t tasks = static_cast<size_t>(round16(shape.sequences + 1)) * sizeof(int64_t);
  size_t partials = 0;
  if (n_threads > 1) {
    partials = shape.partial_floats() * static_cast<size_t>(shape.max_parts) * sizeof(float);
    if (partials > kPartialBytes) partials = kPartialBytes;  // smaller steps of the same run may still need that much
  }
  return tasks + partials + static_cast<size_t>(n_threads * Member::floats(shape)) * sizeof(float);
}

void attention(const void* p, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::Attention*>(p);
  if (op.q.rows() == 0) return;
  const Shape shape(op);
  std::byte* memory = ctx.scratch;
  const Plan plan(op, shape, ctx.n_threads, reinterpret_cast<int64_t*>(memory));
  memory += static_cast<size_t>(round16(shape.sequences + 1)) * sizeof(int64_t);
  float* members = reinterpret_cast<float*>(memory);
  float* partials = members + ctx.n_threads * Member::floats(shape);
  const Attend attend(op, shape);
  with_codec(op.kv.format, [&](auto codec) {
    using Codec = decltype(codec);
    const auto run = [&](int64_t task, int member) {
      int64_t part = 0;
      const Tile tile = plan.tile(op, shape, task, part);
      const Member m(members + member * Member::floats(shape), shape);
      if (plan.split)
        run_part<Codec>(attend, shape, tile, part, partials, m);
      else
        run_whole<Codec>(attend, shape, tile, m);
    };
    if (ctx.n_threads > 1 && plan.n_tasks > 1 && work(op, shape) > 65536) {
      ctx.parallel_for(plan.n_tasks, run);
    } else {
      for (int64_t task = 0; task < plan.n_tasks; ++task) run(task, 0);
    }
  });
  if (plan.split)
    for_rows(ctx, shape.tokens, shape.heads * shape.width * Plan::parts(shape.max_parts * kChunkTokens),
             [&](int64_t begin, int64_t end) { join_parts(op, attend, shape, partials, begin, end); });
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
