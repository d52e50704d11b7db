// Results on the CPU do not depend on batch composition, chunking, block placement or thread count: bit for bit.
#include <gtest/gtest.h>

#include <cstring>

#include "families/family_case.h"

namespace mainspring {
namespace {

struct Setting {
  std::string golden;
  std::string isa;
  ComputeType compute;
  KvFormat kv;
};

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const std::string& g : family_case_names())
    for (const std::string& isa : usable_isas()) {
      all.push_back({g, isa, ComputeType::kF32, KvFormat::kF32});
      all.push_back({g, isa, ComputeType::kBf16, KvFormat::kBf16});
      all.push_back({g, isa, ComputeType::kBf16, KvFormat::kF16});
      all.push_back({g, isa, ComputeType::kBf16, KvFormat::kInt8});
      all.push_back({g, isa, ComputeType::kF16, KvFormat::kK8V4});
      all.push_back({g, isa, ComputeType::kF16, KvFormat::kInt4});
    }
  return all;
}

std::string setting_name(const testing::TestParamInfo<Setting>& info) {
  const Setting& s = info.param;
  return s.golden + "_" + s.isa + "_" + compute_type_name(s.compute) + "_kv" + kv_format_name(s.kv);
}

class Invariance : public testing::TestWithParam<Setting> {
 protected:
  RunningModel open(int threads) const {
    const Setting& s = GetParam();
    return open_model(load_family_case(s.golden).path, {.isa = s.isa, .threads = threads, .compute = s.compute, .kv = s.kv});
  }
};

using Rows = std::vector<std::vector<float>>;

void expect_same(const Rows& a, const Rows& b, const char* what) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_EQ(0, std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float))) << what << ", position " << i;
}

// All prompts in one plan per round, `chunk` tokens of each, blocks handed out interleaved.
std::vector<Rows> run_mixed(ModelRunner& runner, const std::vector<FamilyCase::Prompt>& prompts, int chunk) {
  std::vector<Rows> out(prompts.size());
  const auto n_prompts = static_cast<int32_t>(prompts.size());
  for (bool more = true; more;) {
    more = false;
    BatchPlan plan;
    for (int32_t p = 0; p < n_prompts; ++p) {
      const auto& ids = prompts[p].ids;
      const auto start = static_cast<int32_t>(out[p].size()), total = static_cast<int32_t>(ids.size());
      if (start == total) continue;
      const int32_t n = std::min(chunk + p, total - start);  // a different chunk for each
      PlannedSequence s;
      s.id = static_cast<SequenceId>(p + 1);
      s.tokens.assign(ids.begin() + start, ids.begin() + start + n);
      s.start = start;
      s.prompt_length = total;
      for (int32_t b = 0; b * kBlockTokens < start + n; ++b) s.blocks.push_back(b * n_prompts + p);
      s.sample = s.all_logits = true;
      plan.sequences.push_back(std::move(s));
      more = true;
    }
    if (!more) break;
    const ModelRunner::Logits logits = runner.step(plan);
    for (size_t i = 0; i < plan.sequences.size(); ++i)
      for (size_t k = 0; k < plan.sequences[i].tokens.size(); ++k) {
        const auto row = logits.row(logits.row_of[i] + static_cast<int64_t>(k));
        out[plan.sequences[i].id - 1].emplace_back(row.begin(), row.end());
      }
  }
  return out;
}

TEST_P(Invariance, ChunksBatchesBlocksAndThreads) {
  const FamilyCase golden = load_family_case(GetParam().golden);
  RunningModel one = open(1), two = open(2);
  std::vector<Rows> alone;
  for (const FamilyCase::Prompt& p : golden.prompts) {
    alone.push_back(run_tokens(*one.runner, p.ids, 0));
    expect_same(alone.back(), run_tokens(*two.runner, p.ids, 0), "threads");
    expect_same(alone.back(), run_tokens(*two.runner, p.ids, 1), "token by token");
    expect_same(alone.back(), run_tokens(*one.runner, p.ids, 17, 9), "chunks of 17 in other blocks");
  }
  std::vector<FamilyCase::Prompt> prompts = golden.prompts;
  if (prompts.size() > 8) prompts.resize(8);  // the runner's max_sequences
  const std::vector<Rows> mixed = run_mixed(*two.runner, prompts, 5);
  for (size_t p = 0; p < prompts.size(); ++p) expect_same(alone[p], mixed[p], "mixed batch");
}

INSTANTIATE_TEST_SUITE_P(Golden, Invariance, testing::ValuesIn(settings()), setting_name);

}  // namespace
}  // namespace mainspring
