// Random matrices of every weight format, and the linear op in double precision to compare with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/cpu_info.h"
#include "base/half.h"
#include "base/str.h"
#include "ops/embed.h"
#include "ops/linear.h"

namespace mainspring::test {

inline WeightFormat dense(DType t) {
  WeightFormat f;
  f.dense = t;
  return f;
}
inline WeightFormat group(int bits, bool is_signed, bool has_offset, int size) {
  WeightFormat f;
  f.scheme = Scheme::kGroup;
  f.bits = static_cast<uint8_t>(bits), f.is_signed = is_signed, f.has_offset = has_offset;
  f.group = static_cast<uint16_t>(size);
  return f;
}

// Scales like those of a checkpoint: f16 numbers ("plain"), or f16 times a small integer as in the K formats.
class RandomSource final : public LinearSource {
 public:
  RandomSource(const WeightFormat& f, int64_t out, int64_t in, uint32_t seed, bool f16_scales = true)
      : format_(f), out_(out), in_(in) {
    std::mt19937 rng(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    if (f.scheme == Scheme::kDense) {
      for (int64_t i = 0; i < out * in; ++i) {
        const float v = uniform(rng) * 0.05f;
        f32_.push_back(f.dense == DType::kBf16 ? bf16_to_f32(f32_to_bf16(v))
                       : f.dense == DType::kF16 ? f16_to_f32(f32_to_f16(v)) : v);
      }
      return;
    }
    const int low = f.is_signed ? -(1 << (f.bits - 1)) : 0, high = low + (1 << f.bits) - 1;
    std::uniform_int_distribution<int> code(low, high);
    for (int64_t i = 0; i < out * in; ++i) codes_.push_back(static_cast<uint8_t>(code(rng)));
    const auto scale = [&](float size) {
      const float v = f16_to_f32(f32_to_f16(uniform(rng) * size));
      return f16_scales ? v : v * static_cast<float>(1 + rng() % 63);
    };
    for (int64_t i = 0; i < out * f.groups(in); ++i) {
      scales_.push_back(scale(0.01f));
      if (f.has_offset) offsets_.push_back(scale(0.05f));
    }
  }

  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return out_; }
  int64_t in_features() const noexcept override { return in_; }
  void read_values(int64_t row, int64_t n, float* values) const override {
    for (int64_t i = 0; i < n * in_; ++i) values[i] = value(row * in_ + i);
  }
  void read_codes(int64_t row, int64_t n, const CodeRows& rows) const override {
    const int64_t groups = format_.groups(in_);
    std::memcpy(rows.codes, &codes_[row * in_], n * in_);
    std::memcpy(rows.scales, &scales_[row * groups], n * groups * 4);
    if (format_.has_offset) std::memcpy(rows.offsets, &offsets_[row * groups], n * groups * 4);
  }
  void read_dense(int64_t row, int64_t n, void* values) const override {
    for (int64_t i = 0; i < n * in_; ++i) {
      const float v = f32_[row * in_ + i];
      if (format_.dense == DType::kF32) static_cast<float*>(values)[i] = v;
      else if (format_.dense == DType::kBf16) static_cast<uint16_t*>(values)[i] = f32_to_bf16(v);
      else static_cast<uint16_t*>(values)[i] = f32_to_f16(v);
    }
  }
  std::string where() const override { return "random matrix"; }

  float value(int64_t i) const {
    if (format_.scheme == Scheme::kDense) return f32_[i];
    const int code = format_.is_signed ? static_cast<int8_t>(codes_[i]) : codes_[i];
    const int64_t g = i / format_.group_size(in_);
    const float v = scales_[g] * static_cast<float>(code);
    return format_.has_offset ? v + offsets_[g] : v;
  }

 private:
  WeightFormat format_;
  int64_t out_, in_;
  std::vector<float> f32_, scales_, offsets_;
  std::vector<uint8_t> codes_;
};

inline std::vector<float> random_values(int64_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(n);
  for (float& x : v) x = normal(rng);
  return v;
}

// Runs the op with the scratch it asks for.
inline void run_linear(CpuDevice& device, const ops::Linear& op) {
  device.reserve_scratch(device.scratch_bytes(OpId::kLinear, &op));
  device.run(op);
}

// y = x * W^T of one matrix; rows of x and of out are strided by `pad` extra elements that must stay untouched.
struct Product {
  std::vector<float> out;
  int64_t stride;
};
inline Product product(CpuDevice& device, const LinearWeight& w, const std::vector<float>& x, int64_t rows, int pad) {
  const int64_t in = w.in_features, out = w.out_features;
  std::vector<float> padded(rows * (in + pad), NAN);
  for (int64_t t = 0; t < rows; ++t) std::copy_n(&x[t * in], in, &padded[t * (in + pad)]);
  Product p{std::vector<float>(rows * (out + pad), -777.0f), out + pad};
  const LinearWeight* part = &w;
  ops::Linear op;
  op.out = Tensor(p.out.data(), DType::kF32, rows, out + pad).slice_cols(0, out);
  op.x = ConstTensor(padded.data(), DType::kF32, rows, in + pad).slice_cols(0, in);
  op.parts = &part, op.n_parts = 1;
  run_linear(device, op);
  return p;
}

inline std::vector<const cpu::IsaTable*> usable_isas() {
  std::vector<const cpu::IsaTable*> v;
  for (const cpu::IsaTable* t : cpu::all_isa_tables())
    if (cpu::can_run(*t, cpu::cpu_features())) v.push_back(t);
  return v;
}

}  // namespace mainspring::test
