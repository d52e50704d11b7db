// Load-time quantisation against the same rule in float64 (tools/make_quant_goldens.py), and the sources that apply it.
#include "quant/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "base/mapped_file.h"
#include "base/str.h"
#include "quant/quantisers/group_quantiser.h"
#include "unit/weights/expect_error.h"

namespace mainspring {
namespace {

struct Rounded {
  uint32_t n = 0, groups = 0, bits = 0, symmetric = 0;
  std::vector<float> weights, scales, offsets;
  std::vector<uint8_t> codes;
};

Rounded load(const std::string& name) {
  const std::string file = read_file(std::string(MAINSPRING_SOURCE_DIR) + "/tests/data/quant/round_" + name + ".bin");
  EXPECT_EQ(file.substr(0, 4), "MSQW");
  Rounded r;
  const char* at = file.data() + 4;
  const auto take = [&](void* to, size_t bytes) { std::memcpy(to, at, bytes), at += bytes; };
  take(&r.n, 16);
  const size_t count = size_t{r.n} * r.groups;
  r.weights.resize(count), r.scales.resize(r.groups), r.offsets.resize(r.groups), r.codes.resize(count);
  take(r.weights.data(), 4 * count), take(r.scales.data(), 4 * r.groups), take(r.offsets.data(), 4 * r.groups);
  take(r.codes.data(), count);
  EXPECT_EQ(at, file.data() + file.size());
  return r;
}

double value(const uint8_t code, double scale, double offset, bool is_signed) {
  return scale * (is_signed ? static_cast<int8_t>(code) : static_cast<int>(code)) + offset;
}

double squared_error(const float* w, const uint8_t* codes, int64_t n, double scale, double offset, bool is_signed) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::pow(w[i] - value(codes[i], scale, offset, is_signed), 2);
  return sum;
}

const char* const kGoldens[] = {"u4_g32", "u4_g64", "u4_g128", "s8_g32", "s8_row"};

// The reference sums in float64: where two shrink factors are equally good in fp32 another one may win, so that few
// groups differ in their scale, and none in how well it fits.
TEST(Quantisers, AreTheReferenceRule) {
  for (const char* name : kGoldens) {
    const Rounded g = load(name);
    int same = 0;
    for (uint32_t i = 0; i < g.groups; ++i) {
      const float* w = g.weights.data() + size_t{i} * g.n;
      std::vector<uint8_t> codes(g.n);
      const GroupScale s = g.symmetric ? quantise_symmetric(w, g.n, static_cast<int>(g.bits), codes.data())
                                       : quantise_asymmetric(w, g.n, static_cast<int>(g.bits), codes.data());
      const uint8_t* expected = g.codes.data() + size_t{i} * g.n;
      const double ours = squared_error(w, codes.data(), g.n, s.scale, s.offset, g.symmetric);
      const double theirs = squared_error(w, expected, g.n, g.scales[i], g.offsets[i], g.symmetric);
      double norm = 0;
      for (uint32_t k = 0; k < g.n; ++k) norm += double{w[k]} * w[k];
      EXPECT_LE(ours, theirs * 1.0005 + norm * 1e-10) << name << " group " << i;
      same += std::fabs(s.scale - g.scales[i]) <= 1e-5 * g.scales[i] &&
              std::equal(codes.begin(), codes.end(), expected);
    }
    EXPECT_GE(same, static_cast<int>(g.groups) * 95 / 100) << name;
  }
}

TEST(Quantisers, OffsetsAreWholeZeroPoints) {
  const Rounded g = load("u4_g128");
  std::vector<uint8_t> codes(g.n);
  for (uint32_t i = 0; i < g.groups; ++i) {
    const GroupScale s = quantise_asymmetric(g.weights.data() + size_t{i} * g.n, g.n, 4, codes.data());
    for (const uint8_t c : codes) EXPECT_LE(c, 15);
    if (s.scale == 0) continue;
    const double zero = -double{s.offset} / s.scale;
    EXPECT_NEAR(zero, std::round(zero), 1e-5);
    EXPECT_TRUE(std::round(zero) >= 0 && std::round(zero) <= 15) << zero;
  }
}

TEST(Quantisers, ClippingBeatsTheFullRange) {
  const Rounded g = load("u4_g128");
  double clipped = 0, plain = 0;
  std::vector<uint8_t> codes(g.n);
  for (uint32_t i = 8; i < g.groups; ++i) {
    const float* w = g.weights.data() + size_t{i} * g.n;
    const auto [low, high] = std::minmax_element(w, w + g.n);
    const double step = (double{*high} - *low) / 15, zero = std::round(-*low / step);
    double norm = 0, error = 0;
    for (uint32_t k = 0; k < g.n; ++k) {
      const double q = std::clamp(std::nearbyint(w[k] / step) + zero, 0.0, 15.0);
      error += std::pow(w[k] - step * (q - zero), 2);
      norm += double{w[k]} * w[k];
    }
    const GroupScale s = quantise_asymmetric(w, g.n, 4, codes.data());
    clipped += squared_error(w, codes.data(), g.n, s.scale, s.offset, false) / norm;
    plain += error / norm;
  }
  EXPECT_LT(clipped, plain * 0.93);
}

TEST(Quantisers, SeeWhatIsNotFinite) {
  std::vector<float> w(37, 1.0f);
  EXPECT_TRUE(all_finite(w.data(), 37));
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::nanf("")})
    for (const size_t at : {0u, 20u, 36u}) {
      w[at] = bad;
      EXPECT_FALSE(all_finite(w.data(), 37));
      w[at] = 1.0f;
    }
  w[3] = std::numeric_limits<float>::max();
  EXPECT_TRUE(all_finite(w.data(), 37));
}

