// Dense weights of 16 or 32 bits, fp32 activations, fp32 sums.
//
// 16-bit weights become fp32 in registers: bf16 dot products of vectors round differently from fp32, and several
// processors do them no faster than fp32 multiply-adds. Matrix tiles take bf16 weights as they are (bf16_tiles.h).
#include "backends/cpu/linear/bf16_tiles.h"
#include "backends/cpu/linear/linear.h"
#include "backends/cpu/linear/packed_by.h"
#include "backends/cpu/linear/tile.h"

namespace mainspring::cpu::MAINSPRING_ISA {

namespace {

constexpr int kDenseStreamRows = kRegisters == 32 ? 8 : 2;  // rows whose sums of a whole panel fit the registers
constexpr int64_t kPrefetch = 2048;                    // bytes ahead of a stream

// Inputs k and k + 1 (k even) of vector v of a panel.
template <DType stored>
MS_INLINE void load_pair(const std::byte* panel, int64_t k, int v, VF& even, VF& odd) {
  if constexpr (stored == DType::kF32) {
    const float* p = reinterpret_cast<const float*>(panel) + k * kPanelColumns + v * kLanes;
    even = vload(p), odd = vload(p + kPanelColumns);
  } else if constexpr (stored == DType::kF16) {
    const uint16_t* p = reinterpret_cast<const uint16_t*>(panel) + k * kPanelColumns + v * kLanes;
    even = vload_f16(p), odd = vload_f16(p + kPanelColumns);
  } else {
    vload_bf16_pairs(reinterpret_cast<const uint16_t*>(panel) + k * kPanelColumns + v * kLanes * 2, even, odd);
  }
}

template <DType stored, int m>
void stream(const LinearTask& task, const DensePanels& p) {
  const PackedLinear& w = *task.weight;
  const LinearInput& x = *task.x;
  for (int64_t panel = task.panel; panel < task.panel + task.n_panels; ++panel) {
    const std::byte* data = w.data + static_cast<size_t>(panel) * p.panel_bytes();
    VF acc[m][kPanelVecs];
    each<m>([&](auto r) MS_LAMBDA { each<kPanelVecs>([&](auto v) MS_LAMBDA { acc[r][v] = vset(0); }); });
    for (int64_t k0 = 0; k0 < p.in; k0 += kChunk) {
      const float* xc = x.values + k0 / kChunk * x.chunk_stride + task.row * x.row_stride;
      const int n = p.in - k0 < kChunk ? static_cast<int>(p.in - k0) : kChunk;
      const std::byte* ahead = data + static_cast<size_t>(k0) * kPanelColumns * dtype_size(stored) + kPrefetch;
      for (int k = 0; k < n; k += 2) {
        for (size_t b = 0; b < 2 * kPanelColumns * dtype_size(stored); b += 64)
          prefetch(ahead + static_cast<size_t>(k) * kPanelColumns * dtype_size(stored) + b);
        each<kPanelVecs>([&](auto v) MS_LAMBDA {
          VF even, odd;
          load_pair<stored>(data, k0 + k, v, even, odd);
          each<m>([&](auto r) MS_LAMBDA {
            acc[r][v] = vfma(even, vset(xc[r * x.row_stride + k]), acc[r][v]);
            if (k + 1 < n) acc[r][v] = vfma(odd, vset(xc[r * x.row_stride + k + 1]), acc[r][v]);
          });
        });
      }
    }
    each<m>([&](auto r) MS_LAMBDA {
      alignas(64) float sums[kPanelColumns];
      each<kPanelVecs>([&](auto v) MS_LAMBDA { vstore(sums + v * kLanes, acc[r][v]); });
      write_panel(task, w.out, panel, task.row + r, sums, 1.0f);
    });
  }
}

template <DType stored>
void run_dense(const LinearTask& task, const DensePanels& p) {
  bool done = false;
  each<kDenseStreamRows>([&](auto i) MS_LAMBDA {
    if (task.n_rows == i + 1) stream<stored, i + 1>(task, p), done = true;
  });
  if (done) return;
  const std::byte* data = task.weight->data;
  run_f32_blocks(task, p.in, task.weight->out, [&](int64_t panel, int64_t chunk, int n, float* block) MS_LAMBDA {
    const std::byte* from = data + static_cast<size_t>(panel) * p.panel_bytes();
    for (int k = 0; k < n; k += 2)
      each<kPanelVecs>([&](auto v) MS_LAMBDA {
        VF even, odd;
        load_pair<stored>(from, chunk * kChunk + k, v, even, odd);
        vstore(block_at(block, n, v, k), even);
        if (k + 1 < n) vstore(block_at(block, n, v, k + 1), odd);
      });
  });
}

template <ComputeType compute>
int score(const WeightFormat& f, ComputeType c, int64_t, int64_t) {
  return f.scheme == Scheme::kDense && c == compute ? 10 : 0;
}

// Stored as f32, bf16 or f16 whatever the source is, or as the source itself.
template <DType stored>
DensePanels stored_as(const WeightFormat&, int64_t in) { return {stored, kPanelColumns, in}; }
DensePanels stored_as_source(const WeightFormat& f, int64_t in) { return {f.dense, kPanelColumns, in}; }

template <auto kPanels>
void run(const LinearTask& task) {
  const DensePanels p = kPanels(task.weight->format, task.weight->in);
  if (p.stored == DType::kBf16) run_dense<DType::kBf16>(task, p);
  else if (p.stored == DType::kF16) run_dense<DType::kF16>(task, p);
  else run_dense<DType::kF32>(task, p);
}

#if defined(MAINSPRING_ISA_amx)
constexpr InputForm kBf16Form = InputForm::kBf16;
void run_bf16(const LinearTask& task) {
  run_bf16_tiles(task, stored_as<DType::kBf16>(task.weight->format, task.weight->in));
}
#else
constexpr InputForm kBf16Form = InputForm::kValues;
void run_bf16(const LinearTask& task) { run<&stored_as<DType::kBf16>>(task); }
#endif

template <auto kPanels, ComputeType compute>
constexpr LinearKernel kernel(const char* name) {
  return PackedBy<kPanels>::kernel(name, &score<compute>, kPanelColumns, InputForm::kValues, &run<kPanels>);
}

}  // namespace

const LinearKernel kDenseBf16 = PackedBy<&stored_as<DType::kBf16>>::kernel(
    "dense_bf16", &score<ComputeType::kBf16>, kPanelColumns, kBf16Form, &run_bf16);
const LinearKernel kDenseF16 = kernel<&stored_as<DType::kF16>, ComputeType::kF16>("dense_f16");
const LinearKernel kDenseExact = kernel<&stored_as_source, ComputeType::kF32>("dense_exact");

}  // namespace mainspring::cpu::MAINSPRING_ISA
