// Reference operations except those on the KV cache.
#include "backends/ref/ref_ops.h"

#include <cmath>
#include <cstring>

namespace mainspring::ref {

namespace {

double inverse_rms(const float* x, int64_t n, float eps) {
  double s = 0;
  for (int64_t i = 0; i < n; ++i) s += double{x[i]} * x[i];
  return 1.0 / std::sqrt(s / static_cast<double>(n) + eps);
}

void normalise(float* out, const float* x, const ConstTensor& weight, int64_t n, float eps, float offset) {
  const double r = inverse_rms(x, n, eps);
  const float* w = weight.as<float>();
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(x[i] * r * (double{w[i]} + offset));
}

double activate(ops::Activation act, double x) {
  switch (act) {
    case ops::Activation::kSilu: return x / (1.0 + std::exp(-x));
    case ops::Activation::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case ops::Activation::kGeluErf: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
  }
  return 0;
}

}  // namespace

void run(const ops::Embed& op) {
  const auto& table = *static_cast<const Weight*>(op.table);
  for (int64_t t = 0; t < op.out.rows(); ++t) {
    const float* from = table.values.data() + int64_t{op.ids.as<int32_t>()[t]} * table.in_features;
    for (int64_t i = 0; i < table.in_features; ++i) op.out.row<float>(t)[i] = op.scale * from[i];
  }
}

void run(const ops::RmsNorm& op) {
  const int64_t heads = op.x.rank == 3 ? op.x.dims[1] : 1, width = op.x.row_elements() / heads;
  for (int64_t t = 0; t < op.x.rows(); ++t)
    for (int64_t h = 0; h < heads; ++h)
      normalise(op.out.row<float>(t) + h * width, op.x.row<float>(t) + h * width, op.weight, width, op.eps,
                op.weight_offset);
}

void run(const ops::RmsNormAdd& op) {
  const int64_t width = op.x.row_elements();
  std::vector<float> y(static_cast<size_t>(width));
  for (int64_t t = 0; t < op.x.rows(); ++t) {
    normalise(y.data(), op.x.row<float>(t), op.weight, width, op.eps, op.weight_offset);
    for (int64_t i = 0; i < width; ++i) op.residual.row<float>(t)[i] += y[i];
  }
}

namespace {

// x as int8 codes of ActType::k8 would give it back.
void round_activations(const float* x, int64_t n, int64_t group, float* out) {
  for (int64_t first = 0; first < n; first += group) {
    const int64_t end = first + group < n ? first + group : n;
    float top = 0;
    for (int64_t i = first; i < end; ++i) top = std::fmax(top, std::fabs(x[i]));
    const float scale = top / 127.0f, inverse = top > 0.0f ? 127.0f / top : 0.0f;
    for (int64_t i = first; i < end; ++i) out[i] = scale * std::nearbyint(x[i] * inverse);
  }
}

}  // namespace

void run(const ops::Linear& op) {
  const int64_t in = op.x.row_elements();
  const float* bias = op.bias ? op.bias.as<float>() : nullptr;
  std::vector<float> rounded(static_cast<size_t>(in));
  for (int64_t t = 0; t < op.x.rows(); ++t) {
    const float* row = op.x.row<float>(t);
    float* out = op.out.row<float>(t);
    int64_t column = 0;
    for (int part = 0; part < op.n_parts; ++part) {
      const auto& w = *static_cast<const Weight*>(op.parts[part]);
      const float* x = row;
      if (w.format.scheme == Scheme::kGroup && w.format.act == ActType::k8) {
        round_activations(row, in, w.format.group_size(in), rounded.data());
        x = rounded.data();
      }
      for (int64_t o = 0; o < w.out_features; ++o, ++column) {
        double s = bias ? bias[column] : 0.0;
        for (int64_t i = 0; i < in; ++i) s += double{x[i]} * w.values[o * in + i];
        out[column] = static_cast<float>(op.accumulate ? out[column] + s : s);
      }
    }
  }
}

void run(const ops::RopeTable& op) {
  const int64_t half = op.table.dims[1];
  for (int64_t t = 0; t < op.table.rows(); ++t) {
    const int32_t position = op.positions.as<int32_t>()[t], length = op.rope_lengths.as<int32_t>()[t];
    for (int64_t i = 0; i < half; ++i) {
      float f = op.inv_freq.as<float>()[i];
      if (op.dynamic_factor != 0.0f) {
        const double r = 2.0 * half, longest = length > op.max_position ? length : op.max_position;
        const double base =
            op.theta *
            std::pow(op.dynamic_factor * longest / op.max_position - (op.dynamic_factor - 1.0), r / (r - 2.0));
        f = static_cast<float>(std::pow(base, -2.0 * i / r));
      }
      const double angle = static_cast<float>(position) * f;
      op.table.row<float>(t)[2 * i] = static_cast<float>(std::cos(angle)) * op.attention_factor;
      op.table.row<float>(t)[2 * i + 1] = static_cast<float>(std::sin(angle)) * op.attention_factor;
    }
  }
}

void run(const ops::Rope& op) {
  const int64_t half = op.table.dims[1], d = op.x.dims[2];
  const bool split = op.style == ops::RopeStyle::kHalf;
  for (int64_t t = 0; t < op.x.rows(); ++t)
    for (int64_t h = 0; h < op.x.dims[1]; ++h)
      for (int64_t i = 0; i < half; ++i) {
        float* x = op.x.row<float>(t) + h * d;
        float& first = split ? x[i] : x[2 * i];
        float& second = split ? x[i + half] : x[2 * i + 1];
        const double c = op.table.row<float>(t)[2 * i], s = op.table.row<float>(t)[2 * i + 1], a = first, b = second;
        first = static_cast<float>(a * c - b * s);
        second = static_cast<float>(b * c + a * s);
      }
}

void run(const ops::GatedAct& op) {
  const int64_t width = op.out.row_elements();
  for (int64_t t = 0; t < op.out.rows(); ++t) {
    const float* gate = op.gate_up.row<float>(t);
    for (int64_t i = 0; i < width; ++i)
      op.out.row<float>(t)[i] = static_cast<float>(activate(op.act, gate[i]) * gate[width + i]);
  }
}

void run(const ops::GatherRows& op) {
  for (int64_t r = 0; r < op.out.rows(); ++r)
    std::memcpy(op.out.row<float>(r), op.x.row<float>(op.rows.as<int32_t>()[r]),
                static_cast<size_t>(op.x.row_elements()) * sizeof(float));
}

}  // namespace mainspring::ref