class MemorySource final : public LinearSource {
 public:
  MemorySource(int64_t out, int64_t in, WeightFormat format = {.dense = DType::kF32})
      : out_(out), in_(in), format_(format) {
    for (int64_t i = 0; i < out * in; ++i) values.push_back(std::sin(static_cast<float>(i) * 0.37f) * 0.1f + 0.01f);
  }
  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return out_; }
  int64_t in_features() const noexcept override { return in_; }
  void read_values(int64_t row, int64_t n, float* to) const override {
    std::copy_n(values.data() + row * in_, n * in_, to);
  }
  void read_codes(int64_t, int64_t, const CodeRows&) const override { fail(Code::kInternal, "no codes"); }
  void read_dense(int64_t row, int64_t n, void* to) const override { read_values(row, n, static_cast<float*>(to)); }
  std::string where() const override { return "tensor x of memory"; }
  std::vector<float> values;

 private:
  int64_t out_, in_;
  WeightFormat format_;
};

QuantizeOptions w4(int group = 128) { return parse_quantize("w4", group, ""); }

TEST(Quantize, ChoosesTheLargestGroupThatDivides) {
  const WeightFormat dense{.dense = DType::kBf16};
  const auto group = [&](int asked, int64_t in) {
    const WeightFormat f = loaded_format(w4(asked), dense, 64, in, MatrixRole::kLinear);
    return f.scheme == Scheme::kDense ? 0 : int{f.group};
  };
  EXPECT_EQ(group(128, 4096), 128);
  EXPECT_EQ(group(128, 576), 64);
  EXPECT_EQ(group(128, 96), 32);
  EXPECT_EQ(group(32, 4096), 32);
  EXPECT_EQ(group(64, 4096), 64);
  EXPECT_EQ(group(128, 100), 0);
  const WeightFormat f = loaded_format(w4(), dense, 64, 4096, MatrixRole::kLinear);
  EXPECT_EQ(format_name(f), "u4 g128 +offset");
  EXPECT_EQ(format_name(loaded_format(w4(), dense, 64, 4096, MatrixRole::kTable)), "s8 g32");
  EXPECT_EQ(loaded_format(w4(), dense, 64, 100, MatrixRole::kTable), dense);
}

TEST(Quantize, ActivationsOfEachMode) {
  const WeightFormat dense{.dense = DType::kF16},
      file{.scheme = Scheme::kGroup, .bits = 5, .has_offset = true, .group = 32};
  const auto name = [&](const char* mode, const char* act, const WeightFormat& f,
                        MatrixRole role = MatrixRole::kLinear) {
    return format_name(loaded_format(parse_quantize(mode, 0, act), f, 256, 256, role));
  };
  EXPECT_EQ(name("w8a8", "", dense), "s8 row a8");
  EXPECT_EQ(name("w8a8", "", dense, MatrixRole::kTable), "s8 g32");
  EXPECT_EQ(name("w8a8", "int16", dense), "s8 row");
  const WeightFormat down = loaded_format(parse_quantize("w8a8", 0, ""), dense, 896, 4864, MatrixRole::kLinear);
  EXPECT_EQ(format_name(down), "s8 g128 a8");   // more inputs than outputs
  EXPECT_EQ(name("w4", "int8", dense), "u4 g128 +offset a8");
  EXPECT_EQ(name("w4", "int8", dense, MatrixRole::kTable), "s8 g32 a8");
  EXPECT_EQ(name("w4", "", file), "u5 g32 +offset");   // codes of the file stay
  EXPECT_EQ(name("", "int8", file), "u5 g32 +offset a8");
  EXPECT_EQ(name("", "int8", dense), "f16");
  EXPECT_EQ(name("none", "", dense), "f16");
}

