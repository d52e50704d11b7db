// The linear op: x is converted once, then (panels x rows) tasks go to the team. Also the embedding.
#include "backends/cpu/linear/linear.h"

#include "backends/cpu/linear/convert.h"
#include "backends/cpu/linear/tile.h"
#include "ops/embed.h"
#include "ops/linear.h"

namespace mainspring::cpu::MAINSPRING_ISA {

namespace {

const PackedLinear& packed(const LinearWeight* w) { return static_cast<const CpuLinearWeight*>(w)->packed; }

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Above this many rows x is copied chunk by chunk: rows of a large power-of-two stride would share cache sets.
constexpr int64_t kCopyRows = 8;

// Parts of scratch: codes, their meta, then the copied values.
struct Scratch {
  size_t codes = 0, meta = 0, values = 0;  // bytes
  size_t total() const { return codes + meta + values; }
};

Scratch scratch_parts(const ops::Linear& op) {
  bool wants_codes = false, wants_values = false;
  for (int i = 0; i < op.n_parts; ++i) {
    const bool codes = packed(op.parts[i]).kernel->wants_codes;
    wants_codes |= codes, wants_values |= !codes;
  }
  const size_t chunks = static_cast<size_t>(op.x.rows()) * static_cast<size_t>(ceil_div(op.x.row_elements(), kChunk));
  Scratch s;
  if (wants_codes) s.codes = chunks * kChunk * sizeof(int16_t), s.meta = (chunks * sizeof(ChunkMeta) + 63) / 64 * 64;
  if (wants_values && op.x.rows() > kCopyRows) s.values = chunks * kChunk * sizeof(float);
  return s;
}

// Work is cut so that a task takes a microsecond or more and every thread gets several.
struct Cut {
  int64_t row_blocks, panels_per_task;
};
constexpr int64_t kTaskBytes = 16384, kTasksPerThread = 16;

int64_t part_tasks(const PackedLinear& w, int64_t per_task) {
  return ceil_div(ceil_div(w.out, kPanelColumns), per_task);
}

Cut cut(const ops::Linear& op, int n_threads) {
  int64_t panels = 0, bytes = 0;
  for (int i = 0; i < op.n_parts; ++i) {
    panels += ceil_div(packed(op.parts[i]).out, kPanelColumns);
    bytes += static_cast<int64_t>(op.parts[i]->bytes);
  }
  const int64_t rows = op.x.rows();
  const int64_t by_threads = panels / (n_threads * kTasksPerThread);
  const int64_t by_size = rows > 4 ? 1 : kTaskBytes * panels / (bytes > 0 ? bytes : 1);
  int64_t per_task = by_threads > by_size ? by_threads : by_size;
  if (per_task < 1) per_task = 1;
  return {ceil_div(rows, kTaskRows), per_task};
}

LinearInput convert(const ops::Linear& op, const KernelContext& ctx) {
  const Scratch s = scratch_parts(op);
  const int64_t rows = op.x.rows(), in = op.x.row_elements();
  LinearInput x;
  x.rows = rows;
  x.values = op.x.as<float>(), x.chunk_stride = kChunk, x.row_stride = op.x.stride0;
  auto* codes = reinterpret_cast<int16_t*>(ctx.scratch);
  auto* meta = reinterpret_cast<ChunkMeta*>(ctx.scratch + s.codes);
  auto* values = reinterpret_cast<float*>(ctx.scratch + s.codes + s.meta);
  if (s.total() == 0) return x;
  const auto one_row = [&](int64_t t) MS_LAMBDA {
    const float* row = op.x.row<float>(t);
    if (s.codes) convert_codes(row, in, t, rows, codes, meta);
    if (s.values) copy_chunks(row, in, t, rows, values);
  };
  constexpr int64_t kAlone = 16384;  // elements that convert faster than a fork-join
  if (rows * in <= kAlone || rows == 1) {
    for (int64_t t = 0; t < rows; ++t) one_row(t);
  } else {
    const int64_t block = rows > 64 ? 8 : 1;
    ctx.parallel_for(ceil_div(rows, block), [&](int64_t task, int) {
      for (int64_t t = task * block; t < rows && t < (task + 1) * block; ++t) one_row(t);
    });
  }
  x.codes = s.codes ? codes : nullptr, x.meta = meta;
  if (s.values) x.values = values, x.chunk_stride = rows * kChunk, x.row_stride = kChunk;
  return x;
}

}  // namespace

size_t linear_scratch(const void* op, int) { return scratch_parts(*static_cast<const ops::Linear*>(op)).total(); }

void linear(const void* op_struct, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::Linear*>(op_struct);
  const int64_t rows = op.x.rows();
  if (rows == 0) return;
  const LinearInput x = convert(op, ctx);
  const Cut c = cut(op, ctx.n_threads);
  int64_t per_block = 0;
  for (int i = 0; i < op.n_parts; ++i) per_block += part_tasks(packed(op.parts[i]), c.panels_per_task);
  // Row blocks outside: the tasks that follow each other read the same rows of x.
  ctx.parallel_for(per_block * c.row_blocks, [&](int64_t task, int) {
    const int64_t block = task / per_block;
    int64_t index = task % per_block, column = 0;
    int part = 0;
    for (;; ++part) {
      const int64_t n = part_tasks(packed(op.parts[part]), c.panels_per_task);
      if (index < n) break;
      index -= n, column += op.parts[part]->out_features;
    }
    const PackedLinear& w = packed(op.parts[part]);
    const int64_t panel = index * c.panels_per_task, panels = ceil_div(w.out, kPanelColumns);
    const int64_t row = rows * block / c.row_blocks;
    w.kernel->run({.weight = &w,
                   .x = &x,
                   .panel = panel,
                   .n_panels = panels - panel < c.panels_per_task ? panels - panel : c.panels_per_task,
                   .row = row,
                   .n_rows = rows * (block + 1) / c.row_blocks - row,
                   .out = op.out.as<float>() + column,
                   .out_stride = op.out.stride0,
                   .bias = op.bias ? op.bias.as<float>() + column : nullptr,
                   .accumulate = op.accumulate});
  });
}

void embed(const void* op_struct, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::Embed*>(op_struct);
  const PackedLinear& w = packed(op.table);
  const int64_t rows = op.out.rows();
  const auto one = [&](int64_t t) {
    w.kernel->rows(w.format, w.data, w.out, w.in, op.ids.as<int32_t>() + t, 1, op.out.row<float>(t), op.out.stride0,
                   op.scale);
  };
  if (rows < 4) {
    for (int64_t t = 0; t < rows; ++t) one(t);
    return;
  }
  ctx.parallel_for(rows, [&](int64_t t, int) { one(t); });
}

const LinearKernel* const kLinearKernels[] = {&kGroupA16, &kDenseBf16, &kDenseF16, &kDenseExact, &kGroupExact};
const int kNumLinearKernels = static_cast<int>(sizeof kLinearKernels / sizeof kLinearKernels[0]);

}  // namespace mainspring::cpu::MAINSPRING_ISA
