// The interface between a model family and the engine.
#pragma once

#include <vector>

#include "nn/context.h"

namespace mainspring {

class CausalLM {
 public:
  virtual ~CausalLM() = default;
  // Logits f32 [R, vocab] of batch.logit_rows, in the workspace. Writes the step's keys and values into ctx.kv.
  virtual Tensor forward(Ctx& ctx) const = 0;
  // What each layer keeps per token, in the order of ctx.kv.
  virtual std::vector<StateSpec> state() const = 0;
  // Positions from which a token's K depends on the prompt's whole length (dynamic NTK): longer sequences are kept out
  // of the prefix cache. 0: never.
  virtual int64_t length_dependent_from() const { return 0; }
};

}  // namespace mainspring
