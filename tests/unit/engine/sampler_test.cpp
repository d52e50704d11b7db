// The sampler against transformers (goldens), a naive oracle with full sorts, and statistics.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include "base/errors.h"
#include "base/json.h"
#include "base/random.h"
#include "base/mapped_file.h"

namespace mainspring {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<int32_t> ids_of(const Json& list) {
  std::vector<int32_t> out;
  for (const Json& v : list.as_array()) out.push_back(static_cast<int32_t>(v.as_int()));
  return out;
}

SamplingParams params_of(const Json& j) {
  SamplingParams p;
  const auto real = [&](const char* key, double& to) { if (const Json* v = j.find(key)) to = v->as_double(); };
  const auto integer = [&](const char* key, int64_t& to) { if (const Json* v = j.find(key)) to = v->as_int(); };
  real("temperature", p.temperature);
  integer("top_k", p.top_k);
  real("top_p", p.top_p);
  real("min_p", p.min_p);
  real("typical_p", p.typical_p);
  real("repetition_penalty", p.repetition_penalty);
  integer("no_repeat_ngram", p.no_repeat_ngram);
  integer("min_tokens", p.min_tokens);
  if (const Json* bias = j.find("logit_bias"))
    for (const Json& b : bias->as_array())
      p.logit_bias.emplace_back(b.as_array()[0].as_int(), static_cast<float>(b.as_array()[1].as_double()));
  if (const Json* words = j.find("bad_words"))
    for (const Json& w : words->as_array()) p.bad_words.push_back(ids_of(w));
  return p;
}

struct GoldenCase {
  SamplingParams params;
  std::vector<int32_t> prompt, output;
  std::vector<float> logits;
  std::vector<uint32_t> allowed;

  explicit GoldenCase(const Json& j) : params(params_of(j.at("params"))), prompt(ids_of(j.at("prompt"))),
                                       output(ids_of(j.at("output"))) {
    for (const Json& v : j.at("logits").as_array()) logits.push_back(static_cast<float>(v.as_double()));
    if (!j.contains("allowed")) return;
    allowed.resize((logits.size() + 31) / 32);
    for (const int32_t id : ids_of(j.at("allowed"))) allowed[static_cast<size_t>(id) / 32] |= uint32_t{1} << (id % 32);
  }
  SequenceSampler sampler(int32_t eos) const {
    SequenceSampler s(params, std::vector<int32_t>{eos}, static_cast<int64_t>(logits.size()), 1);
    s.prompt(prompt);
    for (const int32_t t : output) s.accept(t);
    return s;
  }
};

TEST(Sampler, EqualsTransformers) {
  const Json file = parse_json(read_file(MAINSPRING_SOURCE_DIR "/tests/unit/engine/goldens/sampler.json"), "goldens");
  const auto eos = static_cast<int32_t>(file.at("eos").as_int());
  size_t n = 0;
  for (const Json& j : file.at("cases").as_array()) {
    SCOPED_TRACE(j.at("params").dump());
    GoldenCase c(j);
    auto logits = c.logits;
    std::map<int32_t, float> found;
    for (const TokenLogprob& t : c.sampler(eos).distribution(logits, c.allowed)) found[t.id] = t.logprob;
    const auto kept = ids_of(j.at("kept"));
    const auto& logprobs = j.at("logprobs").as_array();
    for (size_t i = 0; i < kept.size(); ++i) {
      const double expected = logprobs[i].as_double();
      if (expected < -80) {
        found.erase(kept[i]);  // no weight in float: may be left out
        continue;
      }
      ASSERT_TRUE(found.contains(kept[i])) << "token " << kept[i];
      EXPECT_NEAR(found[kept[i]], expected, 3e-5 + 2e-6 * std::fabs(expected));
      found.erase(kept[i]);
    }
    EXPECT_TRUE(found.empty()) << "token " << found.begin()->first << " should be filtered";

    c.params.top_logprobs = 20;
    logits = c.logits;
    TokenLogprobs out;
    c.sampler(eos).sample(logits, &out, c.allowed);
    const auto& top = j.at("top").as_array();
    ASSERT_EQ(out.top.size(), top.size());
    for (size_t i = 0; i < top.size(); ++i) {
      EXPECT_EQ(out.top[i].id, top[i].as_array()[0].as_int());
      EXPECT_NEAR(out.top[i].logprob, top[i].as_array()[1].as_double(), 3e-5);
    }
    ++n;
  }
  EXPECT_EQ(n, 70u);
}

// The filters by their definition, in double, with full sorts.
std::map<int32_t, double> naive(const std::vector<float>& logits, const SamplingParams& p) {
  struct Item { int32_t id; double x, w, key; };
  std::vector<Item> items;
  const double largest = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < logits.size(); ++i) {
    const double x = (static_cast<double>(logits[i]) - largest) / p.temperature;
    items.push_back({static_cast<int32_t>(i), x, std::exp(x), x});
  }
  const auto total = [&] { return std::accumulate(items.begin(), items.end(), 0.0, [](double s, const Item& i) { return s + i.w; }); };
  const auto best_first = [&] {
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.key != b.key ? a.key > b.key : a.id < b.id; });
  };
  const auto cut_mass = [&](double mass) {
    best_first();
    double sum = 0;
    size_t n = 0;
    while (n < items.size() && sum < mass) sum += items[n++].w;
    items.resize(n);
  };
  best_first();
  if (p.top_k > 0 && items.size() > static_cast<size_t>(p.top_k)) items.resize(static_cast<size_t>(p.top_k));
  if (p.top_p < 1) cut_mass(p.top_p * total());
  if (p.min_p > 0) std::erase_if(items, [&](const Item& i) { return i.w < p.min_p; });
  if (p.typical_p < 1) {
    const double z = total();
    double entropy = 0;
    for (const Item& i : items) entropy -= i.w / z * (i.x - std::log(z));
    for (Item& i : items) i.key = -std::fabs(-(i.x - std::log(z)) - entropy);
    cut_mass(p.typical_p * z);
  }
  const double z = total();
  std::map<int32_t, double> out;
  for (const Item& i : items) out[i.id] = i.w / z;
  return out;
}

