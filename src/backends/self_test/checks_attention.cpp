// Checks of KvWrite and Attention.
#include <algorithm>

#include "backends/self_test/attention_scenario.h"
#include "backends/self_test/checks.h"
#include "backends/self_test/checks_detail.h"

namespace mainspring::self_test {

namespace {

constexpr KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kBf16, KvFormat::kF16,
                                 KvFormat::kInt8, KvFormat::kK8V4, KvFormat::kInt4};

std::string against_reference(Device& ref, Device& device, const AttentionShape& shape, unsigned seed = 1) {
  const Scenario scenario(shape, seed);
  const std::vector<float> expected = scenario.run(ref, whole(shape));
  for (float x : expected)
    if (!std::isfinite(x)) return "the reference itself is not finite: " + shape.text();
  return near(shape.text(), scenario.run(device, whole(shape)), expected,
              ops::attention_tolerance(shape.format) * std::max(1.0f, shape.sharpness));
}

// The same bits whether prompts run whole, alone, in chunks, token by token or mixed.
std::string invariance(Device& device, const AttentionShape& shape) {
  const Scenario scenario(shape, 3);
  const std::vector<float> expected = scenario.run(device, whole(shape));
  const std::pair<const char*, Steps> others[] = {{"alone", one_by_one(shape)},
                                                  {"chunks of 1", chunked(shape, 1)},
                                                  {"chunks of 17", chunked(shape, 17)},
                                                  {"chunks of 64", chunked(shape, 64)},
                                                  {"ragged", ragged(shape, 7)}};
  for (const auto& [name, steps] : others)
    if (auto e = same_bits(cat(shape.text(), ", ", name), scenario.run(device, steps), expected); !e.empty()) return e;
  return "";
}

std::string all_formats(Device& ref, Device& device, AttentionShape shape) {
  for (KvFormat f : kFormats) {
    shape.format = f;
    if (auto e = against_reference(ref, device, shape); !e.empty()) return e;
  }
  return "";
}

}  // namespace

std::string attention_formats(Device& ref, Device& device) {
  for (const auto& lengths : {std::vector<int>{1}, {31}, {32}, {33}, {100, 1, 65}, {5, 5, 5, 5, 5, 5, 5}})
    if (auto e = all_formats(ref, device, {.heads = 4, .kv_heads = 2, .d = 64, .lengths = lengths}); !e.empty())
      return e;
  return "";
}

std::string attention_groups(Device& ref, Device& device) {
  for (const int group : {1, 3, 7, 8, 13, 71})
    for (const int kv_heads : {1, 3})
      if (auto e =
              all_formats(ref, device, {.heads = group * kv_heads, .kv_heads = kv_heads, .d = 32, .lengths = {75, 2}});
          !e.empty())
        return e;
  return "";
}

std::string attention_head_dims(Device& ref, Device& device) {
  for (const int d : {1, 2, 7, 8, 16, 24, 63, 64, 80, 96, 112, 128, 192, 256, 576})
    if (auto e = all_formats(ref, device, {.heads = 3, .kv_heads = 1, .d = d, .lengths = {45, 3}}); !e.empty())
      return e;
  return "";
}

std::string attention_masks(Device& ref, Device& device) {
  for (const int window : {0, 1, 2, 31, 32, 33, 40, 100, 1000})
    for (const float softcap : {0.0f, 5.0f})
      if (auto e = all_formats(ref, device, {.heads = 6, .kv_heads = 2, .d = 48, .window = window, .softcap = softcap,
                                             .sinks = window % 2 == 0, .lengths = {150, 20}});
          !e.empty())
        return e;
  return "";
}

// Scores of several hundred.
std::string attention_sharp(Device& ref, Device& device) {
  return all_formats(ref, device, {.heads = 4, .kv_heads = 2, .d = 64, .sharpness = 100.0f, .lengths = {140, 3}});
}

// Keys and values past the range of f16, which keeps the nearest number it has.
std::string attention_range(Device& ref, Device& device) {
  return all_formats(ref, device, {.heads = 4, .kv_heads = 2, .d = 32, .sharpness = 1e-5f, .size = 1e5f,
                                   .lengths = {70, 3}});
}

// Several chunks, so that merging is at work, with and without a window that skips whole chunks.
std::string attention_long(Device& ref, Device& device) {
  for (const int window : {0, 700})
    for (const KvFormat f : kFormats) {
      const AttentionShape shape{.heads = 2, .kv_heads = 1, .d = 16, .format = f, .window = window, .sinks = window > 0,
                                 .lengths = {1700, 40}};
      if (auto e = against_reference(ref, device, shape); !e.empty()) return e;
    }
  return "";
}

