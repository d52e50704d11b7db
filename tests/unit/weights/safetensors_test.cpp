// The safetensors parser and Hugging Face folders.
#include "weights/safetensors.h"

#include <gtest/gtest.h>

#include "unit/weights/builders.h"
#include "unit/weights/expect_error.h"
#include "weights/checkpoint.h"
#include "weights/json_cursor.h"

namespace mainspring {
namespace {

using testing::data_path;
using testing::safetensors_bytes;

std::vector<SafetensorsEntry> parse(const std::string& bytes) {
  return parse_safetensors({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, "test");
}
void refuse(std::string_view header, size_t data, std::string_view part) {
  SCOPED_TRACE(header);
  EXPECT_ERROR(parse(safetensors_bytes(header, std::string(data, 'x'))), Code::kInvalidInput, part);
}

TEST(Safetensors, ReadsTheDirectory) {
  const auto e = parse(safetensors_bytes(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,1],"data_offsets":[4,8]},)"
      R"("a\u00e9":{"shape":[],"dtype":"F32","data_offsets":[0,4],"later":[{"x":null}]},"e":{"dtype":"I8","shape":[0,7],"data_offsets":[4,4]}}   )",
      "12345678"));
  ASSERT_EQ(e.size(), 3u);
  EXPECT_EQ(e[0].name, "b");
  EXPECT_EQ(e[0].shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(e[1].name, "a\xc3\xa9");
  EXPECT_EQ(e[0].offset - e[1].offset, 4u);
  EXPECT_EQ(e[2].bytes, 0u);
  EXPECT_TRUE(parse(safetensors_bytes("{}", "")).empty());
}

TEST(Safetensors, RefusesHolesOverlapsAndRests) {
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "expected it to begin at 0");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8, "take 4 bytes of 8");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 3, "within 3");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4,
         "expected it to begin at 4");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}})", 9,
         "expected it to begin at 4");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "ends before it begins");
  refuse(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "needs 8 bytes, data_offsets give 4");
  refuse(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1, "needs 2 bytes");
  refuse(R"({"a":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,4]}})", 4, "overflow");
  refuse(R"({"a":{"dtype":"F64","shape":[2147483647,2147483647,4],"data_offsets":[0,4]}})", 4, "");
  refuse(R"({"a":{"dtype":"F32","shape":[4294967297],"data_offsets":[0,4]}})", 4, "too large dimensions");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}})", 4, "over 64 bits");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615]}})", 4, "needs 4 bytes");
}

TEST(Safetensors, RefusesBadHeaders) {
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8,
         "there twice");
  refuse(R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype F31");
  refuse(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "unsigned integer");
  refuse(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4, "too many");
  refuse(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "needs dtype, shape");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "two data_offsets");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, "two numbers");
  refuse(R"({"a":7})", 4, "expected {");
  refuse(R"({"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "is empty");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 4, "expected }");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x)", 4, "extra data");
  refuse(R"({"__metadata__":{"n":1}})", 0, "expected \"");
  refuse("[]", 0, "not a JSON object");
  refuse("{\"\xff\":1}", 0, "UTF-8");
  std::string deep = R"({"a":{"x":)" + std::string(100000, '[');
  refuse(deep, 0, "nested too deeply");
  EXPECT_ERROR(parse("1234567"), Code::kInvalidInput, "too few");
  for (uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}}) {
    testing::Bytes b;
    b.num(n);
    EXPECT_ERROR(parse(b.s + "{}"), Code::kInvalidInput, "header of");
  }
}

TEST(JsonCursor, StringsAndNumbers) {
  JsonCursor a(R"( "x\"\\\/\b\f\n\r\té😀" )", "t");
  EXPECT_EQ(a.string(), "x\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80");
  a.end();
  EXPECT_EQ(JsonCursor("18446744073709551615", "t").unsigned_integer(), ~uint64_t{0});
  for (const char* bad : {"\"\\ud800\"", "\"\\udc00\"", "\"\\u12\"", "\"\\x\"", "\"abc", "\"a\nb\"", "\"\\", ""})
    EXPECT_ERROR(JsonCursor(bad, "t").string(), Code::kInvalidInput, "t: not valid at byte");
  for (const char* bad : {"01", "-1", "x", "", "99999999999999999999"})
    EXPECT_ERROR(JsonCursor(bad, "t").unsigned_integer(), Code::kInvalidInput, "t: not valid at byte");
}

