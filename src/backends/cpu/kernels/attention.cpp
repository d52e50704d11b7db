// Attention over the paged KV cache.
//
// Order of sums. A query goes through its keys in chunks of kChunkTokens at fixed absolute positions, with one softmax
// per chunk; chunks are merged from left to right. Scores and weighted sums of values are one chain per number, or
// exact integers. So a result depends on the query's own sequence alone: not on the batch, on how a prompt was cut into
// steps, on the number of threads, nor on whether the chunks ran in parallel.
//
// Work. A tile is several queries of a sequence times the query heads that share a KV head; keys and values are read
// from memory once per tile.
#include "backends/cpu/kernels/attention_chunk.h"
#include "backends/cpu/kernels/rows.h"

namespace mainspring::cpu::MAINSPRING_ISA {
namespace {

// Writes one row (head h of token t) from its state.
void finish(const AttentionContext& c, const RowState& state, int64_t row, int64_t t, int64_t h) {
  float sum = state.sum[row], by = 1.0f;
  if (c.op.sinks) {
    const float sink = c.op.sinks.as<float>()[h];
    const float top = state.max[row] > sink ? state.max[row] : sink;
    by = exp_of(state.max[row] - top);
    sum = sum * by + exp_of(sink - top);
  }
  const VF f = vset(by / sum);
  const float* from = state.acc + row * c.shape.width;
  float* out = c.op.out.row<float>(t) + h * c.shape.d;
  // + 0: a sum that is zero has no sign (attention_chunk.h).
  for (int64_t i = 0; i < c.shape.d; i += kLanes)
    vstore_n(out + i, vload(from + i) * f + vset(0.0f), lanes_left(c.shape.d - i));
}

// All chunks of a tile in order, then the result.
template <class Codec>
void run_whole(const AttentionContext& c, const QueryTile& tile, const Member& m) {
  TileRunner<Codec> runner(c, tile, m);
  const int64_t rows = tile.n * c.shape.group;
  const int64_t first = c.visible(tile.position).begin / kChunkTokens;
  const int64_t last = (tile.position + tile.n - 1) / kChunkTokens;
  runner.run(m.total, first, last);
  for (int64_t chunk = first + 1; chunk <= last; ++chunk) {
    runner.run(m.chunk, chunk, last);
    for (int64_t r = 0; r < rows; ++r) merge(m.total, m.chunk, r, c.shape.width);
  }
  for (int64_t r = 0; r < rows; ++r)
    finish(c, m.total, r, tile.first + r / c.shape.group, tile.head * c.shape.group + r % c.shape.group);
}

// Partial results of split tiles: per part a RowState over all rows (token, head) of the step.
RowState partial(float* base, const AttentionShape& shape, int64_t part) {
  float* p = base + static_cast<size_t>(part) * shape.partial_floats();
  const int64_t rows = shape.tokens * shape.heads;
  return {p, p + rows, p + 2 * rows};
}

template <class Codec>
void run_parts(const AttentionContext& c, const QueryTile& tile, int64_t part, int64_t end, float* partials,
               const Member& m) {
  TileRunner<Codec> runner(c, tile, m);
  const AttentionShape& shape = c.shape;
  const size_t bytes = static_cast<size_t>(shape.width) * sizeof(float);
  for (; part < end; ++part) {
    runner.run(m.chunk, part, end - 1);
    const RowState to = partial(partials, shape, part);
    for (int64_t r = 0; r < tile.n * shape.group; ++r) {
      const int64_t row = (tile.first + r / shape.group) * shape.heads + tile.head * shape.group + r % shape.group;
      to.max[row] = m.chunk.max[r], to.sum[row] = m.chunk.sum[r];
      if (!is_clear(m.chunk, r)) __builtin_memcpy(to.acc + row * shape.width, m.chunk.acc + r * shape.width, bytes);
    }
  }
}

// Merges the parts of every row into part 0 and writes the results.
void join_parts(const AttentionContext& c, float* partials, int64_t begin, int64_t end) {
  const int32_t* starts = c.op.batch->query_start.as<int32_t>();
  const int32_t* lengths = c.op.batch->kv_length.as<int32_t>();
  const RowState total = partial(partials, c.shape, 0);
  int64_t s = 0;
  for (int64_t t = begin; t < end; ++t) {
    while (starts[s + 1] <= t) ++s;
    for (int64_t h = 0; h < c.shape.heads; ++h) {
      const int64_t row = t * c.shape.heads + h;
      for (int64_t part = 1; part < AttentionPlan::parts(lengths[s]); ++part)
        merge(total, partial(partials, c.shape, part), row, c.shape.width);
      finish(c, total, row, t, h);
    }
  }
}

// Bytes of keys and values the step reads, about: tells whether threads are worth waking.
int64_t work(const ops::Attention& op, const AttentionShape& shape) {
  const int32_t* lengths = op.batch->kv_length.as<int32_t>();
  int64_t tokens = 0;
  for (int64_t s = 0; s < shape.sequences; ++s) tokens += lengths[s];
  return tokens * shape.kv_heads * shape.d * 2 + shape.tokens * shape.heads * shape.d * 8;
}

}  // namespace

size_t attention_scratch(const void* p, int n_threads) {
  const auto& op = *static_cast<const ops::Attention*>(p);
  const AttentionShape shape(op);
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
  const AttentionShape shape(op);
  std::byte* memory = ctx.scratch;
  const AttentionPlan plan(op, shape, ctx.n_threads, reinterpret_cast<int64_t*>(memory));
  memory += static_cast<size_t>(round16(shape.sequences + 1)) * sizeof(int64_t);
  float* members = reinterpret_cast<float*>(memory);
  float* partials = members + ctx.n_threads * Member::floats(shape);
  const AttentionContext context(op, shape);
  with_codec(op.kv.format, [&](auto codec) {
    using Codec = decltype(codec);
    const auto run = [&](int64_t task, int member) {
      int64_t part = 0, end = 0;
      const QueryTile tile = plan.tile(op, shape, task, part, end);
      const Member m(members + member * Member::floats(shape), shape);
      if (plan.split())
        run_parts<Codec>(context, tile, part, end, partials, m);
      else
        run_whole<Codec>(context, tile, m);
    };
    if (ctx.n_threads > 1 && plan.n_tasks > 1 && work(op, shape) > 65536) {
      ctx.parallel_for(plan.n_tasks, run);
    } else {
      for (int64_t task = 0; task < plan.n_tasks; ++task) run(task, 0);
    }
  });
  if (plan.split())
    for_rows(ctx, shape.tokens, shape.heads * shape.width * AttentionPlan::parts(shape.max_parts * kChunkTokens),
             [&](int64_t begin, int64_t end) { join_parts(context, partials, begin, end); });
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
