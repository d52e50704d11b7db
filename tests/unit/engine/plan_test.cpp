// The wire form of batch plans: round trips, and malformed bytes.
#include <gtest/gtest.h>

#include <random>

#include "base/errors.h"
#include "engine/batch_plan.h"

namespace mainspring {
namespace {

BatchPlan random_plan(std::mt19937& rng) {
  BatchPlan plan;
  plan.sequences.resize(rng() % 5);
  for (PlannedSequence& s : plan.sequences) {
    s.id = uint64_t{rng()} << 32 | rng();
    s.start = static_cast<int32_t>(rng() % 10000);
    s.prompt_length = static_cast<int32_t>(rng() % 10000);
    s.sample = rng() % 2;
    s.all_logits = rng() % 2;
    s.drafted = static_cast<int32_t>(rng() % 9);
    s.tokens.resize(rng() % 40);
    s.blocks.resize(rng() % 10);
    for (int32_t& t : s.tokens) t = static_cast<int32_t>(rng());
    for (int32_t& b : s.blocks) b = static_cast<int32_t>(rng() % 1000);
  }
  return plan;
}

TEST(BatchPlan, RoundTrip) {
  std::mt19937 rng(1);
  for (int i = 0; i < 500; ++i) {
    const BatchPlan p = random_plan(rng);
    EXPECT_EQ(deserialize_plan(serialize(p)), p);
  }
  EXPECT_EQ(serialize(BatchPlan{}).size(), 8u);
}

TEST(BatchPlan, EveryCutIsRefused) {
  std::mt19937 rng(2);
  BatchPlan p;
  while (p.sequences.size() < 3) p = random_plan(rng);
  const auto bytes = serialize(p);
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_THROW(deserialize_plan({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}), Error) << n;
  auto longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_THROW(deserialize_plan(longer), Error);
}

// A changed byte is refused with kInvalidInput or gives another plan; it never crashes or allocates what it announces.
TEST(BatchPlan, RandomDamage) {
  std::mt19937 rng(3);
  int refused = 0;
  for (int i = 0; i < 5000; ++i) {
    const BatchPlan p = random_plan(rng);
    auto bytes = serialize(p);
    const size_t at = rng() % bytes.size();
    bytes[at] ^= static_cast<std::byte>(1 + rng() % 255);
    try {
      EXPECT_NE(deserialize_plan(bytes), p);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::kInvalidInput);
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace mainspring