// Written by the safetensors package: 2 x 3 numbers 0 1 2 3 0.5 1.5 in each dtype.
TEST(Folder, EveryDtype) {
  const auto c = open_checkpoint(data_path("safetensors/dtypes"));
  EXPECT_EQ(c->tensors().size(), 12u);
  for (const char* name : {"F32", "F16", "BF16"}) {
    EXPECT_EQ(c->values(name), (std::vector<float>{0, 1, 2, 3, 0.5, 1.5})) << name;
    EXPECT_EQ(c->matrix(name)->format().scheme, Scheme::kDense);
  }
  for (const char* name : {"F64", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"}) {
    ASSERT_NE(c->find(name), nullptr) << name;
    EXPECT_EQ(c->find(name)->encoding, name);
    EXPECT_ERROR(c->matrix(name), Code::kUnsupported, "cannot be read");
  }
}

TEST(Folder, MultimodalNames) {
  const auto c = open_checkpoint(data_path("safetensors/gemma3_vlm"));
  EXPECT_NE(c->find("model.layers.0.self_attn.q_proj.weight"), nullptr);
  EXPECT_NE(c->find("model.embed_tokens.weight"), nullptr);
  EXPECT_NE(c->find("model.norm.weight"), nullptr);
  EXPECT_EQ(c->find("language_model.model.norm.weight"), nullptr);
  EXPECT_NE(c->find("multi_modal_projector.mm_soft_emb_norm.weight"), nullptr);
}

class FolderFiles : public ::testing::Test {
 protected:
  static constexpr const char* kA = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  static constexpr const char* kB = R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  void index(std::string_view map) { folder_.write("model.safetensors.index.json", std::string(R"({"metadata":{"total_size":8},"weight_map":)") + std::string(map) + "}"); }
  void refuse(Code code, std::string_view part) { EXPECT_ERROR(open_checkpoint(folder_.path()), code, part); }
  testing::TempFolder folder_;
};

TEST_F(FolderFiles, SaysWhatIsMissing) {
  refuse(Code::kNotFound, "no model.safetensors");
  folder_.write("model.safetensors", safetensors_bytes(kA, "1234"));
  refuse(Code::kNotFound, "config.json is missing");
  folder_.write("config.json", "{");
  refuse(Code::kInvalidInput, "config.json: not valid JSON");
  folder_.write("config.json", "[]");
  refuse(Code::kInvalidInput, "expected a JSON object");
  folder_.write("config.json", "{}");
  EXPECT_EQ(open_checkpoint(folder_.path())->tensors().size(), 1u);
  EXPECT_ERROR(open_checkpoint(folder_.file("model.safetensors")), Code::kInvalidInput, "give the folder");
}

TEST_F(FolderFiles, PicklesAreRefused) {
  folder_.write("config.json", "{}");
  folder_.write("pytorch_model.bin", "PK");
  refuse(Code::kUnsupported, "convert the model to safetensors");
}

TEST_F(FolderFiles, ALoneFileMayHaveAnyName) {
  folder_.write("config.json", "{}");
  folder_.write("weights.safetensors", safetensors_bytes(kA, "1234"));
  folder_.write("consolidated.safetensors", "ignored");
  EXPECT_EQ(open_checkpoint(folder_.path())->tensors().size(), 1u);
  folder_.write("more.safetensors", safetensors_bytes(kB, "1234"));
  refuse(Code::kInvalidInput, "no model.safetensors.index.json");
}

TEST_F(FolderFiles, ShardsMustMatchTheIndex) {
  folder_.write("config.json", "{}");
  folder_.write("1.safetensors", safetensors_bytes(kA, "1234"));
  index(R"({"a":"1.safetensors","b":"2.safetensors"})");
  refuse(Code::kNotFound, "2.safetensors");
  folder_.write("2.safetensors", safetensors_bytes(kB, "1234"));
  EXPECT_EQ(open_checkpoint(folder_.path())->tensors().size(), 2u);
  index(R"({"a":"2.safetensors","b":"1.safetensors"})");
  refuse(Code::kInvalidInput, "belongs to");
  index(R"({"a":"1.safetensors","b":"2.safetensors","c":"2.safetensors"})");
  refuse(Code::kInvalidInput, "holds 1 of the 2 tensors");
  folder_.write("2.safetensors", safetensors_bytes(kA, "1234"));
  index(R"({"a":"1.safetensors","b":"2.safetensors"})");
  refuse(Code::kInvalidInput, "belongs to");
  for (const char* name : {"../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "x.bin", "a\\\\b.safetensors"}) {
    index(std::string(R"({"a":")") + name + "\"}");
    refuse(Code::kInvalidInput, "not a plain *.safetensors file name");
  }
  index("{}");
  refuse(Code::kInvalidInput, "weight_map is missing or empty");
  index(R"({"a":"1.safetensors","a":"1.safetensors"})");
  refuse(Code::kInvalidInput, "twice");
}

}  // namespace
}  // namespace mainspring
