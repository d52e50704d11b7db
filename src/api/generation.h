// The queue between the engine thread and a reader, and the reader's state.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/engine_core.h"
#include "mainspring/engine.h"
#include "text/detokenizer.h"

namespace mainspring {

// Unbounded, but a request produces at most max_tokens entries: a slow reader never slows the engine.
class TokenQueue final : public RequestSink {
 public:
  struct Batch {
    std::vector<int32_t> tokens;
    std::vector<TokenLogprobs> logprobs, prompt_logprobs;
    bool finished = false;
    FinishReason reason = FinishReason::kNone;
    std::optional<Error> error;
    Usage usage;
  };
  void token(int32_t id, const TokenLogprobs* logprobs) override;
  void prompt_logprobs(TokenLogprobs logprobs) override;
  void finished(FinishReason reason, const Error* error, const Usage& usage) override;

  Batch wait();       // everything since the last call; waits for at least one token or the end
  Usage wait_end();   // after a cancel

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<int32_t> tokens_;
  std::vector<TokenLogprobs> logprobs_, prompt_logprobs_;
  bool finished_ = false;
  FinishReason reason_ = FinishReason::kNone;
  std::optional<Error> error_;
  Usage usage_;
};

struct Generation::Impl {
  EngineCore* core = nullptr;
  SequenceId id = 0;
  std::shared_ptr<TokenQueue> queue;
  Detokenizer detokenizer;
  std::vector<TokenLogprobs> prompt_logprobs;
  std::atomic<bool> ended{false};  // cancel() asks from another thread
  FinishReason reason = FinishReason::kNone;
  std::optional<size_t> matched_stop;
  Usage usage;
  int64_t read = 0;

  void end(FinishReason r, const Usage& u);
};

}  // namespace mainspring
