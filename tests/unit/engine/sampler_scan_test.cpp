// The row passes: every instruction set gives the bits of the portable one, and that one is right. No allocations.
#include "engine/sampler_scan.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <vector>

#include "engine/sampler.h"

namespace {
std::atomic<uint64_t> allocations{0};
}

// ThreadSanitizer brings an operator new of its own, which cannot be replaced: allocations are counted by the other builds.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAINSPRING_TSAN 1
#endif
#endif

#ifndef MAINSPRING_TSAN
// Counts every allocation of this test program. Not inlined, or gcc takes malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(size_t n) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }
#endif

namespace mainspring {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> random_row(std::mt19937& rng, size_t n, bool specials) {
  std::normal_distribution<float> normal(0, 20);
  std::vector<float> x(n);
  for (float& v : x) {
    v = normal(rng);
    if (specials && rng() % 10 == 0) v = std::vector<float>{-kInf, std::nanf(""), 0.0f, -0.0f, -1e30f}[rng() % 5];
  }
  return x;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// The passes that select: of one table and another, and by their definition.
void expect_same_selections(const ScanKernels& a, const ScanKernels& b, const std::vector<float>& x,
                            const std::vector<float>& mass) {
  const auto n = static_cast<int64_t>(x.size());
  const float low = -10.0f, high = 25.0f;
  EXPECT_EQ(a.mass_at_least(x.data(), mass.data(), n, low), b.mass_at_least(x.data(), mass.data(), n, low));
  std::vector<int32_t> ids(x.size()), expected;
  std::vector<float> values(x.size());
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] >= low && x[i] < high) expected.push_back(static_cast<int32_t>(i) + 7);
    if (x[i] >= low) sum += mass[i];
  }
  EXPECT_NEAR(b.mass_at_least(x.data(), mass.data(), n, low), sum, 1e-6 * sum);
  ids.resize(static_cast<size_t>(b.collect(x.data(), n, low, high, 7, ids.data(), values.data())));
  EXPECT_EQ(ids, expected);
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(values[i], x[static_cast<size_t>(ids[i] - 7)]);
  // In place, with the keys in a separate array and with the keys being one of the arrays.
  for (const bool own : {false, true}) {
    auto first = x, second = mass;
    std::vector<int32_t> numbers(x.size());
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int32_t>(i);
    const int64_t kept = b.compact(own ? first.data() : x.data(), n, low, numbers.data(), first.data(), second.data());
    EXPECT_EQ(kept, b.count_at_least(x.data(), n, low));
    for (int64_t i = 0; i < kept; ++i) {
      const auto from = static_cast<size_t>(numbers[static_cast<size_t>(i)]);
      EXPECT_TRUE(i == 0 || numbers[static_cast<size_t>(i) - 1] < numbers[static_cast<size_t>(i)]);
      EXPECT_EQ(first[static_cast<size_t>(i)], x[from]);
      EXPECT_GE(x[from], low);
      EXPECT_EQ(std::memcmp(&second[static_cast<size_t>(i)], &mass[from], sizeof(float)), 0);
    }
  }
}

// What one pass of a cut gave, all of it comparable by bits.
struct CutResult {
  double total = 0, moment = 0;
  std::vector<float> weights, sums, high_sums[2];
  std::vector<int32_t> ids[2];
};
CutResult cut_results(const ScanKernels& k, const std::vector<float>& x, float shift, float scale) {
  const auto n = static_cast<int64_t>(x.size());
  const auto blocks = static_cast<size_t>(sum_blocks(n));
  CutResult r;
  r.weights.assign(x.size(), -1);
  r.sums.assign(blocks, -1);
  r.total = k.weigh(x.data(), n, shift, scale, -60.0f, r.weights.data(), r.sums.data(), &r.moment);
  const ScanFold fold{shift, scale, -20.0f};
  for (const int folded : {0, 1}) {
    r.high_sums[folded].assign(blocks, -1);
    r.ids[folded].assign(x.size(), -1);
    int64_t count = 0;
    if (folded)
      count = k.cut_folded(x.data(), r.weights.data(), n, fold, -15.0f, -4.0f, r.high_sums[1].data(), r.ids[1].data());
    else
      EXPECT_EQ(k.cut(x.data(), n, shift, scale, 10.0f, 30.0f, r.high_sums[0].data(), r.ids[0].data(), &count),
                k.block_sum(x.data(), n, shift, scale, std::vector<float>(blocks).data()));
    r.ids[folded].resize(static_cast<size_t>(count));
  }
  return r;
}

