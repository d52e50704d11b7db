// Files of packed matrices: what is written comes back, and what is wrong is named.
#include "weights/packed_checkpoint.h"

#include <gtest/gtest.h>

#include "unit/weights/builders.h"
#include "unit/weights/exercise.h"
#include "unit/weights/expect_error.h"
#include "unit/weights/packed_builder.h"

namespace mainspring {
namespace {

using testing::small_packed;
using testing::with_directory;

TEST(Packed, GivesBackWhatWasWritten) {
  const testing::TempFolder folder;
  testing::write_small_packed(folder.file("x"));
  const auto c = open_checkpoint(folder.file("x"));
  ASSERT_NE(c->packed(), nullptr);
  const PackedCheckpoint& p = *c->packed();
  EXPECT_EQ(c->container(), "packed");
  EXPECT_EQ(p.info().isa, "avx9");
  EXPECT_EQ(p.info().quantize, "w4 g32");
  EXPECT_EQ(p.info().compute, ComputeType::kBf16);
  EXPECT_EQ(c->config().at("hidden_size").as_int(), 32);
  EXPECT_TRUE(c->generation_config().is_null());
  ASSERT_EQ(c->tensors().size(), 4u);
  EXPECT_EQ(c->find("a.weight")->encoding, "u4 g32 +offset");
  EXPECT_EQ(c->find("b.weight")->encoding, "bf16");   // how the device keeps it
  const PackedMatrix m = p.packed_matrix("c.weight");
  EXPECT_EQ(m.out_features, 8);
  EXPECT_EQ(m.in_features, 64);
  EXPECT_EQ(m.layout, 0xABCDEFu);
  EXPECT_EQ(m.data.size(), 400u);
  EXPECT_EQ(m.data[399], std::byte{7});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(m.data.data()) % 4096, 0u);
  EXPECT_EQ(c->values("norm.weight"), (std::vector<float>{1.5f, -2.0f, 0.25f}));
  EXPECT_EQ(p.text("tokenizer.json"), "{\"model\": 1}");
  EXPECT_EQ(p.text("tokenizer.model"), std::nullopt);
  uint64_t done = 0;
  p.verify([&](uint64_t d) { done = d; });
  EXPECT_EQ(done, 200u + 64 + 400 + 12 + 12);
}

TEST(Packed, MatricesStayWhenTheCheckpointGoes) {
  const testing::TempFolder folder;
  testing::write_small_packed(folder.file("x"));
  auto c = open_checkpoint(folder.file("x"));
  const PackedMatrix m = c->packed()->packed_matrix("a.weight");
  c.reset();
  EXPECT_EQ(m.data[199], std::byte{7});
}

TEST(Packed, CannotBeReadRowByRow) {
  const testing::TempFolder folder;
  testing::write_small_packed(folder.file("x"));
  const auto c = open_checkpoint(folder.file("x"));
  EXPECT_ERROR(c->matrix("a.weight"), Code::kUnsupported, "is packed for cpu avx9");
  EXPECT_ERROR(c->values("a.weight"), Code::kUnsupported, "is packed for cpu avx9");
  EXPECT_ERROR(c->packed()->packed_matrix("norm.weight"), Code::kInvalidInput, "is not a matrix");
  EXPECT_ERROR(c->packed()->packed_matrix("d"), Code::kNotFound, "tensor d is not in");
}

TEST(Packed, DamageIsFound) {
  const testing::TempFolder folder;
  const std::string good = small_packed();
  const auto open = [&](const std::string& bytes) { open_checkpoint(folder.write("x", bytes)); };
  open(good);
  EXPECT_ERROR(open(good.substr(0, good.size() - 1)), Code::kInvalidInput, "the file was cut or appended to");
  EXPECT_ERROR(open(good + "x"), Code::kInvalidInput, "the file was cut or appended to");
  EXPECT_ERROR(open(good.substr(0, 20)), Code::kInvalidInput, "needs");
  std::string bad = good;
  bad[8] = 9;
  EXPECT_ERROR(open(bad), Code::kInvalidInput,
               "packed file version 9 is not supported, expected 1; pack the model again");
  bad = good;
  bad[16] ^= 1;
  EXPECT_ERROR(open(bad), Code::kInvalidInput, "the header is damaged");
  bad = good;
  bad[bad.size() - 5] ^= 1;
  EXPECT_ERROR(open(bad), Code::kInvalidInput, "the directory is damaged");
  bad = good;
  bad[4096 + 17] ^= 1;   // inside the first matrix: only a whole reading can find it
  const auto c = open_checkpoint(folder.write("x", bad));
  EXPECT_ERROR(c->packed()->verify(), Code::kInvalidInput, "tensor a.weight is damaged");
}

// The hashes fit and the directory lies.
TEST(Packed, DirectoriesAreNotTrusted) {
  const testing::TempFolder folder;
  const std::string good = small_packed(), directory = testing::directory_of(good);
  const auto open_with = [&](std::string_view from, std::string_view to) {
    std::string d = directory;
    const size_t at = d.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    d.replace(at, from.size(), to);
    testing::exercise(folder.write("x", with_directory(good, d)));
  };
  open_with("a.weight", "z.weight");
  EXPECT_ERROR(open_with("a.weight", "c.weight"), Code::kInvalidInput, "tensor c.weight is there twice");
  EXPECT_ERROR(open_with("\"offset\": 4096", "\"offset\": 4097"), Code::kInvalidInput, "is not a multiple of 4096");
  EXPECT_ERROR(open_with("\"offset\": 4096", "\"offset\": 18446744073709547520"), Code::kInvalidInput,
               "outside of the file");
  EXPECT_ERROR(open_with("\"bytes\": 200", "\"bytes\": 20000"), Code::kInvalidInput, "outside of the file");
  EXPECT_ERROR(open_with("\"bytes\": 200", "\"bytes\": 18446744073709551615"), Code::kInvalidInput,
               "outside of the file");
  EXPECT_ERROR(open_with("\"bytes\": 200", "\"bytes\": -1"), Code::kInvalidInput, "directory");
  EXPECT_ERROR(open_with("\"bytes\": 12", "\"bytes\": 8"), Code::kInvalidInput, "3 numbers in 8 bytes");
  EXPECT_ERROR(open_with("[8, 32]", "[8, 33]"), Code::kInvalidInput, "33 inputs are not a multiple of the group of 32");
  EXPECT_ERROR(open_with("[8, 32]", "[8, 0]"), Code::kInvalidInput, "dimension 0");
  EXPECT_ERROR(open_with("[8, 32]", "[8]"), Code::kInvalidInput, "expected a matrix");
  EXPECT_ERROR(open_with("[8, 32]", "[2147483647, 2147483648]"), Code::kInvalidInput, "dimension 2147483648");
  EXPECT_ERROR(open_with("\"format\": 0", "\"format\": 2"), Code::kInvalidInput, "format 2 of 2 formats");
  EXPECT_ERROR(open_with("\"bits\": 4", "\"bits\": 9"), Code::kInvalidInput, "unknown format with 9 bits");
  EXPECT_ERROR(open_with("0000000000abcdef", "xyz"), Code::kInvalidInput, "16 hexadecimal digits");
  EXPECT_ERROR(open_with("\"compute\": \"bf16\"", "\"compute\": \"fp3\""), Code::kInvalidInput, "unknown type");
  EXPECT_ERROR(open_with("\"vectors\"", "\"victors\""), Code::kInvalidInput, "vectors");
  EXPECT_ERROR(open_with("tokenizer.json", "gguf-metadata"), Code::kInvalidInput, "GGUF metadata");
}

TEST(Packed, WriterRefusesWhatItCannotKeep) {
  const testing::TempFolder folder;
  PackedWriter w(folder.file("x"), 0, {});
  EXPECT_ERROR(
      w.matrix({.name = "a", .shape = {1, 1}, .encoding = "F32", .bytes = 4}, testing::FakeMatrix({}, 1, 1, 0)),
      Code::kUnsupported, "cannot be kept in a file");
  EXPECT_ERROR(PackedWriter(folder.file("y"), uint64_t{1} << 60, {}), Code::kIo, "are free on the disk");
  EXPECT_ERROR(PackedWriter(folder.file("no/such/folder/y"), 0, {}), Code::kNotFound, "no/such/folder");
}

}  // namespace
}  // namespace mainspring