TEST(Quantize, SaysWhatIsWrong) {
  EXPECT_ERROR(parse_quantize("w3", 0, ""), Code::kInvalidInput, "--quantize: expected w4, w8a8 or none, found \"w3\"");
  EXPECT_ERROR(parse_quantize("w4", 48, ""), Code::kInvalidInput, "--quantize-group: expected 32, 64 or 128, found 48");
  EXPECT_ERROR(parse_quantize("w8a8", 64, ""), Code::kInvalidInput, "--quantize-group");
  EXPECT_ERROR(parse_quantize("w4", 0, "int4"), Code::kInvalidInput, "--activations: expected int16 or int8");
  EXPECT_EQ(quantize_name(w4(64)), "w4 g64");
  EXPECT_EQ(quantize_name(parse_quantize("w8a8", 0, "int16")), "w8a8, int16 activations");
  EXPECT_EQ(quantize_name(parse_quantize("", 0, "int8")), "int8 activations");
  EXPECT_EQ(quantize_name({}), "");
}

// Codes of single rows, of all rows at once and of several threads are the same, and values follow from codes.
TEST(Quantize, SourceReadsAnyRows) {
  for (const char* mode : {"w4", "w8a8"}) {
    auto memory = std::make_unique<MemorySource>(13, 160);
    const std::vector<float> original = memory->values;
    const WeightFormat f = loaded_format(parse_quantize(mode, 0, ""), memory->format(), 512, 160, MatrixRole::kLinear);
    const auto q = quantized(std::move(memory), f);
    ASSERT_EQ(q->format(), f);
    const size_t groups = static_cast<size_t>(f.groups(160));
    std::vector<uint8_t> codes(13 * 160), again(codes.size());
    std::vector<float> scales(13 * groups), offsets(13 * groups), s2(scales.size()), o2(offsets.size()),
        values(13 * 160);
    q->read_codes(0, 13, {codes.data(), scales.data(), f.has_offset ? offsets.data() : nullptr});
    std::vector<std::thread> threads;
    for (size_t r = 0; r < 13; ++r)
      threads.emplace_back([&, r] {
        q->read_codes(static_cast<int64_t>(r), 1,
                      {&again[r * 160], &s2[r * groups], f.has_offset ? &o2[r * groups] : nullptr});
      });
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(codes, again);
    EXPECT_EQ(scales, s2);
    EXPECT_EQ(offsets, o2);
    q->read_values(0, 13, values.data());
    double error = 0, norm = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t g = i / 160 * groups + i % 160 / static_cast<size_t>(f.group_size(160));
      EXPECT_NEAR(values[i], value(codes[i], scales[g], offsets[g], f.is_signed), 1e-7);
      error += std::pow(values[i] - original[i], 2), norm += std::pow(original[i], 2);
    }
    EXPECT_LT(std::sqrt(error / norm), f.bits == 4 ? 0.08 : 0.005) << mode;
    EXPECT_GT(error, 0) << mode;
  }
}

TEST(Quantize, InfinityIsAnErrorOfTheFile) {
  auto memory = std::make_unique<MemorySource>(3, 128);
  memory->values[130] = std::numeric_limits<float>::infinity();
  const auto q = quantized(std::move(memory), loaded_format(w4(), {}, 3, 128, MatrixRole::kLinear));
  std::vector<float> row(128);
  q->read_values(0, 1, row.data());
  EXPECT_ERROR(q->read_values(1, 1, row.data()), Code::kInvalidInput,
               "tensor x of memory: row 1 holds a number that is infinite");
}

TEST(Quantize, DecodedGivesTheSameValuesAsF32) {
  const WeightFormat row{.scheme = Scheme::kGroup, .bits = 8, .is_signed = true, .group = 0, .act = ActType::k8};
  const auto q = quantized(std::make_unique<MemorySource>(4, 96), row);
  const auto d = decoded(quantized(std::make_unique<MemorySource>(4, 96), row));
  EXPECT_EQ(format_name(d->format()), "f32");
  std::vector<float> a(4 * 96), b(4 * 96);
  q->read_values(0, 4, a.data());
  d->read_dense(0, 4, b.data());
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace mainspring
