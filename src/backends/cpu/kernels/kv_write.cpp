// KvWrite: the step's keys and values into their blocks.
#include "backends/cpu/kernels/kernels.h"
#include "backends/cpu/kernels/kv_codec.h"
#include "backends/cpu/kernels/rows.h"
#include "ops/attention.h"

namespace mainspring::cpu::MAINSPRING_ISA {
namespace {

template <class Codec>
void write_rows(const ops::KvWrite& op, const KvHeadLayout& layout, int64_t begin, int64_t end) {
  const Batch& batch = *op.batch;
  const int32_t* starts = batch.query_start.as<int32_t>();
  const int32_t* lengths = batch.kv_length.as<int32_t>();
  const int64_t d = op.kv.spec.head_dim;
  int64_t s = 0;
  for (int64_t t = begin; t < end; ++t) {
    while (starts[s + 1] <= t) ++s;
    const int64_t position = lengths[s] - starts[s + 1] + t;
    const int32_t block = batch.block_table.row<int32_t>(s)[position / kBlockTokens];
    const int slot = static_cast<int>(position % kBlockTokens);
    // The block's first key, if it is written in this step (perhaps by another thread, at this time).
    const float* first = t - slot >= starts[s] ? op.k.row<float>(t - slot) : nullptr;
    std::byte* head = op.kv.base + static_cast<size_t>(block) * op.kv.block_stride;
    const float* k = op.k.row<float>(t);
    const float* v = op.v.row<float>(t);
    for (int64_t h = 0; h < op.kv.spec.kv_heads; ++h, head += layout.head_bytes)
      Codec::write(head, layout, slot, k + h * d, v + h * d, d, first ? first + h * d : nullptr);
  }
}

}  // namespace

void kv_write(const void* p, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::KvWrite*>(p);
  const KvHeadLayout layout = kv_head_layout(op.kv.spec, op.kv.format);
  with_codec(op.kv.format, [&](auto codec) {
    for_rows(ctx, op.k.rows(), 4 * op.k.row_elements(), [&](int64_t begin, int64_t end) {
      write_rows<decltype(codec)>(op, layout, begin, end);
    });
  });
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
