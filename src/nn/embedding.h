// Token embedding; its matrix can also serve as the output head.
#pragma once

#include <memory>

#include "nn/context.h"
#include "weights/weights.h"

namespace mainspring::nn {

class Embedding {
 public:
  // scale multiplies the rows (Gemma: sqrt(hidden), rounded to the compute type as the reference does).
  Embedding(const Weights& w, int64_t vocab, int64_t hidden, float scale = 1.0f);

  Tensor forward(Ctx& ctx) const;   // [T, hidden]
  std::shared_ptr<const LinearWeight> weight() const noexcept { return table_; }

 private:
  std::shared_ptr<const LinearWeight> table_;
  float scale_;
};

// sqrt(hidden) in the compute type.
float rounded_sqrt(int64_t hidden, ComputeType compute);

}  // namespace mainspring::nn
