// RMSNorm, plain, over heads, and as the closing norm of a sandwich.
#pragma once

#include "nn/context.h"
#include "weights/weights.h"

namespace mainspring::nn {

class RmsNorm {
 public:
  // offset is added to the weight (1 for Gemma).
  RmsNorm(const Weights& w, int64_t n, double eps, float offset = 0.0f);

  Tensor forward(Ctx& ctx, ConstTensor x) const;               // [T, n], new in the workspace
  void in_place(Ctx& ctx, Tensor heads) const;                 // every head of [T, heads, n]
  void add_to(Ctx& ctx, ConstTensor x, Tensor residual) const; // residual += norm(x)

 private:
  ConstTensor weight() const { return ConstTensor(weight_.get(), DType::kF32, n_); }

  Device::Buffer weight_;
  int64_t n_;
  float eps_, offset_;
};

}  // namespace mainspring::nn
