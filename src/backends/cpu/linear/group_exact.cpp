// Quantised weights in fp32 arithmetic: each chunk is decoded to exactly the values the encoding's reference gives.
#include "backends/cpu/linear/linear.h"
#include "backends/cpu/linear/packed_by.h"
#include "backends/cpu/linear/planes.h"
#include "backends/cpu/linear/tile.h"

namespace mainspring::cpu::MAINSPRING_ISA {

namespace {

GroupPanels panels(const WeightFormat& f, int64_t in) { return group_panels(f, in, kLanes, kPanelVecs, false); }

// scale * code, then + offset: two roundings, as the references do it.
template <int kWords>
MS_INLINE void decode_chunk(const GroupPanels& p, const std::byte* panel, int64_t chunk, int n, float* block) {
  const ChunkAt at(p, panel, chunk);
  const auto* scales = reinterpret_cast<const float*>(at.record);
  const auto* offsets = reinterpret_cast<const float*>(at.record + p.scale_bytes);
  const VI low = iset(0xFFFF), bias = iset(p.bias);
  for (int v = 0; v < kPanelVecs; ++v) {
    const Planes<kWords> planes(at.planes + v * p.vector_bytes);
    each<kChunk / 2>([&](auto pair) MS_LAMBDA {
      if (2 * pair >= n) return;
      const int half = p.halves == 2 && pair >= kChunk / 4 ? kPanelColumns : 0;
      const VF scale = vload(scales + half + v * kLanes);
      const VI codes = planes.template pair<decltype(pair)::value>();
      VF even = to_float(isub(iand(codes, low), bias)) * scale;
      VF odd = to_float(isub(shr32_16(codes), bias)) * scale;
      if (p.offset) {
        const VF offset = vload(offsets + half + v * kLanes);
        even = even + offset, odd = odd + offset;
      }
      vstore(block_at(block, n, v, 2 * pair), even);
      vstore(block_at(block, n, v, 2 * pair + 1), odd);
    });
  }
}

int score(const WeightFormat& f, ComputeType compute, int64_t, int64_t in) {
  return compute == ComputeType::kF32 && group_supported(f, in) ? 10 : 0;
}

void run(const LinearTask& task) {
  const PackedLinear& w = *task.weight;
  const GroupPanels p = panels(w.format, w.in);
  with_words(p.words, [&](auto words) {
    run_f32_blocks(task, w.in, w.out, [&](int64_t panel, int64_t chunk, int n, float* block) MS_LAMBDA {
      decode_chunk<decltype(words)::value>(p, w.data + static_cast<size_t>(panel) * p.panel_bytes, chunk, n, block);
    });
  });
}

}  // namespace

const LinearKernel kGroupExact =
    PackedBy<&panels>::kernel("group_exact", &score, kPanelColumns, InputForm::kValues, &run);

}  // namespace mainspring::cpu::MAINSPRING_ISA
