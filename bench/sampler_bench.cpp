// Microseconds to sample from one row of logits, per kind of request: median and 95th percentile.
//
// Usage: sampler_bench [vocabulary size = 151936] [rows = 400] [only what has this in "KIND rows, REQUEST"]
// Two kinds of rows: "peaked" falls off by rank as a language model's do, "flat" is normal noise, where sets of a given
// mass hold tens of thousands of tokens: the worst case.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "engine/sampler_scan.h"

namespace {

using namespace mainspring;
using Clock = std::chrono::steady_clock;

// Sink for results, so that nothing is optimised away.
uint64_t checksum = 0;

std::vector<float> make_row(std::mt19937& rng, size_t vocab, bool peaked) {
  std::normal_distribution<float> normal;
  std::vector<float> row(vocab);
  if (!peaked) {
    for (float& x : row) x = 2.5f * normal(rng);
    return row;
  }
  // Probability about rank^-1.5 over noise: a few dozen tokens hold 95 %.
  std::vector<uint32_t> order(vocab);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), rng);
  for (size_t r = 0; r < vocab; ++r) row[order[r]] = 15.0f - 1.5f * std::log(static_cast<float>(r + 1)) + 0.3f * normal(rng);
  return row;
}

void measure(const char* name, const SamplingParams& params, const std::vector<std::vector<float>>& rows, int repeats) {
  const size_t vocab = rows[0].size();
  SequenceSampler sampler(params, std::vector<int32_t>{2}, static_cast<int64_t>(vocab), 1);
  std::vector<int32_t> prompt(1000);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int32_t>(i * 7 % vocab);
  sampler.prompt(prompt);
  std::vector<float> logits(vocab);
  std::vector<double> us;
  for (int i = 0; i < repeats; ++i) {
    const auto& row = rows[static_cast<size_t>(i) % rows.size()];
    std::memcpy(logits.data(), row.data(), vocab * sizeof(float));  // warm in the cache, as after the last matrix product
    TokenLogprobs out;
    const auto start = Clock::now();
    const int32_t token = sampler.sample(logits, params.top_logprobs >= 0 ? &out : nullptr);
    us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    sampler.accept(token);
    checksum += static_cast<uint64_t>(token) + out.top.size();
  }
  std::sort(us.begin(), us.end());
  std::printf("  %-34s %9.1f %9.1f\n", name, us[us.size() / 2], us[us.size() * 95 / 100]);
}

size_t argument(int argc, char** argv, int i, size_t fallback) {
  size_t value = fallback;
  if (i < argc) std::from_chars(argv[i], argv[i] + std::strlen(argv[i]), value);
  return std::max<size_t>(value, 1);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t vocab = argument(argc, argv, 1, 151936);
  const int repeats = static_cast<int>(argument(argc, argv, 2, 400));
  const char* only = argc > 3 ? argv[3] : "";
  std::printf("vocabulary %zu, kernels %s; microseconds per row\n", vocab, scan_kernels().name);
  std::mt19937 rng(1);
  for (const bool peaked : {true, false}) {
    std::vector<std::vector<float>> rows;
    for (int i = 0; i < 8; ++i) rows.push_back(make_row(rng, vocab, peaked));
    std::printf("%-36s %9s %9s\n", peaked ? "peaked rows" : "flat rows", "median", "p95");
    const auto row = [&](const char* name, auto change) {
      const std::string full = std::string(peaked ? "peaked" : "flat") + " rows, " + name;
      if (full.find(only) == std::string::npos) return;
      SamplingParams p;
      change(p);
      measure(name, p, rows, repeats);
    };
    row("greedy", [](SamplingParams& p) { p.temperature = 0; });
    row("temperature 0.8", [](SamplingParams& p) { p.temperature = 0.8; });
    row("top-k 40", [](SamplingParams& p) { p.top_k = 40; });
    row("top-k 40, top-p 0.95, T 0.8", [](SamplingParams& p) { p.top_k = 40, p.top_p = 0.95, p.temperature = 0.8; });
    row("top-p 0.95", [](SamplingParams& p) { p.top_p = 0.95; });
    row("min-p 0.05", [](SamplingParams& p) { p.min_p = 0.05; });
    row("typical-p 0.9", [](SamplingParams& p) { p.typical_p = 0.9; });
    row("all penalties, top-p 0.95", [](SamplingParams& p) {
      p.repetition_penalty = 1.1, p.presence_penalty = 0.5, p.frequency_penalty = 0.2, p.no_repeat_ngram = 4, p.top_p = 0.95;
    });
    row("greedy, 20 top logprobs", [](SamplingParams& p) { p.temperature = 0, p.top_logprobs = 20; });
    row("greedy, 1024 top logprobs", [](SamplingParams& p) { p.temperature = 0, p.top_logprobs = 1024; });
  }
  std::printf("(checksum %llu)\n", static_cast<unsigned long long>(checksum));
}
