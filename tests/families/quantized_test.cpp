// Load-time quantisation of every family golden: devices agree on the rounded model, and the rounded model is near the
// unrounded one. Goldens have random weights, which 4 bits distort more than those of a trained model.
#include <gtest/gtest.h>

#include "families/family_case.h"

namespace mainspring {
namespace {

std::vector<std::vector<float>> logits_of(const FamilyCase& golden, const RunSetup& setup) {
  RunningModel m = open_model(golden.path, setup);
  return run_tokens(*m.runner, golden.prompts.front().ids, 0);
}

double mean_kl(const std::vector<std::vector<float>>& expected, const std::vector<std::vector<float>>& found) {
  double sum = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    sum += kl(expected[i].data(), found[i].data(), static_cast<int64_t>(expected[i].size()));
  return sum / static_cast<double>(expected.size());
}

class QuantizedFamilies : public testing::TestWithParam<std::string> {};

TEST_P(QuantizedFamilies, DevicesAgreeOnFourBits) {
  const FamilyCase golden = load_family_case(GetParam());
  RunSetup setup{.device = "ref", .quantize = parse_quantize("w4", 0, "")};
  const auto expected = logits_of(golden, setup);
  setup.device = "cpu";
  for (const std::string& isa : usable_isas()) {
    setup.isa = isa;
    EXPECT_LE(mean_kl(expected, logits_of(golden, setup)), 1e-6) << isa << ": fp32 sums of the same codes";
  }
}

TEST_P(QuantizedFamilies, EightBitsAreNearTheOriginal) {
  const FamilyCase golden = load_family_case(GetParam());
  RunSetup setup{.device = "ref"};
  const auto plain = logits_of(golden, setup);
  setup.quantize = parse_quantize("w8a8", 0, "");
  const auto weights = logits_of(golden, setup);   // f32: only the weights are rounded
  setup.compute = ComputeType::kBf16;
  const auto both = logits_of(golden, setup);      // and the activations
  setup.quantize = parse_quantize("", 0, "");
  const bool has_dense = logits_of(golden, setup) != plain;
  if (has_dense) {
    EXPECT_GT(mean_kl(plain, weights), 0) << "nothing was rounded";
    EXPECT_GT(mean_kl(weights, both), 0) << "no activation was rounded";
  }
  EXPECT_LE(mean_kl(plain, weights), 2e-3);
  EXPECT_LE(mean_kl(plain, both), 5e-3);
}

INSTANTIATE_TEST_SUITE_P(Golden, QuantizedFamilies, testing::ValuesIn(family_case_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace mainspring
