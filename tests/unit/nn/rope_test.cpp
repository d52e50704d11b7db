// RoPE frequencies; the scaling rules themselves are held against transformers by the family goldens.
#include "nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/errors.h"

namespace mainspring {
namespace {

TEST(RopeFrequencies, FactorsDivide) {
  RopeConfig rope;
  rope.theta = 500000.0;
  rope.freq_factors = {1, 1, 2, 32};
  const auto f = nn::rope_frequencies(rope, 8, 8192).inv_freq;
  ASSERT_EQ(f.size(), 4u);
  EXPECT_FLOAT_EQ(f[0], 1.0f);
  EXPECT_FLOAT_EQ(f[2], static_cast<float>(std::pow(500000.0, -0.5) / 2));
  EXPECT_FLOAT_EQ(f[3], static_cast<float>(std::pow(500000.0, -0.75) / 32));
}

// What a GGUF of Llama 3.1 carries as factors is what the llama3 rule makes of the plain frequencies.
TEST(RopeFrequencies, Llama3FactorsEqualTheRule) {
  RopeConfig rule;
  rule.type = RopeType::kLlama3;
  rule.theta = 500000.0;
  rule.factor = 8;
  rule.original_max_position = 8192;
  RopeConfig plain;
  plain.theta = 500000.0;
  const auto scaled = nn::rope_frequencies(rule, 128, 131072).inv_freq;
  const auto base = nn::rope_frequencies(plain, 128, 131072).inv_freq;
  for (size_t i = 0; i < base.size(); ++i) plain.freq_factors.push_back(double{base[i]} / scaled[i]);
  const auto factored = nn::rope_frequencies(plain, 128, 131072).inv_freq;
  for (size_t i = 0; i < base.size(); ++i) EXPECT_NEAR(factored[i], scaled[i], 1e-6 * scaled[i]) << i;
  EXPECT_EQ(scaled[0], base[0]);
  EXPECT_NEAR(scaled[63], base[63] / 8, 1e-6 * base[63]);
}

TEST(RopeFrequencies, RefusesAWrongNumberOfFactors) {
  RopeConfig rope;
  rope.freq_factors = {1, 1};
  EXPECT_THROW(nn::rope_frequencies(rope, 8, 8192), Error);
}

TEST(RopeFrequencies, RefusesLongrope) {
  RopeConfig rope;
  rope.type = RopeType::kLongrope;
  EXPECT_THROW(nn::rope_frequencies(rope, 8, 8192), Error);
}

}  // namespace
}  // namespace mainspring
