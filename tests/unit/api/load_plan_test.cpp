// Options to numbers: formats, context and cache within memory.
#include "api/load_plan.h"

#include <gtest/gtest.h>

#include "base/str.h"

namespace mainspring {
namespace {

Config small_config() {
  Config c;
  c.num_layers = 4, c.num_kv_heads = 2, c.head_dim = 64, c.max_position = 8192;
  return c;
}

constexpr size_t kBlockBytes = 1 << 20;

TEST(LoadPlan, ParsesFormats) {
  EXPECT_EQ(parse_compute_type("bf16"), ComputeType::kBf16);
  EXPECT_EQ(parse_compute_type("fp32"), ComputeType::kF32);
  EXPECT_THROW(parse_compute_type("int3"), Error);
  EXPECT_EQ(parse_kv_format("", ComputeType::kF32), KvFormat::kF32);
  EXPECT_EQ(parse_kv_format("", ComputeType::kBf16), KvFormat::kF16);
  EXPECT_EQ(parse_kv_format("", ComputeType::kF16), KvFormat::kF16);
  EXPECT_EQ(parse_kv_format("bf16", ComputeType::kF32), KvFormat::kBf16);
  EXPECT_EQ(parse_kv_format("f16", ComputeType::kF32), KvFormat::kF16);
  EXPECT_EQ(parse_kv_format("k8v4", ComputeType::kBf16), KvFormat::kK8V4);
  EXPECT_EQ(parse_kv_format("int4", ComputeType::kBf16), KvFormat::kInt4);
  EXPECT_THROW(parse_kv_format("int5", ComputeType::kBf16), Error);
}

TEST(LoadPlan, TakesTheModelsContextWhenItFits) {
  const RunnerConfig r = plan_runner({}, small_config(), KvFormat::kBf16, 1024, uint64_t{8} << 30);
  EXPECT_EQ(r.max_context, 8192);
  EXPECT_EQ(r.n_blocks, 8192 / kBlockTokens * r.max_sequences);
}

TEST(LoadPlan, ShrinksTheContextOnlyWhenNobodyAskedForIt) {
  const RunnerConfig r = plan_runner({}, small_config(), KvFormat::kBf16, kBlockBytes, uint64_t{128} << 20);
  EXPECT_EQ(r.max_context, 64 * kBlockTokens);  // half of the memory
  ModelOptions asked;
  asked.context = 8192;
  try {
    plan_runner(asked, small_config(), KvFormat::kBf16, kBlockBytes, uint64_t{128} << 20);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kOutOfMemory);
    EXPECT_EQ(exit_status(e.code()), 3);
    EXPECT_NE(e.message().find("256.0 MiB"), std::string::npos) << e.message();
  }
}

TEST(LoadPlan, AnExplicitCacheSizeIsKept) {
  ModelOptions o;
  o.context = 1024;
  o.kv_bytes = 100 * kBlockBytes;
  EXPECT_EQ(plan_runner(o, small_config(), KvFormat::kBf16, kBlockBytes, uint64_t{64} << 20).n_blocks, 100);
}

TEST(LoadPlan, RefusesOptionsOutOfRange) {
  ModelOptions o;
  o.context = -5;
  EXPECT_THROW(plan_runner(o, small_config(), KvFormat::kBf16, 1024, 1 << 30), Error);
  o = {};
  o.max_sequences = 100'000;
  EXPECT_THROW(plan_runner(o, small_config(), KvFormat::kBf16, 1024, 1 << 30), Error);
}

TEST(LoadPlan, UnknownArchitecturesAreNamed) {
  Config c;
  c.architectures = {"NoSuchForCausalLM"};
  try {
    family_of(c);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kUnsupported);
    EXPECT_NE(e.message().find("NoSuchForCausalLM"), std::string::npos);
    EXPECT_NE(e.message().find("LlamaForCausalLM"), std::string::npos);
  }
}

}  // namespace
}  // namespace mainspring