void expect_same_cuts(const ScanKernels& a, const ScanKernels& b, const std::vector<float>& x, float shift, float scale) {
  const CutResult p = cut_results(a, x, shift, scale), q = cut_results(b, x, shift, scale);
  EXPECT_EQ(p.total, q.total) << b.name;
  EXPECT_EQ(p.moment, q.moment) << b.name;
  EXPECT_TRUE(same_bits(p.weights, q.weights) && same_bits(p.sums, q.sums)) << b.name;
  for (const int folded : {0, 1}) {
    EXPECT_EQ(p.ids[folded], q.ids[folded]) << b.name;
    EXPECT_TRUE(same_bits(p.high_sums[folded], q.high_sums[folded])) << b.name;
  }
}

// By definition, in double.
TEST(SamplerScan, CutsAgreeWithTheDefinition) {
  std::mt19937 rng(5);
  for (const size_t n : {1, 63, 64, 200, 4097}) {
    const auto x = random_row(rng, n, true);
    const float shift = 70, scale = 0.37f;
    const CutResult r = cut_results(scan_kernels(), x, shift, scale);
    const ScanFold fold{shift, scale, -20.0f};
    std::vector<float> w(n);
    scan_kernels().weights(x.data(), static_cast<int64_t>(n), shift, scale, w.data());
    double total = 0, moment = 0;
    std::vector<double> high[2] = {std::vector<double>(r.sums.size()), std::vector<double>(r.sums.size())};
    std::vector<int32_t> ids[2];
    for (size_t i = 0; i < n; ++i) {
      const float weight = x[i] >= -60 ? w[i] : 0;
      EXPECT_EQ(r.weights[i], weight);
      total += weight;
      if (weight > 0) moment += weight * (static_cast<double>(x[i]) - shift) * scale;
      if (x[i] >= 30) high[0][i / kSumBlock] += w[i];
      if (x[i] >= 10 && x[i] < 30) ids[0].push_back(static_cast<int32_t>(i));
      const float key = -std::fabs((x[i] - shift) * scale + 20.0f);
      EXPECT_TRUE(std::isnan(key) || key == fold.key(x[i]));
      if (key >= -4) high[1][i / kSumBlock] += weight;
      if (key >= -15 && key < -4) ids[1].push_back(static_cast<int32_t>(i));
    }
    EXPECT_NEAR(r.total, total, 1e-6 * total);
    EXPECT_NEAR(r.moment, moment, 1e-6 * std::fabs(moment) + 1e-12);
    for (const int folded : {0, 1}) {
      EXPECT_EQ(r.ids[folded], ids[folded]);
      for (size_t b = 0; b < high[folded].size(); ++b)
        EXPECT_NEAR(r.high_sums[folded][b], high[folded][b], 1e-6 * high[folded][b]);
    }
  }
}

TEST(SamplerScan, EveryInstructionSetGivesTheSameBits) {
  const ScanKernels* all[8];
  const size_t count = all_scan_kernels(all, 8);
  ASSERT_GE(count, 1u);
  EXPECT_STREQ(all[0]->name, "portable");
  EXPECT_EQ(&scan_kernels(), all[count - 1]);
  std::mt19937 rng(1);
  for (const int64_t n : {0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 1000, 4097}) {
    for (int round = 0; round < 6; ++round) {
      const auto x = random_row(rng, static_cast<size_t>(n), round > 2);
      const float shift = 70, scale = round % 2 ? 1.0f : 0.37f;
      std::vector<uint32_t> allowed(static_cast<size_t>(n + 31) / 32);
      for (uint32_t& w : allowed) w = static_cast<uint32_t>(rng());
      std::vector<float> maxima[2], sums[2], weights[2], masked[2];
      for (size_t k = 0; k < count; ++k) {
        const size_t to = k == 0 ? 0 : 1;
        const auto blocks = static_cast<size_t>(scan_blocks(n));
        maxima[to].assign(blocks, 0);
        sums[to].assign(static_cast<size_t>(sum_blocks(n)), 0);
        weights[to].assign(x.size(), 0);
        masked[to] = x;
        all[k]->block_max(x.data(), n, maxima[to].data());
        all[k]->block_sum(x.data(), n, shift, scale, sums[to].data());
        all[k]->weights(x.data(), n, shift, scale, weights[to].data());
        all[k]->mask(masked[to].data(), n, allowed.data());
        EXPECT_TRUE(same_bits(sums[0], sums[to])) << all[k]->name << n;
        EXPECT_TRUE(same_bits(weights[0], weights[to])) << all[k]->name << n;
        EXPECT_TRUE(same_bits(masked[0], masked[to])) << all[k]->name << n;
        EXPECT_EQ(maxima[0], maxima[to]) << all[k]->name << n;
        expect_same_selections(*all[0], *all[k], x, weights[0]);
        expect_same_cuts(*all[0], *all[k], x, shift, scale);
        EXPECT_EQ(all[0]->count_above(x.data(), n, 3.0f), all[k]->count_above(x.data(), n, 3.0f));
        EXPECT_EQ(all[0]->count_at_least(x.data(), n, 0.0f), all[k]->count_at_least(x.data(), n, 0.0f));
      }
    }
  }
}

