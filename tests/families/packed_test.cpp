// Packed files: every family golden, packed and opened again, gives the logits of the direct load, bit for bit.
#include <gtest/gtest.h>

#include <filesystem>

#include "families/family_case.h"
#include "mainspring/engine.h"
#include "unit/weights/builders.h"
#include "weights/config.h"
#include "weights/packed_checkpoint.h"

namespace mainspring {
namespace {

namespace fs = std::filesystem;

// The folder goldens have no tokenizer, and a packed file wants one.
constexpr const char* kTokenizer = R"({"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0},
                                       "merges": []}})";

struct PackRun {
  std::string golden, isa, mode;   // mode: --quantize
  ComputeType compute = ComputeType::kBf16;
};

std::string run_name(const ::testing::TestParamInfo<PackRun>& info) {
  const PackRun& r = info.param;
  return r.golden + "_" + r.isa + "_" + compute_type_name(r.compute) + (r.mode.empty() ? "" : "_" + r.mode);
}

std::vector<PackRun> runs() {
  std::vector<PackRun> all;
  for (const std::string& g : family_case_names())
    for (const std::string& isa : usable_isas()) {
      all.push_back({g, isa, ""});
      all.push_back({g, isa, "w4"});
      all.push_back({g, isa, "", ComputeType::kF32});
      all.push_back({g, isa, "w8a8", ComputeType::kF32});
    }
  return all;
}

std::string with_tokenizer(const std::string& path, const testing::TempFolder& folder) {
  if (!fs::is_directory(path)) return path;
  fs::copy(path, folder.file("model"));
  folder.write("model/tokenizer.json", kTokenizer);
  return folder.file("model");
}

class PackedFamilies : public ::testing::TestWithParam<PackRun> {};

TEST_P(PackedFamilies, LogitsAreThoseOfTheDirectLoad) {
  const PackRun& run = GetParam();
  const FamilyCase golden = load_family_case(run.golden);
  const testing::TempFolder folder;
  ModelOptions options;
  options.model = with_tokenizer(golden.path, folder);
  options.dtype = compute_type_name(run.compute);
  options.quantize = run.mode;
  options.isa = run.isa;
  options.threads = 2;
  const std::string file = folder.file("model.msp");
  const PackResult packed = pack_model(options, file);
  EXPECT_EQ(packed.bytes, fs::file_size(file));

  RunSetup setup{.isa = run.isa, .threads = 2, .compute = run.compute, .quantize = parse_quantize(run.mode, 0, "")};
  RunningModel direct = open_model(golden.path, setup);
  RunningModel mapped = open_model(file, setup);
  for (const FamilyCase::Prompt& p : golden.prompts)
    EXPECT_EQ(run_tokens(*direct.runner, p.ids, 0), run_tokens(*mapped.runner, p.ids, 0));
}

INSTANTIATE_TEST_SUITE_P(Golden, PackedFamilies, ::testing::ValuesIn(runs()), run_name);

TEST(PackedFamilies, TiedHeadsAreThereOnce) {
  for (const std::string& name : family_case_names()) {
    const testing::TempFolder folder;
    ModelOptions options;
    options.model = with_tokenizer(load_family_case(name).path, folder);
    pack_model(options, folder.file("x"));
    const auto source = open_checkpoint(options.model), packed = open_checkpoint(folder.file("x"));
    const bool tied = read_config(source->config(), source->generation_config()).tie_word_embeddings;
    EXPECT_EQ(packed->find("lm_head.weight") == nullptr, tied) << name;
    EXPECT_NE(packed->find("model.embed_tokens.weight"), nullptr) << name;
  }
}

TEST(PackedFamilies, OtherInstructionSetsSayWhatToDo) {
  const auto isas = usable_isas();
  if (isas.size() < 2) GTEST_SKIP() << "skipped 1: this processor has one instruction set";
  const std::string other = isas.back();   // of other vectors than the best: avx512 and amx share a layout
  const FamilyCase golden = load_family_case("llama_gqa3");
  const testing::TempFolder folder;
  ModelOptions options;
  options.model = with_tokenizer(golden.path, folder);
  options.quantize = "w4";   // groups lie in another order for each vector width
  options.isa = other;
  pack_model(options, folder.file("x"));
  options.model = folder.file("x");
  options.quantize = "";
  options.isa = isas[0];
  try {
    Engine::load(options);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kUnsupported);
    EXPECT_NE(e.message().find("packed for cpu " + other), std::string::npos) << e.message();
    EXPECT_NE(e.message().find("use --isa " + other), std::string::npos) << e.message();
    EXPECT_NE(e.message().find("mainspring pack --isa " + isas[0]), std::string::npos) << e.message();
  }
  options.isa = "";   // found by itself
  const auto engine = Engine::load(options);
  EXPECT_NE(engine->info().device.find(other), std::string::npos) << engine->info().device;
  EXPECT_EQ(engine->info().container, "packed");
}

void expect_refused(ModelOptions options, const char* part) {
  try {
    Engine::load(options);
    ADD_FAILURE() << "no error, expected one with " << part;
  } catch (const Error& e) {
    EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
  }
}

TEST(PackedFamilies, WhatIsFixedCannotBeAskedForAgain) {
  const testing::TempFolder folder;
  ModelOptions options;
  options.model = with_tokenizer(load_family_case("qwen2_gqa7").path, folder);
  options.dtype = "f16";
  pack_model(options, folder.file("x"));
  ModelOptions open;
  open.model = folder.file("x");
  EXPECT_EQ(Engine::load(open)->info().dtype, "f16");
  open.dtype = "f32";
  expect_refused(open, "was packed for f16");
  open.dtype = "";
  open.quantize = "w4";
  expect_refused(open, "is packed already");
  open.quantize = "";
  open.device = "ref";
  expect_refused(open, "use --device cpu");
  EXPECT_THROW(pack_model({.model = open.model}, folder.file("y")), Error);
  EXPECT_FALSE(fs::exists(folder.file("y")));
}

TEST(PackedFamilies, OnlyPackedFilesAreReplaced) {
  const testing::TempFolder folder;
  ModelOptions options;
  options.model = load_family_case("qwen2_gguf").path;
  const std::string text = folder.write("precious.gguf", "GGUF do not touch");
  EXPECT_THROW(pack_model(options, text), Error);
  EXPECT_EQ(testing::read_bytes(text), "GGUF do not touch");
  pack_model(options, folder.file("x"));
  pack_model(options, folder.file("x"));
  EXPECT_THROW(pack_model(options, folder.path()), Error);
}

TEST(PackedFamilies, ACancelledWriterLeavesNothing) {
  const testing::TempFolder folder;
  ModelOptions options;
  options.model = load_family_case("qwen3_gguf").path;
  int calls = 0;
  try {
    pack_model(options, folder.file("x"), [&](const LoadEvent& e) {
      EXPECT_LE(e.done_bytes, e.total_bytes);
      return ++calls < 5;
    });
    FAIL() << "not cancelled";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kCancelled);
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace mainspring
