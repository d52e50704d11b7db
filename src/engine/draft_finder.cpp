// The n-gram index, the records of right and wrong guesses, the length of a draft.
#include "engine/draft_finder.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"

namespace mainspring {

namespace {

// Entries of one order's table: older n-grams of a longer sequence may be overwritten, and are then not found.
constexpr size_t kMaxSlots = size_t{1} << 15;
constexpr int64_t kMaxTokens = int64_t{1} << 30;
// A draft must promise this much, so that the noise of the estimates is not paid for.
constexpr double kMinGain = 1.03;
constexpr float kFade = 0.97f;       // of a record per trial: some 30 trials decide
constexpr double kPriorTrials = 4;
constexpr std::array<double, 5> kPrior{0.1, 0.25, 0.45, 0.7, 0.9};  // by bucket of match lengths 1, 2, 3-4, 5-8, 9+
constexpr double kSmoothing = 0.1;   // of measured step times

}  // namespace

void StepCosts::measured(int tokens, double seconds) {
  if (tokens < 1 || tokens > kMaxTokens || !(seconds > 0)) return;
  if (tokens == 1) {
    // A disturbed step counts for at most twice the usual one.
    one_ = one_ == 0 ? seconds : one_ + kSmoothing * (std::min(seconds, 2 * one_) - one_);
    return;
  }
  if (one_ == 0) return;
  const double ratio = std::clamp(seconds / one_, 1.0, static_cast<double>(tokens));
  double& r = ratio_[static_cast<size_t>(tokens)];
  r += kSmoothing * (ratio - r);
}

double StepCosts::of(int tokens) const { return ratio_[static_cast<size_t>(std::clamp(tokens, 1, kMaxTokens))]; }

DraftFinder::DraftFinder(int64_t max_tokens) : capacity_(static_cast<size_t>(std::clamp<int64_t>(max_tokens, 0, kMaxTokens))) {
  tokens_.reserve(capacity_);
  const size_t slots = std::bit_ceil(std::clamp<size_t>(2 * capacity_, 16, kMaxSlots));
  mask_ = static_cast<uint32_t>(slots - 1);
  for (auto& table : last_) table.assign(slots, 0);  // nothing is found at position 0
}

uint32_t DraftFinder::slot(size_t end, int order) const {
  uint64_t h = static_cast<uint64_t>(order);
  for (size_t i = end - static_cast<size_t>(order); i < end; ++i) h = hash_combine(h, static_cast<uint32_t>(tokens_[i]));
  return static_cast<uint32_t>(h) & mask_;
}

// Files what comes before the token, which is thereby known to be followed by it.
void DraftFinder::append(int32_t token) {
  const size_t at = tokens_.size();
  for (int order = 1; order <= kOrders && static_cast<size_t>(order) <= at; ++order)
    last_[static_cast<size_t>(order) - 1][slot(at, order)] = static_cast<int32_t>(at);
  tokens_.push_back(token);
}

void DraftFinder::look_up() {
  match_ = 0;
  const size_t end = tokens_.size();
  for (int order = kOrders; order >= 1; --order) {
    if (static_cast<size_t>(order) > end) continue;
    const auto at = static_cast<size_t>(last_[static_cast<size_t>(order) - 1][slot(end, order)]);
    int match = 0;
    while (match < kMaxMatch && static_cast<size_t>(match) < at && tokens_[at - 1 - static_cast<size_t>(match)] == tokens_[end - 1 - static_cast<size_t>(match)])
      ++match;
    if (match < order) continue;  // another n-gram of the same hash
    guess_ = static_cast<int32_t>(at);
    match_ = match;
    return;
  }
}

void DraftFinder::prompt(std::span<const int32_t> tokens) {
  for (const int32_t t : tokens.first(std::min(tokens.size(), capacity_))) append(t);
  look_up();
}

void DraftFinder::add(int32_t token) {
  if (match_ > 0) {
    Record& r = records_[static_cast<size_t>(bucket_of(match_))];
    r.hits = r.hits * kFade + (tokens_[static_cast<size_t>(guess_)] == token ? 1.0f : 0.0f);
    r.trials = r.trials * kFade + 1.0f;
  }
  match_ = 0;
  if (tokens_.size() >= capacity_) return;
  append(token);
  look_up();
}

double DraftFinder::accuracy(int match) const {
  const auto b = static_cast<size_t>(bucket_of(match));
  const Record& r = records_[b];
  return (static_cast<double>(r.hits) + kPrior[b] * kPriorTrials) / (static_cast<double>(r.trials) + kPriorTrials);
}

// Tokens per time, over all lengths: each further token arrives if all before it do, and makes the step longer for all.
std::span<const int32_t> DraftFinder::draft(int limit, int base, const StepCosts& costs) {
  if (match_ == 0) return {};
  limit = std::min({limit, kMaxDraft, StepCosts::kMaxTokens - base});
  double best = kMinGain * base / costs.of(base), tokens = base, arrives = 1;
  int length = 0;
  for (int n = 1; n <= limit; ++n) {
    arrives *= accuracy(std::min(match_ + n - 1, kMaxMatch));
    tokens += arrives;
    const double rate = tokens / costs.of(base + n);
    if (rate <= best) continue;
    best = rate;
    length = n;
  }
  // Where the earlier text ends, it goes on with the draft itself: a repetition.
  for (int n = 0; n < length; ++n) {
    const size_t from = static_cast<size_t>(guess_) + static_cast<size_t>(n);
    draft_[static_cast<size_t>(n)] = from < tokens_.size() ? tokens_[from] : draft_[from - tokens_.size()];
  }
  return std::span<const int32_t>(draft_).first(static_cast<size_t>(length));
}

}  // namespace mainspring
