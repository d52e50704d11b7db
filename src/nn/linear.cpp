// Loading and running of (fused) linear layers.
#include "nn/linear.h"

#include "ops/linear.h"

namespace mainspring::nn {

Linear::Linear(const Weights& w, std::initializer_list<LinearPart> parts, int64_t in, bool bias) {
  std::vector<float> biases;
  for (const LinearPart& p : parts) {
    const Weights at = w / p.name;
    owned_.push_back(at.linear("weight", p.out, in));
    parts_.push_back(owned_.back().get());
    out_ += p.out;
    if (bias) {
      const std::vector<float> b = at.values("bias", p.out);
      biases.insert(biases.end(), b.begin(), b.end());
    }
  }
  if (!bias) return;
  bias_ = w.device().alloc(biases.size() * sizeof(float));
  w.device().copy_to_device(bias_.get(), biases.data(), biases.size() * sizeof(float));
}

Linear::Linear(std::shared_ptr<const LinearWeight> weight) {
  owned_.push_back(std::move(weight));
  parts_.push_back(owned_.back().get());
  out_ = parts_.back()->out_features;
}

void Linear::run(Ctx& ctx, ConstTensor x, Tensor out, bool accumulate) const {
  ConstTensor bias;
  if (bias_) bias = ConstTensor(bias_.get(), DType::kF32, out_);
  ctx.dev.run(ops::Linear{.out = out, .x = x, .parts = parts_.data(), .n_parts = static_cast<int32_t>(parts_.size()),
                          .accumulate = accumulate, .bias = bias});
}

Tensor Linear::forward(Ctx& ctx, ConstTensor x) const {
  const Tensor out = ctx.ws.alloc(DType::kF32, x.rows(), out_);  // [T, out]
  run_into(ctx, x, out);
  return out;
}

void Linear::run_into(Ctx& ctx, ConstTensor x, Tensor out) const { run(ctx, x, out, false); }
void Linear::add_to(Ctx& ctx, ConstTensor x, Tensor residual) const { run(ctx, x, residual, true); }

}  // namespace mainspring::nn
