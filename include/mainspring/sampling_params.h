// What a request asks of the sampler, and when its generation ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mainspring {

// Defaults mean "no change to the distribution". temperature 0 is greedy.
struct SamplingParams {
  double temperature = 1.0;
  int64_t top_k = 0;          // 0: off
  double top_p = 1.0;
  double min_p = 0.0;
  double typical_p = 1.0;
  double repetition_penalty = 1.0;  // > 1 makes tokens of prompt and output less likely (divide or multiply, as CTRL)
  double presence_penalty = 0.0;    // output tokens only, OpenAI's meaning
  double frequency_penalty = 0.0;
  int64_t no_repeat_ngram = 0;      // 0: off
  std::vector<std::pair<int32_t, float>> logit_bias;
  std::vector<std::vector<int32_t>> bad_words;  // token sequences that must not be completed
  int64_t min_tokens = 0;           // no end-of-sequence or stop before that many
  std::optional<uint64_t> seed;

  int64_t max_tokens = -1;          // -1: until the context is full
  std::vector<std::string> stops;   // stop strings, any length
  std::vector<int32_t> stop_ids;    // besides the model's eos ids
  bool ignore_eos = false;
  bool include_stop = false;        // keep the stop string in the text
  bool skip_special_tokens = true;

  int32_t top_logprobs = -1;        // -1: no logprobs; 0: of the chosen token; k <= 1024: also of the k likeliest
  bool prompt_logprobs = false;     // the same for the prompt's tokens
};

// kInvalidInput names the field, the allowed range and the value. vocab_size bounds ids.
void validate(const SamplingParams& params, int64_t vocab_size);

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
};

struct TokenLogprobs {
  TokenLogprob chosen;             // of the distribution before temperature and filters, after penalties and bias
  int64_t rank = 0;                // 1 = likeliest
  std::vector<TokenLogprob> top;   // sorted, likeliest first
};

}  // namespace mainspring