TEST(Sampler, EqualsTheNaiveOracleOnLargeVocabularies) {
  std::mt19937 rng(11);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 280; ++round) {
    // The largest is cut and not listed where the filters leave much of it.
    const size_t vocab = std::vector<size_t>{1, 63, 500, 2049, 5000, 20000, 50000}[static_cast<size_t>(round % 7)];
    const float spread = std::vector<float>{0.01f, 1, 3, 8}[rng() % 4];
    const bool ties = rng() % 3 == 0;
    std::vector<float> logits(vocab);
    for (float& x : logits) {
      x = spread * normal(rng);
      if (ties) x = std::round(x * 2) / 2;
    }
    SamplingParams p;
    if (rng() % 2) p.temperature = 0.2 + static_cast<double>(rng() % 30) / 10;
    if (rng() % 2) p.top_k = 1 + static_cast<int64_t>(rng() % (rng() % 2 ? 50 : 6000));
    if (rng() % 2) p.top_p = 0.05 + static_cast<double>(rng() % 95) / 100;
    if (rng() % 4 == 0) p.min_p = 0.001 * static_cast<double>(1 + rng() % 200);
    if (rng() % 4 == 0) p.typical_p = 0.05 + static_cast<double>(rng() % 95) / 100;
    SCOPED_TRACE(testing::Message() << "round " << round << " vocab " << vocab << " spread " << spread << " ties " << ties
                 << " T " << p.temperature << " k " << p.top_k << " p " << p.top_p << " min " << p.min_p << " typ " << p.typical_p);
    auto expected = naive(logits, p);
    const auto n_expected = std::count_if(expected.begin(), expected.end(), [](auto& e) { return e.second > 1e-30; });
    SequenceSampler s(p, {}, static_cast<int64_t>(vocab), 1);
    const auto found = s.distribution(logits);
    double difference = 0;  // total variation: rounding may move the border by one token
    for (const TokenLogprob& t : found) {
      difference += std::fabs(std::exp(static_cast<double>(t.logprob)) - expected[t.id]);
      expected.erase(t.id);
    }
    for (const auto& [id, q] : expected) difference += q;
    EXPECT_LT(difference, vocab > 1000 ? 2e-3 : 1e-5);
    // Tokens without weight in float may be left out.
    const auto n_found = std::count_if(found.begin(), found.end(), [](auto& t) { return t.logprob > std::log(1e-30); });
    if (p.typical_p == 1) {
      EXPECT_NEAR(static_cast<double>(n_found), static_cast<double>(n_expected), 1.0);
    }
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), [](auto& a, auto& b) { return a.id < b.id; }));
    const int32_t drawn = s.sample(logits);
    EXPECT_TRUE(std::any_of(found.begin(), found.end(), [&](auto& t) { return t.id == drawn; }));
  }
}

