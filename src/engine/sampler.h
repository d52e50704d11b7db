// Sampling from logits: penalties, filters, the draw, log-probabilities.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/sampling_params.h"

namespace mainspring {

// The state of one sequence's sampler: token counts, n-gram index, random stream. Not thread-safe.
// The n-th draw of a seeded sequence depends on the seed, n and the logits only (counter-based random numbers), so that
// preemption, batching and speculation do not change it.
class SequenceSampler {
 public:
  SequenceSampler(const SamplingParams& params, std::span<const int32_t> eos_ids, int64_t vocab_size, uint64_t fallback_seed);
  ~SequenceSampler();
  SequenceSampler(SequenceSampler&&) noexcept;
  SequenceSampler& operator=(SequenceSampler&&) noexcept;

  // Prompt tokens, before the first sample().
  void prompt(std::span<const int32_t> tokens);
  // Chooses the next token; `logits` [vocab] may be overwritten. `allowed` (one bit per id, from a grammar) is optional.
  // When logprobs were asked for, `out` receives them. All logits -inf or NaN: kInternal.
  int32_t sample(std::span<float> logits, TokenLogprobs* out = nullptr, std::span<const uint32_t> allowed = {});
  // What sample() would draw from: the tokens that survive the filters with their log-probabilities, in id order. Greedy
  // sampling has one. For verifying drafts, and for tests. `logits` is overwritten as by sample().
  std::vector<TokenLogprob> distribution(std::span<float> logits, std::span<const uint32_t> allowed = {});
  // Records a token (sampled here or forced) as output.
  void accept(int32_t token);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Log-probabilities of one position without sampling (prompt logprobs, perplexity, scores).
TokenLogprobs logprobs_of(std::span<const float> logits, int32_t token, int32_t top);
// log(sum(exp(logits))): exponentials in float (relative error below 2e-7 each), their sum in double.
double log_sum_exp(std::span<const float> logits);

}  // namespace mainspring
