// The scheduler: which tokens run in the next step. Pure: no device, clock or thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/batch_plan.h"
#include "kv/block_pool.h"

namespace mainspring {

struct SchedulerConfig {
  int32_t n_blocks = 0;
  int32_t max_sequences = 64;        // running at once
  int32_t max_step_tokens = 512;     // prefill + decode tokens in a step
  int32_t max_logit_rows = 64;       // logit rows in a step: prompt_logits chunks are cut to fit
  int32_t max_context = 0;           // tokens of a sequence, prompt and output
  int32_t max_draft_step = 8;        // drafts are only added to a step while it has at most so many tokens
  bool prefix_cache = true;
};

enum class SequenceState { kWaiting, kRunning, kPreempted, kFinished };

// Life: add -> (plan -> commit)* -> finish. Order everywhere: priority (higher first), then arrival. A sequence that cannot
// get a block for its next token preempts the last one in that order, or waits when it is itself the last; a preempted
// sequence gives back its blocks and is recomputed later (prompt + output so far) with the same result. The first running
// sequence advances in every step and nobody overtakes one that waits for blocks, so every sequence ends.
class Scheduler {
 public:
  explicit Scheduler(const SchedulerConfig& config);
  ~Scheduler();

  struct Request {
    SequenceId id = 0;
    std::vector<int32_t> prompt;     // 1 .. max_context tokens, else kInvalidInput
    int64_t max_tokens = 0;          // output bound; prompt + max_tokens is cut to max_context
    int32_t priority = 0;
    uint64_t cache_salt = 0;         // prefixes are shared only within a salt
    bool share_prefix = true;        // false: neither takes nor publishes cached blocks
    bool prompt_logits = false;      // needs the logits of every prompt token (no prefix hit then)
  };
  // kInvalidInput when the request can never fit (prompt longer than the context or the whole pool).
  void add(Request request);
  bool idle() const noexcept;        // nothing waiting or running

  // The next step; empty only when idle. Decodes come first, then prefill chunks, in order, up to max_step_tokens.
  // A waiting sequence whose prompt begins like one that is just being prefilled waits for that one's blocks.
  // Drafts are guesses of what follows the known tokens. After all else is planned, a decoding sequence gets as much of its
  // draft as tokens, logit rows and blocks allow that nobody else could want in this or the next step: speculation neither
  // delays nor preempts.
  struct Draft {
    SequenceId id = 0;
    std::span<const int32_t> tokens;
  };
  BatchPlan plan(std::span<const Draft> drafts = {});
  // After the step: sampled[i] are the tokens for plan.sequences[i] (ignored unless .sample): one, and one more for each
  // drafted token that was right. Appends them to the sequence, publishes full blocks of such tokens; K and V of wrong drafts
  // are overwritten by the steps that follow. Sequences finished or cancelled meanwhile are skipped. A sequence that has reached its output
  // bound becomes kFinished here and gives back its blocks; it is remembered until finish().
  void commit(const BatchPlan& plan, std::span<const std::span<const int32_t>> sampled);
  // Removes a sequence (end of generation, cancel), giving back its blocks: cached prefix blocks stay findable. An
  // unknown id is ignored.
  void finish(SequenceId id);

  struct Info {
    SequenceState state = SequenceState::kWaiting;
    int32_t prompt_tokens = 0, output_tokens = 0, preemptions = 0;
    int32_t cached_tokens = 0;       // prompt tokens found in the prefix cache at the first admission
    int32_t computed_tokens = 0;     // tokens whose K and V are in the cache now
    int32_t max_output_tokens = 0;   // max_tokens cut to the context and to the pool
  };
  Info info(SequenceId id) const;    // kNotFound
  struct Stats {
    int32_t waiting = 0, running = 0, blocks_in_use = 0, blocks_cached = 0, n_blocks = 0;
    uint64_t preemptions = 0, prefix_queries = 0, prefix_hit_tokens = 0, prefix_asked_tokens = 0;
  };
  Stats stats() const;
  void drop_prefix_cache();
  void check() const;                // internal consistency, for tests

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring
