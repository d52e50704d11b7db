// Token counts and the n-gram index.
#include "engine/sampler_history.h"

#include <algorithm>

#include "base/hash.h"

namespace mainspring {

namespace {
// Longer n-grams than any context do not occur.
constexpr int64_t kMaxNgram = int64_t{1} << 30;
}  // namespace

TokenHistory::TokenHistory(const SamplingParams& p)
    : bad_words_(p.bad_words),
      ngram_(static_cast<size_t>(std::clamp<int64_t>(p.no_repeat_ngram, 0, kMaxNgram))),
      counts_(p.repetition_penalty != 1.0 || p.presence_penalty != 0.0 || p.frequency_penalty != 0.0),
      keeps_tokens_(ngram_ > 0 || !bad_words_.empty()) {}

void TokenHistory::add(int32_t token, bool output) {
  outputs_ += output;
  if (counts_) {
    const auto [it, fresh] = slot_of_.try_emplace(token, static_cast<uint32_t>(seen_.size()));
    if (fresh) seen_.push_back({token, 0});
    seen_[it->second].outputs += output;
  }
  if (!keeps_tokens_) return;
  tokens_.push_back(token);
  if (ngram_ > 0) index_ngram();
}

// Files the newest token's position under the n - 1 tokens before it.
void TokenHistory::index_ngram() {
  older_position_.push_back(-1);
  if (tokens_.size() < ngram_) return;
  const size_t position = tokens_.size() - 1;
  const auto before = std::span<const int32_t>(tokens_).subspan(position - (ngram_ - 1), ngram_ - 1);
  const auto [it, fresh] = last_position_.try_emplace(hash64(before), static_cast<int32_t>(position));
  if (fresh) return;
  older_position_[position] = it->second;
  it->second = static_cast<int32_t>(position);
}

bool TokenHistory::ends_with(std::span<const int32_t> tail) const {
  return tail.size() <= tokens_.size() && std::equal(tail.begin(), tail.end(), tokens_.end() - static_cast<std::ptrdiff_t>(tail.size()));
}

void TokenHistory::repeated_ngram_ends(FunctionRef<void(int32_t)> ban) const {
  if (ngram_ == 0 || tokens_.size() + 1 < ngram_) return;
  const size_t n = ngram_ - 1;
  const std::span<const int32_t> all(tokens_);
  const auto it = last_position_.find(hash64(all.subspan(all.size() - n)));
  if (it == last_position_.end()) return;
  for (int32_t at = it->second; at >= 0; at = older_position_[static_cast<size_t>(at)])
    if (ends_with(all.subspan(static_cast<size_t>(at) - n, n))) ban(all[static_cast<size_t>(at)]);
}

void TokenHistory::bad_word_ends(FunctionRef<void(int32_t)> ban) const {
  for (const auto& word : bad_words_)
    if (ends_with(std::span<const int32_t>(word).first(word.size() - 1))) ban(word.back());
}

}  // namespace mainspring
