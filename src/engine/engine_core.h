// EngineCore: the thread that plans, steps, samples and commits; the one owner of scheduler and runner.
#pragma once

#include <memory>
#include <vector>

#include "engine/model_runner.h"
#include "engine/request.h"
#include "engine/scheduler.h"

namespace mainspring {

class EngineCore {
 public:
  struct Config {
    std::vector<int32_t> eos_ids;
    bool prefix_cache = true;
    uint64_t seed = 0;     // base of the seeds of unseeded requests
    int32_t max_draft = 0; // tokens to guess ahead per sequence and step (at most DraftFinder::kMaxDraft); 0: no speculation
    // Ids from here on are rows that pad the embedding: the tokenizer lacks them, so they are no part of any distribution.
    // 0: there are none.
    int64_t sampled_ids = 0;
  };
  EngineCore(std::unique_ptr<ModelRunner> runner, Config config);
  // Cancels what runs and joins the thread.
  ~EngineCore();

  // From any thread. kInvalidInput for what can never run; the sink outlives its finished() call by the shared pointer.
  SequenceId submit(EngineRequest request, std::shared_ptr<RequestSink> sink);
  void cancel(SequenceId id);
  EngineStats stats() const;
  const ModelRunner& runner() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring
