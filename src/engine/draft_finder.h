// Prompt lookup: guesses a sequence's next tokens from what followed the same tokens earlier in its prompt or output.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace mainspring {

// Time of a step of n tokens relative to one of a single token, n = 1 .. kMaxTokens. Starts from typical ratios and follows
// what is measured, because they depend on the model, its weight format and the machine.
class StepCosts {
 public:
  static constexpr int kMaxTokens = 8;
  void measured(int tokens, double seconds);
  double of(int tokens) const;

 private:
  std::array<double, kMaxTokens + 1> ratio_{0, 1, 1.1, 1.2, 1.3, 1.42, 1.55, 1.68, 1.8};
  double one_ = 0;  // seconds of a step of one token, lately
};

// One sequence's finder. The last 3, 2 or 1 tokens (the longest that occurred before, its most recent occurrence) are looked
// up in an index that costs O(1) per token and memory bounded at construction; nothing is allocated later.
//
// How often a guess is right is learned for each length of the match, also while no drafts are made: every token that is
// added tells whether the guess was right. So drafting stops where it does not pay and starts again where text repeats.
class DraftFinder {
 public:
  static constexpr int kMaxDraft = StepCosts::kMaxTokens - 1;
  static constexpr int kMaxMatch = 16;  // how far back a match's length is measured

  // For a sequence of at most `max_tokens` tokens.
  explicit DraftFinder(int64_t max_tokens);
  void prompt(std::span<const int32_t> tokens);
  // A token of the output; beyond max_tokens it is ignored.
  void add(int32_t token);
  // The draft worth making: at most `limit` tokens, in a step of `base` tokens besides them. Empty when none pays.
  std::span<const int32_t> draft(int limit, int base, const StepCosts& costs);
  // How likely the next token is to be the guess, and its position among the tokens seen (-1: none); for tests.
  double confidence() const { return match_ == 0 ? 0 : accuracy(match_); }
  int32_t guess_at() const { return match_ == 0 ? -1 : guess_; }

 private:
  static constexpr int kOrders = 3;
  static constexpr int kBuckets = 5;
  // Hits and trials, both fading, so that the last few dozen tokens decide.
  struct Record {
    float hits = 0, trials = 0;
  };
  static int bucket_of(int match) { return match <= 2 ? match - 1 : match <= 4 ? 2 : match <= 8 ? 3 : 4; }
  double accuracy(int match) const;
  uint32_t slot(size_t end, int order) const;
  void append(int32_t token);
  void look_up();

  size_t capacity_;
  std::vector<int32_t> tokens_;
  std::array<std::vector<int32_t>, kOrders> last_;  // by hash of n tokens: the position after their last occurrence
  uint32_t mask_ = 0;
  std::array<Record, kBuckets> records_;
  int32_t guess_ = 0;  // position whose token is expected next
  int match_ = 0;      // tokens before it that equal the sequence's end; 0: no guess
  std::array<int32_t, kMaxDraft> draft_{};
};

}  // namespace mainspring
