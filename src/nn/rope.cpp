// RoPE frequencies for every scaling rule, and the operations that apply them.
#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/str.h"

namespace mainspring::nn {

namespace {

std::vector<double> plain(double theta, int64_t r) {
  std::vector<double> f(static_cast<size_t>(r / 2));
  for (int64_t i = 0; i < r / 2; ++i) f[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(r));
  return f;
}

// Llama 3.1: long wavelengths are divided by the factor, short ones kept, a smooth ramp between.
void scale_llama3(std::vector<double>& f, const RopeConfig& rope, int64_t max_position) {
  const double original = static_cast<double>(rope.original_max_position ? rope.original_max_position : max_position);
  for (double& x : f) {
    const double wavelength = 2.0 * std::numbers::pi / x;
    if (wavelength < original / rope.high_freq_factor) continue;
    if (wavelength > original / rope.low_freq_factor) {
      x /= rope.factor;
      continue;
    }
    const double s = (original / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
    x = (1.0 - s) * x / rope.factor + s * x;
  }
}

double yarn_scale(double factor, double mscale) { return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

double yarn_attention_factor(const RopeConfig& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  if (rope.mscale.value_or(0) != 0 && rope.mscale_all_dim.value_or(0) != 0)
    return yarn_scale(rope.factor, *rope.mscale) / yarn_scale(rope.factor, *rope.mscale_all_dim);
  return yarn_scale(rope.factor, 1.0);
}

// YaRN: interpolate slow dimensions, keep fast ones, ramp between the two correction dimensions.
void scale_yarn(std::vector<double>& f, const RopeConfig& rope, int64_t r, int64_t max_position) {
  const double original = static_cast<double>(rope.original_max_position ? rope.original_max_position : max_position);
  const auto correction = [&](double rotations) {
    return static_cast<double>(r) * std::log(original / (rotations * 2.0 * std::numbers::pi)) / (2.0 * std::log(rope.theta));
  };
  double low = correction(rope.beta_fast), high = correction(rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(r - 1));
  if (low == high) high += 0.001;  // the reference's guard against a zero-width ramp
  for (size_t i = 0; i < f.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    f[i] = f[i] / rope.factor * ramp + f[i] * (1.0 - ramp);
  }
}

}  // namespace

RopeFrequencies rope_frequencies(const RopeConfig& rope, int64_t head_dim, int64_t max_position) {
  const int64_t r = static_cast<int64_t>(static_cast<double>(head_dim) * rope.partial_rotary_factor) / 2 * 2;
  if (r < 2) fail(Code::kInvalidInput, "rope: ", r, " rotary dimensions are too few");
  std::vector<double> f = plain(rope.theta, r);
  RopeFrequencies out;
  switch (rope.type) {
    case RopeType::kDefault: break;
    case RopeType::kLinear:
      for (double& x : f) x /= rope.factor;
      break;
    case RopeType::kDynamic: out.dynamic_factor = static_cast<float>(rope.factor); break;
    case RopeType::kLlama3: scale_llama3(f, rope, max_position); break;
    case RopeType::kYarn:
      scale_yarn(f, rope, r, max_position);
      out.attention_factor = static_cast<float>(yarn_attention_factor(rope));
      break;
    case RopeType::kLongrope: fail(Code::kUnsupported, "rope_type \"longrope\" is not supported by this family");
  }
  // GGUF files of Llama 3.1 and later carry the result of their scaling rule as a tensor of divisors.
  if (!rope.freq_factors.empty() && rope.freq_factors.size() != f.size())
    fail(Code::kInvalidInput, "rope: ", rope.freq_factors.size(), " frequency factors, expected ", f.size());
  for (size_t i = 0; i < rope.freq_factors.size(); ++i) f[i] /= rope.freq_factors[i];
  out.inv_freq.assign(f.begin(), f.end());
  return out;
}

Rope::Rope(const Weights& w, const RopeConfig& rope, int64_t head_dim, int64_t max_position, ops::RopeStyle style)
    : max_position_(max_position), theta_(static_cast<float>(rope.theta)), style_(style) {
  const RopeFrequencies f = rope_frequencies(rope, head_dim, max_position);
  half_ = static_cast<int64_t>(f.inv_freq.size());
  attention_factor_ = f.attention_factor;
  dynamic_factor_ = f.dynamic_factor;
  inv_freq_ = w.device().alloc(f.inv_freq.size() * sizeof(float));
  w.device().copy_to_device(inv_freq_.get(), f.inv_freq.data(), f.inv_freq.size() * sizeof(float));
}

ConstTensor Rope::table(Ctx& ctx) const {
  const Tensor table = ctx.ws.alloc(DType::kF32, ctx.batch.n_tokens(), half_, 2);  // [T, r/2, 2]
  ctx.dev.run(ops::RopeTable{.table = table,
                             .positions = ctx.batch.positions,
                             .rope_lengths = ctx.batch.rope_lengths,
                             .inv_freq = ConstTensor(inv_freq_.get(), DType::kF32, half_),
                             .attention_factor = attention_factor_,
                             .dynamic_factor = dynamic_factor_,
                             .theta = theta_,
                             .max_position = static_cast<int32_t>(max_position_)});
  return table;
}

void Rope::rotate(Ctx& ctx, Tensor heads, ConstTensor table) const {
  ctx.dev.run(ops::Rope{.x = heads, .table = table, .style = style_});
}

}  // namespace mainspring::nn
