// Reference KvWrite and Attention.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/ref/ref_ops.h"
#include "base/half.h"

namespace mainspring::ref {

namespace {

constexpr float kMaxF16 = 65504.0f;

float saturated_f16(float v) { return f16_to_f32(f32_to_f16(std::clamp(v, -kMaxF16, kMaxF16))); }

// Codes 0..top over [min, max] of x, in fp32 as ops/kv.h defines them; back in double.
std::vector<double> round_affine(const float* x, int64_t d, float top) {
  const float min = *std::min_element(x, x + d), max = *std::max_element(x, x + d);
  const float scale = (max - min) / top, divisor = scale > 0.0f ? scale : 1.0f;
  std::vector<double> out;
  for (int64_t i = 0; i < d; ++i)
    out.push_back(double{std::nearbyint(std::min(top, std::max(0.0f, (x[i] - min) / divisor)))} * scale + min);
  return out;
}

}  // namespace

void round_value(KvFormat format, const float* x, float* out, int64_t d) {
  switch (format) {
    case KvFormat::kF32: std::copy(x, x + d, out); return;
    case KvFormat::kBf16: std::transform(x, x + d, out, [](float v) { return bf16_to_f32(f32_to_bf16(v)); }); return;
    case KvFormat::kF16:
      std::transform(x, x + d, out, [](float v) { return std::isnan(v) ? v : saturated_f16(v); });
      return;
    default: break;
  }
  const std::vector<double> back = round_affine(x, d, format == KvFormat::kInt8 ? 255.0f : 15.0f);
  std::transform(back.begin(), back.end(), out, [](double v) { return static_cast<float>(v); });
}

void round_key(KvFormat format, const float* x, const float* base, float* out, int64_t d) {
  if (!is_quantised(format)) return round_value(format, x, out, d);
  std::vector<float> rest(static_cast<size_t>(d));
  std::transform(x, x + d, base, rest.begin(), [](float v, float b) { return v - b; });
  const std::vector<double> back = round_affine(rest.data(), d, format == KvFormat::kInt4 ? 15.0f : 255.0f);
  std::transform(back.begin(), back.end(), base, out, [](double v, float b) { return static_cast<float>(v + b); });
}

float* KvBlock::row(const KvLayer& kv, const Batch& batch, int64_t s, int64_t position, int64_t head, bool value) {
  const int32_t block = batch.block_table.row<int32_t>(s)[position / kBlockTokens];
  float* base = reinterpret_cast<float*>(kv.base + static_cast<size_t>(block) * kv.block_stride);
  return base + (((head * 2 + value) * kBlockTokens) + position % kBlockTokens) * kv.spec.head_dim;
}

float* KvBlock::base(const KvLayer& kv, const Batch& batch, int64_t s, int64_t position, int64_t head) {
  const int64_t start = position / kBlockTokens * kBlockTokens;
  return row(kv, batch, s, start, kv.spec.kv_heads, false) + head * kv.spec.head_dim;
}

namespace {

// fn(row, sequence, position) for every token of the step.
template <class F>
void for_tokens(const Batch& batch, const F& fn) {
  const int32_t* starts = batch.query_start.as<int32_t>();
  for (int64_t s = 0; s < batch.n_sequences(); ++s)
    for (int64_t t = starts[s]; t < starts[s + 1]; ++t)
      fn(t, s, int64_t{batch.kv_length.as<int32_t>()[s]} - starts[s + 1] + t);
}

}  // namespace

void run(const ops::KvWrite& op) {
  const int64_t d = op.kv.spec.head_dim;
  for_tokens(*op.batch, [&](int64_t t, int64_t s, int64_t position) {
    for (int64_t h = 0; h < op.kv.spec.kv_heads; ++h) {
      const float* k = op.k.row<float>(t) + h * d;
      float* base = KvBlock::base(op.kv, *op.batch, s, position, h);
      if (position % kBlockTokens == 0)
        std::transform(k, k + d, base, [](float v) { return std::isfinite(v) ? saturated_f16(v) : 0.0f; });
      round_key(op.kv.format, k, base, KvBlock::row(op.kv, *op.batch, s, position, h, false), d);
      round_value(op.kv.format, op.v.row<float>(t) + h * d, KvBlock::row(op.kv, *op.batch, s, position, h, true), d);
    }
  });
}

void run(const ops::Attention& op) {
  const int64_t heads = op.q.dims[1], d = op.q.dims[2], group = heads / op.kv.spec.kv_heads;
  std::vector<double> weights, sums(static_cast<size_t>(d));
  for_tokens(*op.batch, [&](int64_t t, int64_t s, int64_t position) {
    const int64_t begin = op.window > 0 ? std::max<int64_t>(0, position + 1 - op.window) : 0;
    for (int64_t h = 0; h < heads; ++h) {
      const float* q = op.q.row<float>(t) + h * d;
      weights.clear();
      double top = op.sinks ? op.sinks.as<float>()[h] : -INFINITY;
      for (int64_t j = begin; j <= position; ++j) {
        const float* k = KvBlock::row(op.kv, *op.batch, s, j, h / group, false);
        double score = 0;
        for (int64_t i = 0; i < d; ++i) score += double{q[i]} * k[i];
        score *= op.scale;
        if (op.softcap > 0.0f) score = op.softcap * std::tanh(score / op.softcap);
        weights.push_back(score);
        top = std::max(top, score);
      }
      double sum = op.sinks ? std::exp(op.sinks.as<float>()[h] - top) : 0.0;
      std::fill(sums.begin(), sums.end(), 0.0);
      for (int64_t j = begin; j <= position; ++j) {
        const double p = std::exp(weights[static_cast<size_t>(j - begin)] - top);
        const float* v = KvBlock::row(op.kv, *op.batch, s, j, h / group, true);
        sum += p;
        for (int64_t i = 0; i < d; ++i) sums[static_cast<size_t>(i)] += p * v[i];
      }
      for (int64_t i = 0; i < d; ++i)
        op.out.row<float>(t)[h * d + i] = static_cast<float>(sums[static_cast<size_t>(i)] / sum);
    }
  });
}

}  // namespace mainspring::ref
