// What a sampler remembers of a sequence: which tokens occurred how often, repeated n-grams, bad words in progress.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/function_ref.h"
#include "engine/sampling_params.h"

namespace mainspring {

class TokenHistory {
 public:
  explicit TokenHistory(const SamplingParams& params);

  void add(int32_t token, bool output);
  int64_t outputs() const { return outputs_; }

  // Tokens that occurred at least once, in order of first occurrence. Kept only when a penalty needs them.
  struct Seen {
    int32_t id = 0;
    int32_t outputs = 0;  // occurrences in the output
  };
  std::span<const Seen> seen() const { return seen_; }

  // Every token that would complete an n-gram that occurred before (prompt and output); a token may come several times.
  void repeated_ngram_ends(FunctionRef<void(int32_t)> ban) const;
  // Every token that would complete a bad word.
  void bad_word_ends(FunctionRef<void(int32_t)> ban) const;

 private:
  bool ends_with(std::span<const int32_t> tail) const;
  void index_ngram();

  std::vector<std::vector<int32_t>> bad_words_;
  size_t ngram_ = 0;
  bool counts_ = false, keeps_tokens_ = false;
  int64_t outputs_ = 0;
  std::vector<Seen> seen_;
  std::unordered_map<int32_t, uint32_t> slot_of_;
  std::vector<int32_t> tokens_;
  // n-gram index: hash of the n - 1 tokens before a position -> last such position; older ones are chained.
  std::unordered_map<uint64_t, int32_t> last_position_;
  std::vector<int32_t> older_position_;
};

}  // namespace mainspring
