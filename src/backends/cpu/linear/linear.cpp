// The linear op: x is converted once, then (panels x rows) tasks go to the team. Also the embedding.
#include "backends/cpu/linear/linear.h"

#include "backends/cpu/linear/bf16_tiles.h"
#include "backends/cpu/linear/convert.h"
#include "backends/cpu/linear/convert_int8.h"
#include "backends/cpu/linear/tile.h"
#include "ops/embed.h"
#include "ops/linear.h"

namespace mainspring::cpu::MAINSPRING_ISA {

namespace {

const PackedLinear& packed(const LinearWeight* w) { return static_cast<const CpuLinearWeight*>(w)->packed; }

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Above this many rows x is copied chunk by chunk: rows of a large power-of-two stride would share cache sets.
constexpr int64_t kCopyRows = 8;

int64_t padded(int64_t in, int64_t unit) { return ceil_div(in, unit) * unit; }
size_t lines(int64_t bytes) { return static_cast<size_t>(padded(bytes, 64)); }

// Rows of x are cut into matrix tiles as evenly as possible.
int even_rows(int64_t rows) { return static_cast<int>(ceil_div(rows, ceil_div(rows, 16))); }
int tile_rows(int64_t rows) { return kHasTiles && rows >= kTileRowsMin ? even_rows(rows) : 0; }

// The groups of signed bytes that the parts of an op ask for, in inputs.
struct ActGroups {
  static constexpr int kMost = 6;  // 32, 64, 128, 256, 512; the row
  int64_t group[kMost];
  int n = 0;
  static int64_t of(const PackedLinear& w) { return w.format.group_size(w.in); }
  int find(int64_t g) const {
    for (int i = 0; i < n; ++i)
      if (group[i] == g) return i;
    return -1;
  }
  explicit ActGroups(const ops::Linear& op) {
    for (int i = 0; i < op.n_parts; ++i) {
      const PackedLinear& w = packed(op.parts[i]);
      if (w.kernel->input != InputForm::kInt8 || find(of(w)) >= 0) continue;
      group[n++] = of(w);
    }
  }
};

// Parts of scratch in bytes, in this order; int8 once per activation group: scales, sums and bytes.
struct Scratch {
  ActGroups act;
  size_t int8_groups[ActGroups::kMost] = {}, int8 = 0;
  size_t codes = 0, meta = 0, values = 0, fixed_scales = 0, fixed_sums = 0, fixed = 0, bf16 = 0;
  size_t total() const {
    size_t all = codes + meta + values + fixed_scales + fixed_sums + fixed + bf16;
    for (int i = 0; i < act.n; ++i) all += 2 * int8_groups[i] + int8;
    return all;
  }
};

Scratch scratch_parts(const ops::Linear& op) {
  const auto wants = [&](InputForm form) MS_LAMBDA {
    for (int i = 0; i < op.n_parts; ++i)
      if (packed(op.parts[i]).kernel->input == form) return true;
    return false;
  };
  const int64_t rows = op.x.rows(), in = op.x.row_elements(), chunks = rows * ceil_div(in, kChunk);
  Scratch s{.act = ActGroups(op)};
  const int height = tile_rows(rows);
  for (int i = 0; i < s.act.n; ++i) s.int8_groups[i] = lines(rows * ceil_div(in, s.act.group[i]) * 4);
  s.int8 = height ? lines(padded(rows, height) * padded(in, 64)) : lines(chunks * kChunk);
  if (wants(InputForm::kChunkCodes)) {
    s.codes = lines(chunks * kChunk * 2);
    s.meta = lines(chunks * static_cast<int64_t>(sizeof(ChunkMeta)));
  }
  if (wants(InputForm::kValues) && rows > kCopyRows) s.values = lines(chunks * kChunk * 4);
  if (wants(InputForm::kFixed)) {
    s.fixed_scales = lines(rows * ceil_div(in, kRecord) * 4);
    s.fixed_sums = rows > kStreamRows ? 0 : lines(chunks * 2 * 4);
    s.fixed = height ? lines(padded(rows, height) * padded(in, 64) * 2) : lines(chunks * kChunk * 2);
  }
  if (rows > 0 && wants(InputForm::kBf16)) s.bf16 = Bf16Layout(rows, in, even_rows(rows)).bytes();
  return s;
}

// Work is cut so that a task takes a microsecond or more and every thread gets several.
struct Cut {
  int64_t row_blocks, panels_per_task;
  int height;  // of matrix tiles, 0 without: blocks begin with a tile
};
constexpr int64_t kTaskBytes = 16384, kTasksPerThread = 16;

int64_t part_tasks(const PackedLinear& w, int64_t per_task) {
  return ceil_div(ceil_div(w.out, kPanelColumns), per_task);
}

Cut cut(const ops::Linear& op, int n_threads) {
  int64_t panels = 0, bytes = 0;
  bool tiles = true, int8 = true, bf16 = true;  // all parts
  for (int i = 0; i < op.n_parts; ++i) {
    panels += ceil_div(packed(op.parts[i]).out, kPanelColumns);
    bytes += static_cast<int64_t>(op.parts[i]->bytes);
    const InputForm form = packed(op.parts[i]).kernel->input;
    tiles &= form == InputForm::kFixed || form == InputForm::kInt8 || form == InputForm::kBf16;
    int8 &= form == InputForm::kInt8;
    bf16 &= form == InputForm::kBf16;
  }
  const int64_t rows = op.x.rows();
  const int64_t by_threads = panels / (n_threads * (rows > kTileTaskRows && int8 ? kTasksPerThread / 2 : kTasksPerThread));
  const int64_t by_size = rows > 16 ? 1 : kTaskBytes * panels / (bytes > 0 ? bytes : 1);
  int64_t per_task = by_threads > by_size ? by_threads : by_size;
  const int64_t least = rows <= kStreamRows && panels >= 8 * n_threads ? 2 : 1;  // streams go in pairs
  if (per_task < least) per_task = least;
  const int height = tile_rows(rows);
  const int64_t most = !tiles || !height ? kTaskRows / 16 * 16 : (int8 ? kInt8TaskRows : kTileTaskRows) / 16 * height;
  const int64_t row_blocks = ceil_div(rows, most);
  if (bf16 && rows > 16) per_task = bf16_task_panels(panels * row_blocks, n_threads);
  return {row_blocks, per_task, height};
}

LinearInput convert(const ops::Linear& op, const KernelContext& ctx, const Scratch& s, Int8Input* int8) {
  const int64_t rows = op.x.rows(), in = op.x.row_elements();
  LinearInput x;
  x.rows = rows;
  x.values = op.x.as<float>(), x.chunk_stride = kChunk, x.row_stride = op.x.stride0;
  if (s.total() == 0) return x;
  std::byte* at = ctx.scratch;
  const auto take = [&](size_t bytes) MS_LAMBDA { return (at += bytes) - bytes; };
  for (int i = 0; i < s.act.n; ++i) {
    int8[i].group = s.act.group[i];
    int8[i].scales = reinterpret_cast<float*>(take(s.int8_groups[i]));
    int8[i].sums = reinterpret_cast<int32_t*>(take(s.int8_groups[i]));
    int8[i].tile_rows = tile_rows(rows);
    std::byte* bytes = take(s.int8);
    if (int8[i].tile_rows) int8[i].tiles = bytes;
    else int8[i].quads = reinterpret_cast<int8_t*>(bytes);
  }
  if (s.codes) {
    x.chunks.codes = reinterpret_cast<int16_t*>(take(s.codes));
    x.chunks.meta = reinterpret_cast<ChunkMeta*>(take(s.meta));
  }
  auto* values = reinterpret_cast<float*>(take(s.values));
  if (s.fixed) {
    x.fixed.scales = reinterpret_cast<float*>(take(s.fixed_scales));
    x.fixed.tile_rows = tile_rows(rows);
    x.fixed.sums = reinterpret_cast<int32_t*>(take(s.fixed_sums));
    std::byte* codes = take(s.fixed);
    if (x.fixed.tile_rows) x.fixed.tiles = codes;
    else if (rows > kStreamRows) x.fixed.codes = reinterpret_cast<int16_t*>(codes);
    else x.fixed.quads = reinterpret_cast<int8_t*>(codes);
  }
  if (s.bf16) x.bf16 = {take(s.bf16), even_rows(rows)};
  const auto one_row = [&](int64_t t) MS_LAMBDA {
    const float* row = op.x.row<float>(t);
    for (int i = 0; i < s.act.n; ++i) convert_int8(row, in, t, rows, int8[i]);
    if (s.codes) convert_codes(row, in, t, rows, x.chunks);
    if (s.values) copy_chunks(row, in, t, rows, values);
    if (s.fixed) convert_fixed(row, in, t, rows, x.fixed);
    if (s.bf16) convert_bf16(row, in, t, Bf16Layout(rows, in, x.bf16.tile_rows), x.bf16.tiles);
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
  if (s.values) x.values = values, x.chunk_stride = rows * kChunk, x.row_stride = kChunk;
  return x;
}

// Rows of block `block` of `blocks` begin here; with matrix tiles they begin with a tile.
int64_t block_row(int64_t rows, int height, int64_t block, int64_t blocks) {
  if (height == 0) return rows * block / blocks;
  const int64_t row = ceil_div(rows, height) * block / blocks * height;
  return row < rows ? row : rows;
}

}  // namespace

size_t linear_scratch(const void* op_struct, int) {
  return scratch_parts(*static_cast<const ops::Linear*>(op_struct)).total();
}

void linear(const void* op_struct, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::Linear*>(op_struct);
  const int64_t rows = op.x.rows();
  if (rows == 0) return;
  const Scratch s = scratch_parts(op);
  Int8Input int8[ActGroups::kMost];
  const LinearInput x = convert(op, ctx, s, int8);
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
    const int64_t row = block_row(rows, c.height, block, c.row_blocks);
    w.kernel->run({.weight = &w,
                   .x = &x,
                   .int8 = w.kernel->input == InputForm::kInt8 ? int8[s.act.find(ActGroups::of(w))] : Int8Input{},
                   .panel = panel,
                   .n_panels = panels - panel < c.panels_per_task ? panels - panel : c.panels_per_task,
                   .row = row,
                   .n_rows = block_row(rows, c.height, block + 1, c.row_blocks) - row,
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

const LinearKernel* const kLinearKernels[] = {&kGroupFixed, &kGroupInt8,  &kGroupA16,  &kDenseBf16,
                                              &kDenseF16,   &kDenseExact, &kGroupExact};
const int kNumLinearKernels = static_cast<int>(sizeof kLinearKernels / sizeof kLinearKernels[0]);

}  // namespace mainspring::cpu::MAINSPRING_ISA
