// Requests as the engine core knows them: token ids in, token ids out through a sink.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/batch_plan.h"
#include "engine/sampler.h"
#include "mainspring/engine.h"

namespace mainspring {

// Receives a request's results on the engine thread; must be quick and must not throw.
class RequestSink {
 public:
  virtual ~RequestSink() = default;
  virtual void token(int32_t id, const TokenLogprobs* logprobs) = 0;
  // Logits of a position, before sampling; only when the request asked for them.
  virtual void logits(int64_t position, std::span<const float> logits) {}
  virtual void prompt_logprobs(TokenLogprobs logprobs) {}
  // The last call. `error` is set for kError. `eos`: the model ended it (an eos or stop id, which token() did not see).
  virtual void finished(FinishReason reason, const Error* error, const Usage& usage) = 0;
};

struct EngineRequest {
  std::vector<int32_t> prompt;
  SamplingParams sampling;
  int32_t priority = 0;
  uint64_t cache_salt = 0;
  bool all_logits = false;     // logits() for every prompt position
  bool last_logits = false;    // logits() for the last prompt position
  bool sample = true;          // false: end after the prompt
};

}  // namespace mainspring
