// Linear layers: one or several checkpoint matrices that share an input, run as one operation.
#pragma once

#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include "nn/context.h"
#include "weights/weights.h"

namespace mainspring::nn {

// Name and output width of one matrix: {"q_proj", 4096}.
struct LinearPart {
  std::string_view name;
  int64_t out;
};

// Outputs stand side by side in the order given: q, k, v or gate, up. Each part keeps its own encoding.
class Linear {
 public:
  Linear(const Weights& w, std::initializer_list<LinearPart> parts, int64_t in, bool bias);
  // A matrix that is there already (output head, tied embedding).
  explicit Linear(std::shared_ptr<const LinearWeight> weight);

  Tensor forward(Ctx& ctx, ConstTensor x) const;                     // [T, out], new in the workspace
  void run_into(Ctx& ctx, ConstTensor x, Tensor out) const;         // out = x W^T + b
  void add_to(Ctx& ctx, ConstTensor x, Tensor residual) const;      // residual += x W^T + b
  int64_t out_features() const noexcept { return out_; }

 private:
  void run(Ctx& ctx, ConstTensor x, Tensor out, bool accumulate) const;

  std::vector<std::shared_ptr<const LinearWeight>> owned_;
  std::vector<const LinearWeight*> parts_;
  Device::Buffer bias_;
  int64_t out_ = 0;
};

}  // namespace mainspring::nn
