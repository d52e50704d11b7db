// Prompt lookup: what is found, what is guessed, when guessing pays.
#include "engine/draft_finder.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace mainspring {
namespace {

using Tokens = std::vector<int32_t>;
const StepCosts kCosts;

Tokens draft(DraftFinder& f, int limit = 7, int base = 1, const StepCosts& costs = kCosts) {
  const auto d = f.draft(limit, base, costs);
  return {d.begin(), d.end()};
}
DraftFinder finder(const Tokens& prompt) {
  DraftFinder f(1000);
  f.prompt(prompt);
  return f;
}

TEST(DraftFinder, LongestMatchThenMostRecent) {
  EXPECT_EQ(finder({1, 2, 3, 4, 5}).guess_at(), -1);
  EXPECT_EQ(finder({}).guess_at(), -1);
  EXPECT_EQ(finder({7}).guess_at(), -1);
  EXPECT_EQ(finder({7, 7}).guess_at(), 1);
  // After 1 2 3 the last time; the more recent 3 alone, and 2 3, are shorter.
  EXPECT_EQ(finder({1, 2, 3, 10, 1, 2, 3, 11, 9, 2, 3, 12, 3, 13, 1, 2, 3}).guess_at(), 7);
  EXPECT_EQ(finder({1, 2, 3, 10, 9, 2, 3, 12, 3, 13, 8, 2, 3}).guess_at(), 7);
  EXPECT_EQ(finder({1, 2, 3, 10, 9, 2, 3, 12, 3, 13, 8, 8, 3}).guess_at(), 9);
}

TEST(DraftFinder, EqualsBruteForce) {
  std::mt19937 rng(3);
  int same = 0, other = 0;
  for (int round = 0; round < 200; ++round) {
    const uint32_t vocab = 2 + rng() % 20;
    DraftFinder f(400);
    Tokens all;
    for (size_t n = rng() % 50; all.size() < n;) all.push_back(static_cast<int32_t>(rng() % vocab));
    f.prompt(all);
    for (int step = 0; step < 300; ++step) {
      int32_t expected = -1;
      for (size_t order = 3; order >= 1 && expected < 0; --order)
        for (size_t at = all.size(); at-- > order && expected < 0;)
          if (std::equal(all.end() - static_cast<std::ptrdiff_t>(order), all.end(), all.begin() + static_cast<std::ptrdiff_t>(at - order)))
            expected = static_cast<int32_t>(at);
      // Tables of a short sequence may overwrite an older n-gram of the same hash: then a shorter match or none is found.
      if (f.guess_at() >= 0) {
        ASSERT_LT(f.guess_at(), static_cast<int32_t>(all.size()));
        EXPECT_EQ(all[static_cast<size_t>(f.guess_at()) - 1], all.back());
      }
      (f.guess_at() == expected ? same : other) += 1;
      all.push_back(static_cast<int32_t>(rng() % vocab));
      f.add(all.back());
    }
  }
  EXPECT_LT(other, same / 10);
}

TEST(DraftFinder, CopiedTextIsDraftedInFull) {
  Tokens text;
  for (int i = 0; i < 100; ++i) text.push_back(i);
  DraftFinder f(1000);
  f.prompt(text);
  size_t longest = 0;
  for (int i = 0; i < 60; ++i) {
    f.add(i);
    const Tokens d = draft(f);
    for (size_t k = 0; k < d.size(); ++k) EXPECT_EQ(d[k], i + 1 + static_cast<int32_t>(k));
    longest = std::max(longest, d.size());
    EXPECT_LE(draft(f, 2).size(), 2u);
    EXPECT_LE(draft(f, 7, 5).size(), 3u);  // a step has 8 tokens at most
  }
  EXPECT_EQ(longest, 7u);
  EXPECT_EQ(draft(f, 7, 8).size(), 0u);
  EXPECT_EQ(draft(f, 0).size(), 0u);
}

TEST(DraftFinder, ARepetitionGoesOnBeyondTheEnd) {
  DraftFinder f(1000);
  Tokens text;
  for (int i = 0; i < 20; ++i) text.insert(text.end(), {4, 5});
  f.prompt(text);
  for (int i = 0; i < 10; ++i) f.add(4 + i % 2);
  EXPECT_EQ(draft(f), (Tokens{4, 5, 4, 5, 4, 5, 4}));
}

// Matches that lead nowhere: drafting stops, costs nothing but look-ups, and comes back when text repeats again.
TEST(DraftFinder, StopsAfterMissesAndComesBack) {
  std::mt19937 rng(7);
  DraftFinder f(5000);
  Tokens story;
  for (int i = 0; i < 400; ++i) story.push_back(static_cast<int32_t>(rng() % 40));  // single tokens repeat by chance, all the time
  f.prompt(story);
  int early = 0, late = 0;
  for (int i = 0; i < 600; ++i) {
    f.add(static_cast<int32_t>(rng() % 40));
    (i < 100 ? early : late) += static_cast<int>(draft(f).size() > 0);
  }
  EXPECT_LT(late, 25) << "of 500 steps, " << early << " of the first 100";
  Tokens text;
  for (int i = 0; i < 60; ++i) text.push_back(100 + i);
  for (const int32_t t : text) f.add(t);
  int used = 0;
  for (const int32_t t : text) {
    f.add(t);
    used += static_cast<int>(draft(f).size() > 0);
  }
  EXPECT_GT(used, 30);
}

TEST(DraftFinder, FollowsWhatStepsCost) {
  Tokens text;
  for (int i = 0; i < 50; ++i) text.push_back(i);
  DraftFinder f(1000);
  f.prompt(text);
  for (int i = 0; i < 20; ++i) f.add(i);
  EXPECT_EQ(draft(f).size(), 7u);
  StepCosts dear;
  for (int round = 0; round < 200; ++round)
    for (int n = 1; n <= StepCosts::kMaxTokens; ++n) dear.measured(n, 0.01 * n);  // each token costs a whole step
  EXPECT_NEAR(dear.of(4), 4, 0.01);
  EXPECT_EQ(draft(f, 7, 1, dear).size(), 0u);
  StepCosts knee;
  for (int round = 0; round < 200; ++round)
    for (int n = 1; n <= StepCosts::kMaxTokens; ++n) knee.measured(n, n <= 4 ? 0.01 : 0.03);
  EXPECT_EQ(draft(f, 7, 1, knee).size(), 3u);
}

TEST(DraftFinder, MemoryIsBounded) {
  DraftFinder f(10);
  f.prompt(Tokens(50, 1));
  for (int i = 0; i < 50; ++i) f.add(1);
  EXPECT_TRUE(draft(f).empty());
  DraftFinder none(0);
  none.prompt(Tokens{1, 1});
  none.add(1);
  EXPECT_EQ(none.guess_at(), -1);
}

}  // namespace
}  // namespace mainspring
