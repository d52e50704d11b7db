// Rotary position embedding: frequencies from the configuration, a cos/sin table per step.
#pragma once

#include <vector>

#include "nn/context.h"
#include "ops/rope.h"
#include "weights/config.h"
#include "weights/weights.h"

namespace mainspring::nn {

// Frequencies of every scaling rule that is fixed at load, and the parameters of the one that is not (dynamic NTK).
struct RopeFrequencies {
  std::vector<float> inv_freq;      // r/2
  float attention_factor = 1.0f;    // multiplies cos and sin
  float dynamic_factor = 0.0f;      // 0: not dynamic
};
// Formulas as transformers' modeling_rope_utils has them. kUnsupported for a rule that depends on the length in a way
// no family here uses (longrope).
RopeFrequencies rope_frequencies(const RopeConfig& rope, int64_t head_dim, int64_t max_position);

class Rope {
 public:
  Rope(const Weights& w, const RopeConfig& rope, int64_t head_dim, int64_t max_position,
       ops::RopeStyle style = ops::RopeStyle::kHalf);

  ConstTensor table(Ctx& ctx) const;                               // [T, r/2, 2]; once per step
  void rotate(Ctx& ctx, Tensor heads, ConstTensor table) const;    // [T, heads, d] in place
  bool length_dependent() const noexcept { return dynamic_factor_ != 0.0f; }

 private:
  Device::Buffer inv_freq_;
  int64_t half_ = 0, max_position_ = 0;
  float attention_factor_ = 1.0f, dynamic_factor_ = 0.0f, theta_ = 0.0f;
  ops::RopeStyle style_;
};

}  // namespace mainspring::nn