std::string attention_invariance(Device&, Device& device) {
  for (const KvFormat f : kFormats)
    for (const int window : {0, 45}) {
      const AttentionShape shape{.heads = 6,
                                 .kv_heads = 2,
                                 .d = 40,
                                 .format = f,
                                 .window = window,
                                 .softcap = window ? 9.0f : 0.0f,
                                 .sinks = window > 0,
                                 .lengths = {130, 1, 77, 33}};
      if (auto e = invariance(device, shape); !e.empty()) return e;
    }
  const AttentionShape longer{.heads = 3, .kv_heads = 1, .d = 64, .lengths = {1100, 530}};
  const Scenario scenario(longer, 4);
  const std::vector<float> expected = scenario.run(device, whole(longer));
  // A long prompt, then single tokens: the steps that run chunks in parallel.
  Steps steps = {{{0, 1090}}};
  for (int i = 0; i < 10; ++i) steps.push_back({{0, 1}});
  steps.push_back({{1, 530}});
  return same_bits(longer.text() + ", decode", scenario.run(device, steps), expected);
}

// A NaN in token p of a sequence is in every later result (that is what it must look like) and in no earlier one.
std::string attention_poison(Device&, Device& device) {
  for (const KvFormat f : {KvFormat::kF32, KvFormat::kBf16, KvFormat::kF16}) {
    const AttentionShape shape{.heads = 4, .kv_heads = 2, .d = 24, .format = f, .lengths = {90, 50}};
    const Scenario clean(shape, 6);
    const std::vector<float> expected = clean.run(device, whole(shape));
    for (const int token : {5, 31, 32, 63, 89}) {
      Scenario poisoned(shape, 6);
      poisoned.poison(0, token);
      const std::vector<float> got = poisoned.run(device, whole(shape));
      const size_t width = 4 * 24, bad = static_cast<size_t>(token);
      for (size_t i = 0; i < got.size(); ++i) {
        const size_t row = i / width;
        const bool hit = row >= bad && row < 90;
        if (hit != std::isnan(got[i]))
          return cat(shape.text(), ": NaN in token ", token, " and row ", row, " is ", got[i]);
        if (!hit && std::memcmp(&got[i], &expected[i], 4) != 0)
          return cat("NaN in token ", token, " changes row ", row);
      }
    }
  }
  return "";
}

std::string same_results(Device& a, Device& b) {
  for (const KvFormat f : kFormats) {
    const AttentionShape shape{.heads = 6, .kv_heads = 2, .d = 64, .format = f, .lengths = {1200, 7, 300}};
    const Scenario scenario(shape, 8);
    Steps steps = chunked(shape, 250);
    const std::vector<float> expected = scenario.run(a, steps);
    if (auto e = same_bits(shape.text(), scenario.run(b, steps), expected); !e.empty()) return e;
    // Few tasks, long context: one device runs the chunks in parallel.
    const AttentionShape single{.heads = 3,
                                .kv_heads = 1,
                                .d = 64,
                                .format = f,
                                .window = f == KvFormat::kF32 ? 900 : 0,
                                .sinks = true,
                                .lengths = {2100}};
    const Scenario decode(single, 9);
    steps = {{{0, 2090}}};
    for (int i = 0; i < 10; ++i) steps.push_back({{0, 1}});
    if (auto e = same_bits(single.text(), decode.run(b, steps), decode.run(a, steps)); !e.empty()) return e;
  }
  Random rng(1);
  Values x = Values::normal(rng, 300, 2, 700), weight = Values::normal(rng, 1, 1, 1400);
  std::vector<float> results[2];
  int i = 0;
  for (Device* d : {&a, &b}) {
    Values out(300, 1, 700), norm(300, 1, 1400);
    run(*d, ops::GatedAct{out.matrix(), x.matrix(), ops::Activation::kSilu});
    run(*d, ops::RmsNorm{norm.matrix(), x.matrix(), weight.vector(), 1e-6f, 0.0f});
    results[i] = out.data;
    results[i].insert(results[i].end(), norm.data.begin(), norm.data.end());
    ++i;
  }
  return same_bits("gated_act and rms_norm", results[1], results[0]);
}

}  // namespace mainspring::self_test
