// Every encoding against the numbers that the reference package decodes (tools/make_quant_goldens.py).
#include "quant/encoding.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "base/mapped_file.h"

namespace mainspring {
namespace {

struct Golden {
  std::string file;
  uint32_t blocks = 0, bytes = 0, numbers = 0;
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(file.data() + 16); }
  std::vector<float> values() const {
    std::vector<float> v(size_t{blocks} * numbers);
    std::memcpy(v.data(), file.data() + 16 + size_t{blocks} * bytes, v.size() * sizeof(float));
    return v;
  }
};

Golden load(std::string_view name) {
  Golden g;
  g.file = read_file(std::string(MAINSPRING_SOURCE_DIR) + "/tests/data/quant/" + std::string(name) + ".bin");
  EXPECT_EQ(g.file.substr(0, 4), "MSQG");
  std::memcpy(&g.blocks, g.file.data() + 4, 12);
  EXPECT_EQ(g.file.size(), 16 + size_t{g.blocks} * (g.bytes + 4 * g.numbers));
  return g;
}

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

const char* const kWithGoldens[] = {"F16",  "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1",   "Q8_0",
                                    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"};

TEST(Encoding, TableIsComplete) {
  std::set<std::string_view> names;
  for (const Encoding* e : all_encoding()) {
    EXPECT_TRUE(names.insert(e->name).second) << e->name;
    EXPECT_EQ(find_encoding(e->name), e);
    EXPECT_EQ(find_gguf_encoding(static_cast<uint32_t>(e->gguf_type)), e);
    EXPECT_NE(e->values, nullptr);
    EXPECT_EQ(e->codes != nullptr, e->format.scheme == Scheme::kGroup) << e->name;
  }
  for (const char* name : kWithGoldens) EXPECT_TRUE(names.count(name)) << name;
  EXPECT_EQ(names.size(), std::size(kWithGoldens) + 1);  // F32 needs no golden
  EXPECT_EQ(find_encoding("Q9_9"), nullptr);
  EXPECT_EQ(find_safetensors_encoding(""), nullptr);
  EXPECT_EQ(find_safetensors_encoding("BF16"), find_encoding("BF16"));
}

TEST(Encoding, ValuesAreBitExact) {
  for (const char* name : kWithGoldens) {
    const Encoding* e = find_encoding(name);
    ASSERT_NE(e, nullptr) << name;
    const Golden g = load(name);
    ASSERT_EQ(static_cast<uint32_t>(e->block), g.numbers) << name;
    ASSERT_EQ(static_cast<uint32_t>(e->block_bytes), g.bytes) << name;
    const std::vector<float> expected = g.values();
    std::vector<float> found(expected.size());
    e->values(g.data(), g.blocks, found.data());
    size_t wrong = 0;
    for (size_t i = 0; i < found.size(); ++i)
      if (!same(found[i], expected[i]) && ++wrong <= 3)
        ADD_FAILURE() << name << " value " << i << ": expected " << expected[i] << ", found " << found[i];
    EXPECT_EQ(wrong, 0u) << name;
  }
}

// scale * code + offset must give the reference's numbers too, with codes inside the range the format promises.
TEST(Encoding, CodesAreCanonical) {
  for (const Encoding* e : all_encoding()) {
    if (e->format.scheme != Scheme::kGroup) continue;
    const Golden g = load(e->name);
    const std::vector<float> expected = g.values();
    const size_t n = expected.size(), group = e->format.group;
    ASSERT_EQ(e->block % e->format.group, 0) << e->name;
    std::vector<uint8_t> codes(n);
    std::vector<float> scales(n / group), offsets(n / group);
    e->codes(g.data(), g.blocks, {codes.data(), scales.data(), e->format.has_offset ? offsets.data() : nullptr});
    const int bits = e->format.bits;
    size_t wrong = 0, out_of_range = 0;
    for (size_t i = 0; i < n; ++i) {
      const int q = e->format.is_signed ? static_cast<int8_t>(codes[i]) : codes[i];
      const int low = e->format.is_signed ? -(1 << (bits - 1)) : 0;
      out_of_range += q < low || q > low + (1 << bits) - 1;
      float w = scales[i / group] * static_cast<float>(q);
      if (e->format.has_offset) w = w + offsets[i / group];
      wrong += !same(w, expected[i]);
    }
    EXPECT_EQ(wrong, 0u) << e->name;
    EXPECT_EQ(out_of_range, 0u) << e->name;
  }
}

TEST(Encoding, CanonicalForms) {
  const std::pair<const char*, const char*> kForms[] = {
      {"Q4_0", "s4 g32"},         {"Q4_1", "u4 g32 +offset"}, {"Q5_0", "s5 g32"},         {"Q5_1", "u5 g32 +offset"},
      {"Q8_0", "s8 g32"},         {"Q2_K", "u2 g16 +offset"}, {"Q3_K", "s3 g16"},         {"Q4_K", "u4 g32 +offset"},
      {"Q5_K", "u5 g32 +offset"}, {"Q6_K", "s6 g16"},         {"IQ4_NL", "s8 g32"},       {"IQ4_XS", "s8 g32"}};
  for (const auto& [name, form] : kForms) EXPECT_EQ(format_name(find_encoding(name)->format), form) << name;
}

}  // namespace
}  // namespace mainspring
