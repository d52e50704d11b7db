// Sizes and offsets of KV blocks, and what the codecs keep of a number (through the reference, which rounds as ops/kv.h
// says).
#include <gtest/gtest.h>

#include <cmath>

#include "backends/cpu/kv_layout.h"
#include "backends/ref/ref_ops.h"

namespace mainspring {
namespace {

constexpr KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kBf16, KvFormat::kF16,
                                 KvFormat::kInt8, KvFormat::kK8V4, KvFormat::kInt4};

TEST(KvLayout, BytesPerTokenAreThoseOfTheFormat) {
  // 8 heads of 128: keys and values; for the quantised formats two floats each, and a block's first key in f16.
  const StateSpec spec{8, 128};
  EXPECT_EQ(cpu::kv_block_bytes(spec, KvFormat::kF32), size_t{32} * 8 * 128 * 2 * 4);
  EXPECT_EQ(cpu::kv_block_bytes(spec, KvFormat::kBf16), size_t{32} * 8 * 128 * 2 * 2);
  EXPECT_EQ(cpu::kv_block_bytes(spec, KvFormat::kF16), size_t{32} * 8 * 128 * 2 * 2);
  EXPECT_EQ(cpu::kv_block_bytes(spec, KvFormat::kInt8), size_t{32} * 8 * (128 + 8) * 2 + 8 * 256);
  EXPECT_EQ(cpu::kv_block_bytes(spec, KvFormat::kInt4), size_t{32} * 8 * (64 + 8) * 2 + 8 * 256);
  EXPECT_EQ(cpu::kv_block_bytes(spec, KvFormat::kK8V4), size_t{32} * 8 * (128 + 64 + 16) + 8 * 256);
}

TEST(KvLayout, PartsDoNotOverlapForAnyHeadSize) {
  for (const KvFormat f : kFormats)
    for (int d = 1; d <= 600; ++d) {
      const auto l = cpu::kv_head_layout({3, d}, f);
      const bool coded = is_quantised(f);
      const size_t width = static_cast<size_t>(d) * 32;
      const size_t key_nibbles = f == KvFormat::kF32 ? 8 : !coded ? 4 : f == KvFormat::kInt4 ? 1 : 2;
      const size_t value_nibbles = f == KvFormat::kF32 ? 8 : !coded ? 4 : f == KvFormat::kInt8 ? 2 : 1;
      const size_t params = coded ? 256 : 0;
      ASSERT_GE(l.k_params, (width * key_nibbles + 1) / 2) << d;
      ASSERT_EQ(l.k_base, l.k_params + params);
      ASSERT_GE(l.v_codes, l.k_base + (coded ? 2 * static_cast<size_t>(d) : 0));
      ASSERT_GE(l.v_row_bytes * 2, static_cast<size_t>(d) * value_nibbles);
      ASSERT_GE(l.v_params, l.v_codes + 32 * l.v_row_bytes);
      ASSERT_EQ(l.head_bytes, l.v_params + params);
      for (const size_t offset : {l.k_params, l.k_base, l.v_codes, l.v_params, l.head_bytes})
        ASSERT_EQ(offset % 64, 0u);
      ASSERT_EQ(cpu::kv_block_bytes({3, d}, f), 3 * l.head_bytes);
    }
}

TEST(KvFormat, RoundingIsHalfAStep) {
  const float x[6] = {-1.0f, -0.5f, 0.0f, 0.31f, 2.0f, 1.0f};
  for (const auto& [format, steps] : {std::pair{KvFormat::kInt8, 255.0f}, {KvFormat::kInt4, 15.0f}}) {
    float y[6];
    ref::round_value(format, x, y, 6);
    EXPECT_EQ(y[0], -1.0f);
    EXPECT_NEAR(y[4], 2.0f, 1e-6);
    for (int i = 0; i < 6; ++i) EXPECT_LE(std::fabs(y[i] - x[i]), 0.5f * 3.0f / steps + 1e-6f);
  }
  float same[3] = {7, 7, 7}, back[3];
  ref::round_value(KvFormat::kInt4, same, back, 3);  // no range: the minimum alone
  EXPECT_EQ(back[1], 7.0f);
}

// A bias that all keys of a block share costs no resolution.
TEST(KvFormat, KeysAreDifferences) {
  const float base[4] = {500.0f, -300.0f, 0.0f, 2.0f}, x[4] = {500.5f, -300.25f, 0.75f, 1.0f};
  float y[4];
  ref::round_key(KvFormat::kInt8, x, base, y, 4);
  for (int i = 0; i < 4; ++i) EXPECT_LE(std::fabs(y[i] - x[i]), 0.5f * 1.75f / 255 + 1e-4f);
  ref::round_key(KvFormat::kF16, x, base, y, 4);
  EXPECT_EQ(y[1], -300.25f);
}

TEST(KvFormat, HalvesSaturate) {
  const float x[6] = {70000.0f, -INFINITY, 65519.0f, 1.0f + 0x1p-11f, 0x1p-24f, NAN};
  float y[6];
  ref::round_value(KvFormat::kF16, x, y, 6);
  EXPECT_EQ(y[0], 65504.0f);
  EXPECT_EQ(y[1], -65504.0f);
  EXPECT_EQ(y[2], 65504.0f);
  EXPECT_EQ(y[3], 1.0f);      // tie: to even
  EXPECT_EQ(y[4], 0x1p-24f);  // the smallest number above zero
  EXPECT_TRUE(std::isnan(y[5]));
}

}  // namespace
}  // namespace mainspring
