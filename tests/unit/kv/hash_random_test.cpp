// base/hash.h and base/random.h against published values.
#include <gtest/gtest.h>

#include <vector>

#include "base/hash.h"
#include "base/random.h"

namespace mainspring {
namespace {

// Known answers of Random123 1.14 (kat_vectors, philox4x32 10 rounds).
TEST(Philox, KnownAnswers) {
  using V = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (V{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t f = 0xffffffff;
  EXPECT_EQ(philox4x32({f, f, f, f}, {f, f}), (V{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (V{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, UniformIsInRangeAndFlat) {
  std::vector<int> bins(64, 0);
  constexpr int kDraws = 64000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random_uniform(42, static_cast<uint64_t>(i));
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++bins[static_cast<size_t>(u * 64)];
  }
  double chi2 = 0;
  for (const int n : bins) chi2 += (n - 1000.0) * (n - 1000.0) / 1000.0;
  EXPECT_LT(chi2, 103.4);  // 63 degrees of freedom, p = 0.001
  EXPECT_GT(chi2, 32.5);   // too even is as wrong
  EXPECT_NE(random_bits(1, 0), random_bits(2, 0));
  EXPECT_NE(random_bits(1, 0), random_bits(1, 0, 1));
}

// XXH3_64bits of the empty input and seed 0, from the xxHash specification.
TEST(Hash, KnownAnswerAndSensitivity) {
  EXPECT_EQ(hash64(std::span<const std::byte>{}), 0x2D06800538D394C2u);
  std::vector<int32_t> t(32, 5);
  const uint64_t h = hash64(std::span<const int32_t>(t));
  EXPECT_NE(h, hash64(std::span<const int32_t>(t), 1));
  t[31] = 6;
  EXPECT_NE(h, hash64(std::span<const int32_t>(t)));
  EXPECT_NE(hash_combine(1, 2), hash_combine(2, 1));
}

}  // namespace
}  // namespace mainspring