// Rows where sets of a given mass hold thousands of tokens: every draw is the token at its place in the cumulated
// distribution, by id, whichever way the set is kept.
TEST(Sampler, DrawsFromLargeSetsFollowTheCumulatedDistribution) {
  std::mt19937 rng(21);
  std::normal_distribution<float> normal;
  constexpr size_t kVocab = 60000;
  for (int kind = 0; kind < 10; ++kind) {
    std::vector<float> row(kVocab);
    for (float& x : row) {
      x = 2.5f * normal(rng);
      if (kind == 4) x = std::round(x * 4) / 4;  // ties at the cut
      if (kind == 5) x = 1.0f;                   // nothing but ties
      if (kind == 6 && rng() % 50 == 0) x = -std::numeric_limits<float>::infinity();
    }
    if (kind == 7) row[777] = 22;  // one token with a good part of the mass
    SamplingParams p;
    p.seed = 5;
    p.temperature = kind == 9 ? 1.7 : 1.0;
    p.top_p = std::vector<double>{0.95, 0.5, 1.0, 0.9, 0.9, 0.7, 0.9, 0.9, 0.999999, 0.95}[static_cast<size_t>(kind)];
    p.typical_p = std::vector<double>{1.0, 1.0, 0.9, 0.8, 1.0, 0.6, 0.95, 0.5, 1.0, 0.97}[static_cast<size_t>(kind)];
    SCOPED_TRACE(testing::Message() << "kind " << kind);
    SequenceSampler s(p, {}, kVocab, 1);
    auto logits = row;
    const auto set = s.distribution(logits);
    const auto expected = naive(row, p);
    EXPECT_NEAR(static_cast<double>(set.size()), static_cast<double>(expected.size()), 2.0 + 1e-4 * kVocab);
    std::vector<double> upto;
    double sum = 0;
    for (const TokenLogprob& t : set) upto.push_back(sum += std::exp(static_cast<double>(t.logprob)));
    for (uint64_t i = 0; i < 200; ++i) {
      logits = row;
      const int32_t drawn = s.sample(logits);
      s.accept(drawn);
      const double place = random_uniform(5, i) * sum;
      const auto at = static_cast<size_t>(std::upper_bound(upto.begin(), upto.end(), place) - upto.begin());
      // Rounding may move a draw that falls next to a border over it.
      const bool near = set[at].id == drawn || (at > 0 && set[at - 1].id == drawn && place - upto[at - 1] < 1e-6) ||
                        (at + 1 < set.size() && set[at + 1].id == drawn && upto[at] - place < 1e-6);
      EXPECT_TRUE(near) << "draw " << i << " gave " << drawn << ", its place is that of " << set[at].id;
    }
  }
}

TEST(Sampler, GreedyTakesTheLowestOfEqualIds) {
  for (const size_t n : {1, 5, 64, 65, 1000}) {
    SamplingParams p;
    p.temperature = 0;
    std::vector<float> logits(n, 1.5f);
    EXPECT_EQ(SequenceSampler(p, {}, static_cast<int64_t>(n), 0).sample(logits), 0);
    if (n < 3) continue;
    logits[n - 1] = logits[n - 2] = 2.0f;
    logits[0] = kNan;  // never the largest
    EXPECT_EQ(SequenceSampler(p, {}, static_cast<int64_t>(n), 0).sample(logits), static_cast<int32_t>(n - 2));
  }
}

TEST(Sampler, RowsWithoutADistributionAreErrors) {
  SamplingParams p;
  const auto code_of = [&](std::vector<float> logits, int64_t vocab) {
    try {
      SequenceSampler(p, {}, vocab, 0).sample(logits);
    } catch (const Error& e) {
      return e.code();
    }
    return Code::kCancelled;
  };
  for (const double temperature : {0.0, 1.0}) {
    p.temperature = temperature;
    EXPECT_EQ(code_of(std::vector<float>(100, kNan), 100), Code::kInternal);
    EXPECT_EQ(code_of(std::vector<float>(100, -kInf), 100), Code::kInternal);
    EXPECT_EQ(code_of({1, kInf, 2}, 3), Code::kInternal);
    EXPECT_EQ(code_of({1, 2, 3}, 4), Code::kInternal);
    EXPECT_EQ(code_of({kNan, 2, -kInf}, 3), Code::kCancelled);
  }
  std::vector<float> logits{kNan, 2, -kInf};
  for (uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(SequenceSampler({}, {}, 3, seed).sample(logits), 1);
}

// Pearson's statistic of `counts` against probabilities; tokens of small expectation must be rare themselves.
double chi_square(const std::vector<int>& counts, const std::vector<double>& p, int n) {
  double chi = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] > 0) {
      chi += (counts[i] - n * p[i]) * (counts[i] - n * p[i]) / (n * p[i]);
    } else {
      EXPECT_EQ(counts[i], 0);
    }
  }
  return chi;
}

