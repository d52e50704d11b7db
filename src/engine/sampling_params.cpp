// Ranges of the sampling parameters.
#include "engine/sampling_params.h"

#include <cmath>
#include <limits>

#include "base/errors.h"
#include "base/str.h"

namespace mainspring {

namespace {

constexpr int64_t kMaxTopLogprobs = 1024;
constexpr size_t kMaxStops = 1024, kMaxStopBytes = size_t{1} << 20;
constexpr size_t kMaxBadWords = 4096, kMaxBadWordTokens = 256;

void in_range(const char* field, double value, double low, double high, bool low_open = false) {
  if (std::isfinite(value) && value <= high && (low_open ? value > low : value >= low)) return;
  fail(Code::kInvalidInput, field, " must be ", low_open ? "above " : "from ", low, low_open ? " and at most " : " to ", high,
       ", found ", value);
}
void at_least(const char* field, int64_t value, int64_t low) {
  if (value < low) fail(Code::kInvalidInput, field, " must be at least ", low, ", found ", value);
}
void at_most(const char* field, size_t count, size_t limit, const char* unit) {
  if (count > limit) fail(Code::kInvalidInput, field, " may have at most ", limit, " ", unit, ", found ", count);
}
void is_token(const char* field, int32_t id, int64_t vocab_size) {
  if (id < 0 || id >= vocab_size)
    fail(Code::kInvalidInput, field, ": token id ", id, " is not in the vocabulary of ", vocab_size, " tokens");
}

}  // namespace

void validate(const SamplingParams& p, int64_t vocab_size) {
  in_range("temperature", p.temperature, 0, 100);
  at_least("top_k", p.top_k, 0);
  in_range("top_p", p.top_p, 0, 1, /*low_open=*/true);
  in_range("min_p", p.min_p, 0, 1);
  in_range("typical_p", p.typical_p, 0, 1, /*low_open=*/true);
  in_range("repetition_penalty", p.repetition_penalty, 0, 100, /*low_open=*/true);
  in_range("presence_penalty", p.presence_penalty, -2, 2);
  in_range("frequency_penalty", p.frequency_penalty, -2, 2);
  at_least("no_repeat_ngram", p.no_repeat_ngram, 0);
  for (const auto& [id, bias] : p.logit_bias) {
    is_token("logit_bias", id, vocab_size);
    in_range("logit_bias", bias, -100, 100);
  }
  at_most("bad_words", p.bad_words.size(), kMaxBadWords, "entries");
  for (const auto& word : p.bad_words) {
    if (word.empty()) fail(Code::kInvalidInput, "bad_words: an entry has no tokens");
    at_most("bad_words", word.size(), kMaxBadWordTokens, "tokens in an entry");
    for (const int32_t id : word) is_token("bad_words", id, vocab_size);
  }
  at_least("max_tokens", p.max_tokens, -1);
  at_least("min_tokens", p.min_tokens, 0);
  if (p.max_tokens >= 0 && p.min_tokens > p.max_tokens)
    fail(Code::kInvalidInput, "min_tokens (", p.min_tokens, ") must not exceed max_tokens (", p.max_tokens, ")");
  at_most("stops", p.stops.size(), kMaxStops, "entries");
  for (const std::string& s : p.stops) {
    if (s.empty()) fail(Code::kInvalidInput, "stops: a stop string is empty");
    at_most("stops", s.size(), kMaxStopBytes, "bytes in an entry");
  }
  for (const int32_t id : p.stop_ids) is_token("stop_ids", id, vocab_size);
  in_range("top_logprobs", p.top_logprobs, -1, static_cast<double>(kMaxTopLogprobs));
}

}  // namespace mainspring
