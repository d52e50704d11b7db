// Incremental detokenisation.
//
// Ids are decoded together with a little left context, because a tokenizer may treat the start of a text specially
// (sentencepiece drops the first space). Text is held back while the bytes of the last tokens end inside a UTF-8
// character and while the end of the text could be the beginning of a stop string.
#include "text/detokenizer.h"

#include <algorithm>

#include "base/utf8.h"

namespace mainspring {
namespace {

// Longest end of `text` that is a proper beginning of `stop`.
size_t partial_match(std::string_view text, std::string_view stop) noexcept {
  for (size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.ends_with(stop.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

Detokenizer::Detokenizer(const Tokenizer& tokenizer, std::vector<std::string> stops, bool skip_special_tokens,
                         bool include_stop)
    : tokenizer_(tokenizer), stops_(std::move(stops)), skip_special_(skip_special_tokens), include_stop_(include_stop) {}

std::string Detokenizer::push(TokenId id) {
  if (stopped_) return {};
  ids_.push_back(id);
  const bool hidden = skip_special_ && tokenizer_.is_special(id);
  if (!hidden) tail_ += tokenizer_.token_bytes(id);
  const size_t whole = complete_utf8_prefix(tail_);
  const bool inside_character = whole < tail_.size();
  tail_.erase(0, whole);  // only the bytes of an unfinished character stay
  if (inside_character || hidden) return {};
  settle();
  return release(false);
}

// Decodes the ids that are not shown yet and moves on.
void Detokenizer::settle() {
  const std::span<const TokenId> all(ids_);
  const std::string before = tokenizer_.decode(all.subspan(prefix_, read_ - prefix_), skip_special_);
  const std::string now = tokenizer_.decode(all.subspan(prefix_), skip_special_);
  // Where the left context reads differently with more behind it, what was shown stays as it is.
  if (now.size() > before.size()) pending_ += now.substr(before.size());
  prefix_ = read_;
  read_ = ids_.size();
}

std::string Detokenizer::release(bool final) {
  size_t best_at = std::string::npos, best = 0;
  size_t held = 0;
  for (size_t i = 0; i < stops_.size(); ++i) {
    if (stops_[i].empty()) continue;
    const size_t at = pending_.find(stops_[i]);
    if (at < best_at) {
      best_at = at;
      best = i;
    }
    if (!final) held = std::max(held, partial_match(pending_, stops_[i]));
  }
  // An earlier beginning of another stop may still win over the match that is there.
  if (best_at != std::string::npos && (final || !earlier_beginning(best_at))) {
    stopped_ = StopMatch{best};
    std::string out = pending_.substr(0, best_at + (include_stop_ ? stops_[best].size() : 0));
    pending_.clear();
    emitted_ += out;
    return out;
  }
  if (best_at != std::string::npos) held = std::max(held, pending_.size() - first_beginning(best_at));
  std::string out = pending_.substr(0, pending_.size() - held);
  pending_.erase(0, out.size());
  emitted_ += out;
  return out;
}

size_t Detokenizer::first_beginning(size_t limit) const {
  const std::string_view text = pending_;
  for (size_t at = 0; at < limit; ++at) {
    for (const std::string& stop : stops_) {
      if (stop.size() > text.size() - at && std::string_view(stop).starts_with(text.substr(at))) return at;
    }
  }
  return limit;
}

bool Detokenizer::earlier_beginning(size_t limit) const { return first_beginning(limit) < limit; }

std::string Detokenizer::finish() {
  if (stopped_) return {};
  if (read_ < ids_.size()) settle();
  tail_.clear();
  return release(true);
}

}  // namespace mainspring