TEST(Sampler, DrawsFollowTheDistribution) {
  constexpr int kVocab = 200, kDraws = 40000;
  std::mt19937 rng(3);
  std::vector<float> logits(kVocab);
  for (float& x : logits) x = static_cast<float>(rng() % 1000) / 500.0f;
  SamplingParams plain, top_p, hot;
  top_p.top_p = 0.6;
  hot.temperature = 4;
  hot.min_p = 0.7;
  for (const SamplingParams& p : {plain, top_p, hot}) {
    std::vector<double> expected(kVocab, 0.0);
    for (const auto& [id, q] : naive(logits, p)) expected[static_cast<size_t>(id)] = q;
    const auto df = static_cast<double>(std::count_if(expected.begin(), expected.end(), [](double q) { return q > 0; }) - 1);
    // Mean df, variance 2 df; 4 standard deviations to both sides.
    const double low = df - 4 * std::sqrt(2 * df), high = df + 4 * std::sqrt(2 * df);
    std::vector<int> by_index(kVocab, 0), by_seed(kVocab, 0);
    SequenceSampler one(p, {}, kVocab, 77);
    for (int i = 0; i < kDraws; ++i) {
      const int32_t t = one.sample(logits);
      ++by_index[static_cast<size_t>(t)];
      one.accept(t);
      ++by_seed[static_cast<size_t>(SequenceSampler(p, {}, kVocab, static_cast<uint64_t>(i)).sample(logits))];
    }
    for (const auto& counts : {by_index, by_seed}) {
      const double chi = chi_square(counts, expected, kDraws);
      EXPECT_GT(chi, low);
      EXPECT_LT(chi, high);
    }
  }
}

TEST(Sampler, TheNthDrawDependsOnSeedAndNumberOnly) {
  std::mt19937 rng(4);
  std::vector<float> logits(3000);
  for (float& x : logits) x = static_cast<float>(rng() % 100) / 50.0f;
  SamplingParams p;
  p.seed = 5;
  SequenceSampler a(p, {}, 3000, 1), b(p, {}, 3000, 2);
  std::vector<int32_t> first;
  for (int i = 0; i < 50; ++i) {
    first.push_back(a.sample(logits));
    EXPECT_EQ(a.sample(logits), first.back());  // sampling a position again changes nothing
    a.accept(7);
  }
  EXPECT_GT(std::set<int32_t>(first.begin(), first.end()).size(), 30u);
  for (int i = 0; i < 30; ++i) b.accept(3);     // replayed after a preemption, with other history
  for (size_t i = 30; i < 50; ++i) {
    EXPECT_EQ(b.sample(logits), first[i]);
    b.accept(1);
  }
  p.seed = 6;
  SequenceSampler c(p, {}, 3000, 1);
  int equal = 0;
  for (const int32_t t : first) {
    equal += c.sample(logits) == t;
    c.accept(0);
  }
  EXPECT_LT(equal, 5);
}

TEST(Sampler, PresenceAndFrequencyCountTheOutputOnly) {
  SamplingParams p;
  p.presence_penalty = 0.5;
  p.frequency_penalty = 0.25;
  p.top_logprobs = 4;
  SequenceSampler s(p, {}, 4, 0);
  s.prompt(std::vector<int32_t>{0, 0, 0});
  s.accept(1);
  s.accept(2);
  s.accept(2);
  s.accept(99);  // outside the vocabulary: ignored
  std::vector<float> logits{0, 0, 0, 0};
  s.sample(logits);
  EXPECT_EQ(logits, (std::vector<float>{0, -0.75f, -1.0f, 0}));
}

TEST(Sampler, LogprobsAndRanks) {
  std::mt19937 rng(8);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> logits(9000);
  for (float& x : logits) x = normal(rng);
  double z = 0;
  for (const float x : logits) z += std::exp(static_cast<double>(x));
  EXPECT_NEAR(log_sum_exp(logits), std::log(z), 1e-6);
  EXPECT_EQ(log_sum_exp(std::vector<float>{-kInf, -kInf}), -kInf);
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  for (const int32_t top : {0, 1, 5, 100, 1024}) {
    const size_t place = rng() % logits.size();
    const TokenLogprobs r = logprobs_of(logits, order[place], top);
    EXPECT_EQ(r.rank, static_cast<int64_t>(place) + 1);
    EXPECT_NEAR(r.chosen.logprob, logits[static_cast<size_t>(order[place])] - std::log(z), 1e-5);
    ASSERT_EQ(r.top.size(), static_cast<size_t>(top));
    for (size_t i = 0; i < r.top.size(); ++i) EXPECT_EQ(r.top[i].id, order[i]);
  }
  EXPECT_EQ(logprobs_of(std::vector<float>{1, 1, 1, 0}, 1, 10).rank, 2);
  EXPECT_EQ(logprobs_of(std::vector<float>{1, -kInf, 1}, 1, 10).top.size(), 2u);
  EXPECT_THROW(logprobs_of(logits, 9000, 1), Error);
  EXPECT_THROW(logprobs_of(std::vector<float>{kNan}, 0, 1), Error);
}

