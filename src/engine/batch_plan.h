// One step's work, decided by the scheduler and executed by the model runner. Plain data, serialisable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mainspring {

using SequenceId = uint64_t;

// The tokens of one sequence in this step: a prefill chunk or one decode token (or several, when verifying).
struct PlannedSequence {
  SequenceId id = 0;
  std::vector<int32_t> tokens;      // to be computed now, at positions start .. start + n - 1
  int32_t start = 0;
  int32_t prompt_length = 0;        // for length-dependent RoPE
  std::vector<int32_t> blocks;      // block table covering start + n tokens
  bool sample = false;              // wants logits of its last token (the chunk ends the known tokens)
  bool all_logits = false;          // wants logits of every token of the chunk (prompt logprobs)
  int32_t drafted = 0;              // the last so many tokens are guesses to verify; with `sample` the logits of all of them
                                    // and of the token before are wanted
  bool operator==(const PlannedSequence&) const = default;
};

struct BatchPlan {
  std::vector<PlannedSequence> sequences;
  bool empty() const noexcept { return sequences.empty(); }
  bool operator==(const BatchPlan&) const = default;
};

std::vector<std::byte> serialize(const BatchPlan& plan);
BatchPlan deserialize_plan(const std::vector<std::byte>& bytes);   // kInvalidInput on malformed bytes

}  // namespace mainspring
