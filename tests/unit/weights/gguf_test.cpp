// The GGUF parser: metadata access, and the shapes of files that have broken other programs.
#include "weights/gguf_file.h"

#include <gtest/gtest.h>

#include "quant/encoding.h"
#include "unit/weights/builders.h"
#include "unit/weights/expect_error.h"
#include "weights/checkpoint.h"

namespace mainspring {
namespace {

using testing::data_path;
using testing::GgufBuilder;
using testing::small_llama;

class Gguf : public ::testing::Test {
 protected:
  GgufFile parse(const std::string& bytes) { return parse_gguf(std::make_shared<MappedFile>(folder_.write("x.gguf", bytes))); }
  GgufFile parse(const GgufBuilder& b) { return parse(b.bytes()); }
  std::unique_ptr<Checkpoint> open(const GgufBuilder& b) { return open_checkpoint(folder_.write("x.gguf", b.bytes())); }
  void refuse(const GgufBuilder& b, std::string_view part) { EXPECT_ERROR(parse(b), Code::kInvalidInput, part); }
  testing::TempFolder folder_;
};

TEST_F(Gguf, MetadataOfEveryType) {
  GgufBuilder b;
  const auto key = [&](const char* name, uint32_t type) -> testing::Bytes& {
    ++b.pairs;
    return b.kv.str(name).num(type);
  };
  key("u8", 0).num<uint8_t>(200);
  key("i8", 1).num<int8_t>(-5);
  key("u16", 2).num<uint16_t>(60000);
  key("i16", 3).num<int16_t>(-300);
  key("u32", 4).num<uint32_t>(4000000000u);
  key("i32", 5).num<int32_t>(-7);
  key("f32", 6).num<float>(1.5f);
  key("bool", 7).num<uint8_t>(1);
  key("string", 8).str("hi");
  key("u64", 10).num<uint64_t>(~uint64_t{0});
  key("i64", 11).num<int64_t>(-9);
  key("f64", 12).num<double>(2.25);
  key("strings", 9).num<uint32_t>(8).num<uint64_t>(2).str("a").str("");
  key("ints", 9).num<uint32_t>(3).num<uint64_t>(2).num<int16_t>(-1).num<int16_t>(9);
  key("floats", 9).num<uint32_t>(6).num<uint64_t>(1).num<float>(0.5f);
  key("nested", 9).num<uint32_t>(9).num<uint64_t>(1).num<uint32_t>(0).num<uint64_t>(2).num<uint16_t>(1);
  const GgufFile f = parse(b);
  const GgufMetadata& m = f.metadata;
  EXPECT_EQ(m.find_int("u8"), 200);
  EXPECT_EQ(m.find_int("i8"), -5);
  EXPECT_EQ(m.find_int("u16"), 60000);
  EXPECT_EQ(m.find_int("i16"), -300);
  EXPECT_EQ(m.find_int("u32"), 4000000000);
  EXPECT_EQ(m.find_int("i32"), -7);
  EXPECT_EQ(m.find_int("u64"), INT64_MAX);  // clamped: no key has a use for it
  EXPECT_EQ(m.find_int("i64"), -9);
  EXPECT_EQ(m.find_float("f32"), 1.5);
  EXPECT_EQ(m.find_float("f64"), 2.25);
  EXPECT_EQ(m.find_float("i32"), -7.0);
  EXPECT_EQ(m.find_bool("bool"), true);
  EXPECT_EQ(m.find_string("string"), "hi");
  EXPECT_EQ(m.find_strings("strings"), (std::vector<std::string_view>{"a", ""}));
  EXPECT_EQ(m.find_ints("ints"), (std::vector<int32_t>{-1, 9}));
  EXPECT_EQ(m.find_ints("i32"), (std::vector<int32_t>{-7}));
  EXPECT_EQ(m.find_floats("floats"), (std::vector<float>{0.5f}));
  EXPECT_EQ(m.find_int("absent"), std::nullopt);
  EXPECT_EQ(m.find_strings("absent"), std::nullopt);
  EXPECT_EQ(m.entries().size(), 16u);
  EXPECT_EQ(m.describe(m.entries()[8]), "\"hi\"");
  EXPECT_EQ(m.describe(m.entries()[12]), "[2 strings]");
  EXPECT_ERROR(m.find_int("string"), Code::kInvalidInput, "key string: expected an integer, found string");
  EXPECT_ERROR(m.find_string("strings"), Code::kInvalidInput, "expected a string, found an array of string");
  EXPECT_ERROR(m.find_ints("u64"), Code::kInvalidInput, "does not fit in 32 bits");
  EXPECT_ERROR(m.find_bool("u8"), Code::kInvalidInput, "expected a boolean");
}

TEST_F(Gguf, OpensWithNamesOfHuggingFace) {
  const auto c = open(small_llama());
  ASSERT_NE(c->find("model.embed_tokens.weight"), nullptr);
  EXPECT_EQ(c->find("model.embed_tokens.weight")->shape, (std::vector<int64_t>{4, 32}));
  EXPECT_EQ(c->find("token_embd.weight"), nullptr);
  EXPECT_EQ(c->container(), "gguf");
  EXPECT_EQ(c->gguf()->find_string("general.architecture"), "llama");
}

TEST_F(Gguf, RefusesForeignFiles) {
  EXPECT_ERROR(parse("GGML1234"), Code::kInvalidInput, "not a GGUF file");
  EXPECT_ERROR(parse(""), Code::kInvalidInput, "not a GGUF file");
  EXPECT_ERROR(parse("GGUF"), Code::kInvalidInput, "file ends at byte 4");
  GgufBuilder b = small_llama();
  b.version = 1;
  refuse(b, "version 1 is not supported");
  b.version = 0x03000000;
  refuse(b, "big-endian");
  EXPECT_ERROR(open_checkpoint(folder_.write("y.gguf", "hello")), Code::kInvalidInput, "not a GGUF file");
  EXPECT_ERROR(open_checkpoint(folder_.file("absent.gguf")), Code::kNotFound, "absent.gguf");
}

TEST_F(Gguf, RefusesCountsThatDoNotFit) {
  for (uint64_t n : {uint64_t{1} << 20, uint64_t{1} << 40, ~uint64_t{0} - 10}) {
    GgufBuilder b = small_llama();
    b.extra_tensors = n;
    refuse(b, "tensors");
    b = small_llama();
    b.extra_pairs = n;
    refuse(b, "metadata pairs");
  }
}

TEST_F(Gguf, RefusesLengthsBeyondTheFile) {
  for (uint64_t n : {uint64_t{1} << 20, uint64_t{1} << 30, uint64_t{1} << 63, ~uint64_t{0}}) {
    GgufBuilder b;
    b.kv.str("k").num<uint32_t>(8).num(n);  // string
    b.pairs = 1;
    refuse(b, "bytes");
    for (uint32_t element : {0u, 3u, 8u, 9u, 12u}) {
      GgufBuilder a;
      a.kv.str("k").num<uint32_t>(9).num(element).num(n);
      a.pairs = 1;
      refuse(a, "does not fit");
    }
    GgufBuilder name;
    name.directory.num(n).num(n).num(n).num(n).num(n);
    name.tensors = 1;
    refuse(name, "name of");
  }
  GgufBuilder deep;
  deep.kv.str("k").num<uint32_t>(9);
  for (int i = 0; i < 60; ++i) deep.kv.num<uint32_t>(9).num<uint64_t>(1);
  deep.kv.num<uint32_t>(0).num<uint64_t>(0);
  deep.pairs = 1;
  refuse(deep, "nested deeper");
  GgufBuilder unknown;
  unknown.kv.str("k").num<uint32_t>(13).num<uint64_t>(0);
  unknown.pairs = 1;
  refuse(unknown, "unknown metadata type 13");
}

TEST_F(Gguf, RefusesBadAlignment) {
  for (uint32_t a : {0u, 3u, 33u, 1u << 21, 1u << 31}) {
    GgufBuilder b = small_llama();
    b.u32("general.alignment", a);
    refuse(b, "general.alignment");
  }
  GgufBuilder b = small_llama();
  b.tensor("odd", {1}, 0, 4);
  refuse(b, "not a multiple of the alignment");
}

TEST_F(Gguf, RefusesTensorsOutsideTheFile) {
  for (uint64_t offset : {uint64_t{512}, uint64_t{1} << 31, uint64_t{1} << 62, ~uint64_t{0} - 31}) {
    GgufBuilder b = small_llama();
    b.tensor("far", {32}, 0, offset);
    refuse(b, "tensor far");
  }
  GgufBuilder b = small_llama();
  b.tensor("same", {32}, 0, 0);
  refuse(b, "overlap");
  b = small_llama();
  b.tensor("token_embd.weight", {32}, 0, 0);
  refuse(b, "there twice");
  b = small_llama();
  b.text("general.architecture", "qwen2");
  refuse(b, "there twice");
  for (std::vector<uint64_t> dims : {std::vector<uint64_t>{}, {0}, {1, 1, 1, 1, 1}, {32, 0}}) {
    b = small_llama();
    b.tensor("shape", dims, 0, 0);
    refuse(b, "dimension");
  }
  b = small_llama();
  b.tensor("odd", {33}, 2, 0);
  refuse(b, "multiple of the 32 numbers");
  b = small_llama();
  b.tensor("what", {32}, 4242, 0);
  refuse(b, "unknown tensor type 4242");
}

// Products of dimensions and block sizes that wrap in 32 or 64 bits: none may be taken for a small size.
TEST_F(Gguf, RefusesEverySizeThatOverflows) {
  int refused = 0, tried = 0;
  std::vector<uint64_t> extents;
  for (int k = 10; k < 64; ++k)
    for (int64_t d : {-1, 0, 1}) extents.push_back((uint64_t{1} << k) + static_cast<uint64_t>(d));
  extents.push_back(~uint64_t{0});
  for (uint32_t type : {0u, 1u, 2u, 8u, 12u, 14u, 16u, 30u})
    for (uint64_t a : extents)
      for (const std::vector<uint64_t>& dims : {std::vector<uint64_t>{a, 4}, {256, a}, {a, a}, {256, a, a}, {a, a, a, a}}) {
        GgufBuilder b;
        b.tensor("t", dims, type, 0);
        b.data.resize(256);
        ++tried;
        try {
          parse(b);
        } catch (const Error& e) {
          refused += e.code() == Code::kInvalidInput;
        }
      }
  EXPECT_EQ(refused, tried);
  EXPECT_GT(tried, 5000);
}

TEST_F(Gguf, NamesWhatIsNotSupported) {
  GgufBuilder b;
  b.text("general.architecture", "grok");
  EXPECT_ERROR(open(b), Code::kUnsupported, "\"grok\" is not supported, supported are llama, qwen2, qwen3, gemma3");
  b = small_llama();
  b.u32("llama.expert_count", 8);
  EXPECT_ERROR(open(b), Code::kUnsupported, "mixture-of-experts");
  b = small_llama();
  b.tensor("blk.0.ffn_up.weight", {256, 1}, 16, 512);
  b.data.resize(512 + 66);
  const auto c = open(b);
  EXPECT_EQ(c->find("model.layers.0.mlp.up_proj.weight")->encoding, "IQ2_XXS");
  EXPECT_ERROR(c->matrix("model.layers.0.mlp.up_proj.weight"), Code::kUnsupported, "IQ2_XXS cannot be read, supported are");
  EXPECT_ERROR(c->values("nothing"), Code::kNotFound, "nothing");
  b = small_llama();
  b.kv.s.clear();
  b.pairs = 0;
  EXPECT_ERROR(open(b), Code::kInvalidInput, "general.architecture is missing");
}

TEST_F(Gguf, SplitFiles) {
  const auto c = open_checkpoint(data_path("gguf/split-00002-of-00003.gguf"));
  EXPECT_EQ(c->tensors().size(), 24u);  // 2 + 2 layers of 11
  EXPECT_NE(c->find("model.layers.1.mlp.down_proj.weight"), nullptr);
  EXPECT_TRUE(c->gguf()->has("tokenizer.ggml.tokens"));  // the first part has the metadata
  for (const TensorInfo& t : c->tensors()) EXPECT_NO_THROW(c->values(t.name));

  const std::string first = testing::read_bytes(data_path("gguf/split-00001-of-00003.gguf"));
  EXPECT_ERROR(open_checkpoint(folder_.write("model.gguf", first)), Code::kInvalidInput, "name must end in -00001-of-00003.gguf");
  EXPECT_ERROR(open_checkpoint(folder_.write("m-00001-of-00003.gguf", first)), Code::kNotFound, "m-00002-of-00003.gguf");
  folder_.write("m-00002-of-00003.gguf", first);
  EXPECT_ERROR(open_checkpoint(folder_.file("m-00001-of-00003.gguf")), Code::kInvalidInput, "expected part 1 of 3");
}

}  // namespace
}  // namespace mainspring
