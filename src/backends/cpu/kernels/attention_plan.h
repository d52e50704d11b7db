// Which tasks a step's attention is cut into.
#pragma once

#include "backends/cpu/kernels/kernels.h"
#include "ops/attention.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// Keys are handled in chunks at fixed positions: an online softmax goes from chunk to chunk, and chunks may run in
// parallel. The exact integer sums of a chunk's values stay within 32 bits (255 * 32767 * 256 < 2^31).
constexpr int64_t kChunkTokens = 256;
constexpr int kChunkBlocks = kChunkTokens / kBlockTokens;
// Chunks run in parallel when the tiles alone cannot keep the team busy and their partial results fit in this much.
constexpr size_t kPartialBytes = size_t{16} << 20;

constexpr int64_t round16(int64_t n) { return (n + 15) / 16 * 16; }

struct AttentionShape {
  int64_t tokens, sequences, heads, kv_heads, group, d, width;  // width: of a row of summed values
  int64_t tile_queries, tile_rows;
  int64_t max_parts;  // chunks of the longest sequence the block table can hold

  explicit AttentionShape(const ops::Attention& op)
      : tokens(op.q.rows()), sequences(op.batch->n_sequences()), heads(op.q.dims[1]), kv_heads(op.kv.spec.kv_heads),
        group(heads / kv_heads), d(op.q.dims[2]), width((d + 31) / 32 * 32) {
    const int64_t rows = d <= 128 ? 48 : 24;  // scores of a chunk and sums of a tile stay in the second-level cache
    tile_queries = group >= rows ? 1 : rows / group;
    tile_rows = (tile_queries < tokens ? tile_queries : tokens > 0 ? tokens : 1) * group;
    const int64_t blocks = op.batch->block_table.row_elements();
    max_parts = (blocks * kBlockTokens + kChunkTokens - 1) / kChunkTokens;
  }
  size_t partial_floats() const { return static_cast<size_t>(tokens * heads * (width + 2)); }  // per part
};

// Queries [first, first + n) of sequence `s` (rows of the step), the first at `position`; KV head `head`.
struct QueryTile {
  int64_t s, first, n, position, head;
};

// Sequence by sequence, tiles of queries times KV heads times spans of chunks.
struct AttentionPlan {
  int64_t* first_task;  // [sequences + 1]
  int64_t span;         // chunks of a task whose chunks are merged at the end; 0: tasks go through all of them
  int64_t n_tasks;

  bool split() const { return span > 0; }
  static int64_t parts(int64_t length) { return (length + kChunkTokens - 1) / kChunkTokens; }
  int64_t spans(int64_t length) const { return split() ? (parts(length) + span - 1) / span : 1; }

  AttentionPlan(const ops::Attention& op, const AttentionShape& shape, int n_threads, int64_t* memory)
      : first_task(memory), span(0) {
    const int32_t* starts = op.batch->query_start.as<int32_t>();
    const int32_t* lengths = op.batch->kv_length.as<int32_t>();
    int64_t longest = 0;
    count(starts, lengths, shape);
    for (int64_t s = 0; s < shape.sequences; ++s) longest = lengths[s] > longest ? lengths[s] : longest;
    if (n_threads == 1 || n_tasks >= 4 * n_threads || parts(longest) == 1 ||
        shape.partial_floats() * static_cast<size_t>(parts(longest)) * sizeof(float) > kPartialBytes)
      return;
    // The longest spans that leave eight tasks to a thread: what comes next in a span is known and can be asked for.
    span = n_tasks * parts(longest) / (8 * n_threads);
    span = span < 1 ? 1 : span > 8 ? 8 : span;
    count(starts, lengths, shape);
  }

  void count(const int32_t* starts, const int32_t* lengths, const AttentionShape& shape) {
    n_tasks = 0;
    for (int64_t s = 0; s < shape.sequences; ++s) {
      first_task[s] = n_tasks;
      const int64_t tiles = (starts[s + 1] - starts[s] + shape.tile_queries - 1) / shape.tile_queries;
      n_tasks += tiles * shape.kv_heads * spans(lengths[s]);
    }
    first_task[shape.sequences] = n_tasks;
  }

  // Task -> tile and its chunks [part, end). The last tile of a sequence, the longest, comes first.
  QueryTile tile(const ops::Attention& op, const AttentionShape& shape, int64_t task, int64_t& part,
                 int64_t& end) const {
    const int32_t* starts = op.batch->query_start.as<int32_t>();
    const int32_t* lengths = op.batch->kv_length.as<int32_t>();
    int64_t low = 0, high = shape.sequences;  // the last s with first_task[s] <= task and tasks of its own
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      (first_task[middle] <= task ? low : high) = middle;
    }
    const int64_t s = low, queries = starts[s + 1] - starts[s];
    int64_t rest = task - first_task[s];
    const int64_t n_spans = spans(lengths[s]), last = parts(lengths[s]);
    part = rest % n_spans * span, end = part + span < last ? part + span : last, rest /= n_spans;
    const int64_t tiles = (queries + shape.tile_queries - 1) / shape.tile_queries;
    const int64_t index = tiles - 1 - rest / shape.kv_heads, offset = index * shape.tile_queries;
    const int64_t n = queries - offset < shape.tile_queries ? queries - offset : shape.tile_queries;
    return {s, starts[s] + offset, n, lengths[s] - queries + offset, rest % shape.kv_heads};
  }
};

}  // namespace mainspring::cpu::MAINSPRING_ISA