TEST(SamplerScan, AgreesWithTheDefinition) {
  const ScanKernels& k = scan_kernels();
  std::mt19937 rng(2);
  for (const int64_t n : {1, 64, 100, 5003}) {
    const auto x = random_row(rng, static_cast<size_t>(n), true);
    std::vector<float> maxima(static_cast<size_t>(scan_blocks(n))), weights(x.size()), masked = x;
    const float shift = 90, scale = 0.8f;
    k.block_max(x.data(), n, maxima.data());
    k.weights(x.data(), n, shift, scale, weights.data());
    std::vector<uint32_t> allowed(static_cast<size_t>(n + 31) / 32);
    for (uint32_t& w : allowed) w = static_cast<uint32_t>(rng());
    k.mask(masked.data(), n, allowed.data());
    int64_t above = 0, at_least = 0;
    std::vector<float> expected(maxima.size(), -kInf);
    for (size_t i = 0; i < x.size(); ++i) {
      float& m = expected[i / kScanBlock];
      if (x[i] > m) m = x[i];
      above += x[i] > 0.0f;
      at_least += x[i] >= 0.0f;
      const double y = static_cast<double>((x[i] - shift) * scale);
      const double exact = std::isnan(y) || y <= -87 ? 0.0 : std::exp(y);
      EXPECT_NEAR(weights[i], exact, (exact > 0 ? 3e-7 - 1.2e-7 * y : 0.0) * exact + 2e-38) << y;
      const bool allow = (allowed[i / 32] >> (i % 32) & 1) != 0;
      EXPECT_TRUE(allow ? std::memcmp(&masked[i], &x[i], sizeof(float)) == 0 : masked[i] == -kInf);
    }
    EXPECT_EQ(maxima, expected);
    EXPECT_EQ(k.count_above(x.data(), n, 0.0f), above);
    EXPECT_EQ(k.count_at_least(x.data(), n, 0.0f), at_least);
  }
}

// The exponential over its whole range.
TEST(SamplerScan, ExponentialErrorIsSmall) {
  std::vector<float> x;
  for (float y = 0; y > -86.9f; y -= 0.00137f) x.push_back(y);
  std::vector<float> w(x.size());
  scan_kernels().weights(x.data(), static_cast<int64_t>(x.size()), 0, 1, w.data());
  EXPECT_EQ(w[0], 1.0f);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    worst = std::max(worst, std::fabs(w[i] - exact) / exact / (3e-7 - 1.2e-7 * static_cast<double>(x[i])));
  }
  EXPECT_LT(worst, 1.0);
}

TEST(Sampler, AllocatesNothingInTheSteadyState) {
  std::mt19937 rng(3);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> row(20000), logits(row.size());
  for (float& x : row) x = normal(rng);
  std::vector<uint32_t> allowed(row.size() / 32, 0xFFFFFFFEu);
  std::vector<SamplingParams> all(6);
  all[0].temperature = 0;
  all[2].top_k = 40;
  all[2].top_p = 0.9;
  all[3].top_p = 0.95;
  all[4].min_p = 0.05;
  all[4].typical_p = 0.9;
  all[5].repetition_penalty = 1.1;
  all[5].presence_penalty = 0.5;
  all[5].no_repeat_ngram = 3;
  all[5].bad_words = {{1, 2}, {3}};
  for (const SamplingParams& p : all) {
    SequenceSampler s(p, std::vector<int32_t>{5}, static_cast<int64_t>(row.size()), 9);
    const auto run = [&](int n) {
      for (int i = 0; i < n; ++i) {
        logits = row;
        s.sample(logits, nullptr, allowed);
      }
    };
    for (int32_t t = 0; t < 50; ++t) s.accept(t);
    run(2);
    const uint64_t before = allocations.load();
    run(20);
    EXPECT_EQ(allocations.load(), before) << "parameters " << &p - all.data();
  }
}

}  // namespace
}  // namespace mainspring