TEST(Sampler, SoftBansYieldToTheGrammarAndBadWordsDoNot) {
  const std::vector<uint32_t> only_eos{1u << 2};
  const std::vector<int32_t> eos{2};
  SamplingParams p;
  p.min_tokens = 5;
  std::vector<float> logits{1, 2, 3, 4};
  EXPECT_EQ(SequenceSampler(p, eos, 4, 0).sample(logits, nullptr, only_eos), 2);
  EXPECT_EQ(logits[3], -kInf);
  p.bad_words = {{2}};
  logits = {1, 2, 3, 4};
  SequenceSampler strict(p, eos, 4, 0);
  try {
    strict.sample(logits, nullptr, only_eos);
    FAIL() << "a bad word was sampled";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kInvalidInput);
  }
}

TEST(Sampler, MinTokensHoldsBackEveryEnd) {
  SamplingParams p;
  p.temperature = 0;
  p.min_tokens = 2;
  p.stop_ids = {3};
  const std::vector<int32_t> eos{2};
  SequenceSampler s(p, eos, 4, 0);
  const std::vector<int32_t> expected{1, 1, 3};
  for (const int32_t want : expected) {
    std::vector<float> logits{1, 2, 3, 4};
    const int32_t t = s.sample(logits);
    EXPECT_EQ(t, want);
    s.accept(t);
  }
  p.ignore_eos = true;  // then eos ends nothing and is a token like another
  std::vector<float> logits{1, 2, 3, 4};
  EXPECT_EQ(SequenceSampler(p, eos, 4, 0).sample(logits), 2);
}

TEST(Sampler, RepeatedNgramsByBruteForce) {
  std::mt19937 rng(21);
  for (int round = 0; round < 200; ++round) {
    SamplingParams p;
    p.no_repeat_ngram = 1 + static_cast<int64_t>(rng() % 5);
    const auto n = static_cast<size_t>(p.no_repeat_ngram);
    SequenceSampler s(p, {}, 8, 0);
    std::vector<int32_t> all;
    for (size_t length = rng() % 60; length > 0; --length) {
      all.push_back(static_cast<int32_t>(rng() % 4));
      s.accept(all.back());
    }
    std::vector<float> logits(8, 0.0f);
    s.sample(logits);
    for (int32_t t = 0; t < 8; ++t) {
      auto next = all;
      next.push_back(t);
      bool repeats = false;
      for (size_t at = 0; next.size() > n && at + n < next.size(); ++at)
        repeats |= std::equal(next.begin() + static_cast<std::ptrdiff_t>(at), next.begin() + static_cast<std::ptrdiff_t>(at + n),
                              next.end() - static_cast<std::ptrdiff_t>(n));
      EXPECT_EQ(logits[static_cast<size_t>(t)] == -kInf, repeats) << "token " << t << " n " << n << " length " << all.size();
    }
  }
}

TEST(SamplingParams, RangesAreChecked) {
  const auto refused = [](auto change) {
    SamplingParams p;
    change(p);
    try {
      validate(p, 100);
    } catch (const Error& e) {
      return e.code() == Code::kInvalidInput;
    }
    return false;
  };
  EXPECT_FALSE(refused([](SamplingParams&) {}));
  EXPECT_FALSE(refused([](SamplingParams& p) { p.temperature = 0; p.top_logprobs = 1024; p.min_p = 1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.temperature = -0.1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.temperature = std::nan(""); }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.top_k = -1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.top_p = 0; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.top_p = 1.01; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.min_p = -0.1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.typical_p = 0; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.repetition_penalty = 0; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.presence_penalty = 2.1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.frequency_penalty = -2.1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.no_repeat_ngram = -1; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.logit_bias = {{100, 1.0f}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.logit_bias = {{1, kInf}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.bad_words = {{}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.bad_words = {{1, -1}}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.max_tokens = -2; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.max_tokens = 3; p.min_tokens = 4; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.stops = {""}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.stop_ids = {100}; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.top_logprobs = 1025; }));
  EXPECT_TRUE(refused([](SamplingParams& p) { p.top_logprobs = -2; }));
}

}  // namespace
}  // namespace mainspring
