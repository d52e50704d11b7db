// 16-bit conversions against the compiler's own.
#include "base/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

namespace mainspring {
namespace {

TEST(Half, EveryF16IsWhatTheCompilerSays) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const auto bits = static_cast<uint16_t>(h);
    const float expected = static_cast<float>(std::bit_cast<_Float16>(bits)), found = f16_to_f32(bits);
    if (std::isnan(expected)) EXPECT_TRUE(std::isnan(found)) << h;
    else EXPECT_EQ(std::bit_cast<uint32_t>(expected), std::bit_cast<uint32_t>(found)) << h;
  }
}

TEST(Half, RoundingToF16IsTheCompilers) {
  std::mt19937 rng(1);
  for (int i = 0; i < 1'000'000; ++i) {
    // Bits around the f16 range and its edges, subnormals and overflow included.
    const uint32_t bits = (rng() & 0x807FFFFFu) | (100u + rng() % 50u) << 23;
    const float f = std::bit_cast<float>(bits);
    ASSERT_EQ(std::bit_cast<uint16_t>(static_cast<_Float16>(f)), f32_to_f16(f)) << std::hexfloat << f;
  }
  EXPECT_EQ(f32_to_f16(65504.0f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);  // halfway to the next one rounds to infinity
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0);       // halfway below the smallest subnormal rounds to even
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(NAN))));
}

TEST(Half, Bf16RoundsToNearestEven) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F808000u)), 0x3F80);  // tie: to even
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F818000u)), 0x3F82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F808001u)), 0x3F81);
  EXPECT_EQ(f32_to_bf16(INFINITY), 0x7F80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7F800001u)))));
  for (uint32_t h = 0; h < 65536; ++h) {
    const float f = bf16_to_f32(static_cast<uint16_t>(h));
    if (!std::isnan(f)) ASSERT_EQ(f32_to_bf16(f), h);
  }
}

}  // namespace
}  // namespace mainspring
