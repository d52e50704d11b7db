// Gated MLP: down(act(gate(x)) * up(x)).
#pragma once

#include <string_view>

#include "nn/linear.h"
#include "ops/gated_act.h"

namespace mainspring::nn {

// Activation by its Hugging Face name ("silu", "gelu_pytorch_tanh", "gelu"); kUnsupported for others.
ops::Activation activation_named(std::string_view hidden_act);

class GatedMlp {
 public:
  // w: ".../mlp" with gate_proj, up_proj, down_proj.
  GatedMlp(const Weights& w, int64_t hidden, int64_t intermediate, std::string_view hidden_act, bool bias = false);

  Tensor forward(Ctx& ctx, ConstTensor x) const;                 // [T, hidden]
  void add_to(Ctx& ctx, ConstTensor x, Tensor residual) const;   // residual += mlp(x)

 private:
  Tensor inner(Ctx& ctx, ConstTensor x) const;   // [T, intermediate]

  Linear gate_up_, down_;
  ops::Activation act_;
};

}  // namespace mainspring::nn
