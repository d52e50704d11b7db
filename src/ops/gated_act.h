// GatedAct: the activation of a gated MLP.
#pragma once

#include "ops/op_id.h"
#include "tensor/tensor.h"

namespace mainspring::ops {

enum class Activation : int32_t {
  kSilu,      // x * sigmoid(x)
  kGeluTanh,  // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  kGeluErf,   // 0.5 x (1 + erf(x / sqrt(2)))
};

// out[t, i] = act(gate_up[t, i]) * gate_up[t, I + i].
struct GatedAct {
  Tensor out;           // f32 [T, I]
  ConstTensor gate_up;  // f32 [T, 2 I]
  Activation act = Activation::kSilu;
};
inline constexpr float kGatedActTolerance = 2e-6f;

}  // namespace mainspring::ops
