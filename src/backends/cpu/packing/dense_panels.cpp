// Dense panels: columns side by side, k after k, in f32, bf16 or f16.
#include <cstring>

#include "backends/cpu/packing/panels.h"
#include "base/half.h"

namespace mainspring::cpu {

namespace {

// A chunk of inputs is transposed at a time: reads stay in one page per row, writes in a few cache lines.
constexpr int64_t kPackInputs = 16;

uint16_t to_16(float v, DType t) { return t == DType::kBf16 ? f32_to_bf16(v) : f32_to_f16(v); }

// Where input k of column c is stored, in elements.
int64_t element(const DensePanels& p, int64_t k, int64_t c) {
  return p.stored == DType::kBf16 ? (k / 2 * p.columns + c) * 2 + k % 2 : k * p.columns + c;
}

template <class T, class Get>
void place(const DensePanels& p, T* panel, int64_t rows, const Get& get) {
  std::memset(panel, 0, p.panel_bytes());
  for (int64_t k0 = 0; k0 < p.in; k0 += kPackInputs) {
    const int64_t k1 = k0 + kPackInputs < p.in ? k0 + kPackInputs : p.in;
    for (int64_t c = 0; c < rows; ++c)
      for (int64_t k = k0; k < k1; ++k) panel[element(p, k, c)] = get(c * p.in + k);
  }
}

}  // namespace

size_t packed_bytes(const DensePanels& p, int64_t out) noexcept {
  return static_cast<size_t>((out + p.columns - 1) / p.columns) * p.panel_bytes();
}

size_t pack_scratch(const DensePanels& p) noexcept {
  return static_cast<size_t>(p.columns) * static_cast<size_t>(p.in) * sizeof(float);
}

void pack_panel(const DensePanels& p, const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer) {
  const int64_t first = panel * p.columns;
  const int64_t rows = source.out_features() - first < p.columns ? source.out_features() - first : p.columns;
  std::byte* to = packed + static_cast<size_t>(panel) * p.panel_bytes();
  const WeightFormat& format = source.format();
  if (format.scheme == Scheme::kDense && format.dense == p.stored) {
    source.read_dense(first, rows, buffer);
    if (p.stored == DType::kF32) {
      const auto* v = reinterpret_cast<const float*>(buffer);
      return place(p, reinterpret_cast<float*>(to), rows, [&](int64_t i) { return v[i]; });
    }
    const auto* v = reinterpret_cast<const uint16_t*>(buffer);
    return place(p, reinterpret_cast<uint16_t*>(to), rows, [&](int64_t i) { return v[i]; });
  }
  auto* v = reinterpret_cast<float*>(buffer);
  source.read_values(first, rows, v);
  place(p, reinterpret_cast<uint16_t*>(to), rows, [&](int64_t i) { return to_16(v[i], p.stored); });
}

void read_rows(const DensePanels& p, const std::byte* packed, const int32_t* ids, int64_t n, float* values, int64_t stride,
               float scale) {
  for (int64_t i = 0; i < n; ++i) {
    const std::byte* panel = packed + static_cast<size_t>(ids[i] / p.columns) * p.panel_bytes();
    const int64_t c = ids[i] % p.columns;
    for (int64_t k = 0; k < p.in; ++k) {
      const int64_t e = element(p, k, c);
      float v;
      if (p.stored == DType::kF32) {
        v = reinterpret_cast<const float*>(panel)[e];
      } else {
        const uint16_t h = reinterpret_cast<const uint16_t*>(panel)[e];
        v = p.stored == DType::kBf16 ? bf16_to_f32(h) : f16_to_f32(h);
      }
      values[i * stride + k] = v * scale;
    }
  }
}

}  // namespace mainspring::cpu
