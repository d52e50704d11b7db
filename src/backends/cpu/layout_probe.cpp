// The probe matrix.
#include "backends/cpu/layout_probe.h"

#include <cstring>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/hash.h"

namespace mainspring::cpu {

namespace {

constexpr int64_t kInputs = 384;  // a multiple of every group, and no power of two

// Codes and values that no permutation, shift or bias maps onto themselves.
uint32_t scramble(int64_t row, int64_t i) {
  return static_cast<uint32_t>(hash_combine(static_cast<uint64_t>(row), i) >> 32);
}

class ProbeSource final : public LinearSource {
 public:
  ProbeSource(const WeightFormat& format, int64_t out) : format_(format), out_(out) {}
  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return out_; }
  int64_t in_features() const noexcept override { return kInputs; }

  void read_values(int64_t row, int64_t n, float* values) const override {
    for (int64_t r = 0; r < n; ++r)
      for (int64_t i = 0; i < kInputs; ++i) values[r * kInputs + i] = value(row + r, i);
  }
  void read_dense(int64_t row, int64_t n, void* values) const override {
    for (int64_t r = 0; r < n; ++r)
      for (int64_t i = 0; i < kInputs; ++i) {
        const float v = value(row + r, i);
        const int64_t at = r * kInputs + i;
        if (format_.dense == DType::kF32) static_cast<float*>(values)[at] = v;
        else static_cast<uint16_t*>(values)[at] = format_.dense == DType::kBf16 ? f32_to_bf16(v) : f32_to_f16(v);
      }
  }
  void read_codes(int64_t row, int64_t n, const CodeRows& rows) const override {
    const int64_t groups = format_.groups(kInputs);
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t i = 0; i < kInputs; ++i) rows.codes[r * kInputs + i] = code(row + r, i);
      for (int64_t g = 0; g < groups; ++g) {
        rows.scales[r * groups + g] = static_cast<float>(1 + scramble(row + r, ~g) % 1000) / 1024.0f;
        if (format_.has_offset)
          rows.offsets[r * groups + g] = -static_cast<float>(1 + scramble(row + r, ~g * 3) % 1000) / 512.0f;
      }
    }
  }
  std::string where() const override { return "layout probe"; }

 private:
  float value(int64_t row, int64_t i) const {
    return static_cast<float>(static_cast<int>(scramble(row, i) % 255) - 127) / 128.0f;
  }
  uint8_t code(int64_t row, int64_t i) const {
    const int top = 1 << format_.bits, c = static_cast<int>(scramble(row, i) % static_cast<uint32_t>(top));
    return static_cast<uint8_t>(format_.is_signed ? c - top / 2 : c);
  }

  WeightFormat format_;
  int64_t out_;
};

}  // namespace

uint64_t layout_number(const LinearKernel& kernel, const WeightFormat& format) {
  const int64_t out = kernel.panel_rows + kernel.panel_rows / 2 + 1;  // a whole panel and a part of one
  const ProbeSource source(format, out);
  struct alignas(64) Line { std::byte bytes[64]; };
  const auto lines = [](size_t bytes) { return std::vector<Line>((bytes + 63) / 64); };
  std::vector<Line> packed = lines(kernel.packed_bytes(format, out, kInputs));
  std::vector<Line> scratch = lines(kernel.pack_scratch(format, kInputs));
  auto* to = reinterpret_cast<std::byte*>(packed.data());
  for (int64_t panel = 0; panel * kernel.panel_rows < out; ++panel)
    kernel.pack(source, panel, to, reinterpret_cast<std::byte*>(scratch.data()));
  return hash64({to, packed.size() * sizeof(Line)});
}

}  // namespace mainspring::cpu
