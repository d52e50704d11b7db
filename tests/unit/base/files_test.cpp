// Mapped files and memory figures.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "base/mapped_file.h"
#include "base/memory_info.h"
#include "base/str.h"

namespace mainspring {
namespace {

class Files : public testing::Test {
 protected:
  std::string path = testing::TempDir() + "/mainspring_files_" + std::to_string(::getpid());
  void TearDown() override { std::remove(path.c_str()); }
  void write(const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
};

Code code_of(const std::string& path) {
  try {
    MappedFile file(path);
  } catch (const Error& e) {
    EXPECT_NE(e.message().find(path), std::string::npos) << "the error names the file";
    return e.code();
  }
  return Code::kInternal;
}

TEST_F(Files, MapsAndDropsPages) {
  write(std::string(100'000, 'x') + "end");
  const MappedFile file(path);
  ASSERT_EQ(file.size(), 100'003u);
  file.will_need(0, file.size());
  file.drop_pages(10, 90'000);
  EXPECT_EQ(static_cast<char>(file.bytes()[50'000]), 'x');  // read again from the file
  EXPECT_EQ(read_file(path).substr(100'000), "end");
  EXPECT_THROW(read_file(path, 1000), Error);
}

TEST_F(Files, ErrorsAreTyped) {
  EXPECT_EQ(code_of(path), Code::kNotFound);
  EXPECT_EQ(code_of("/tmp"), Code::kInvalidInput);
  write("");
  EXPECT_EQ(MappedFile(path).size(), 0u);
}

TEST(Memory, FiguresAreSane) {
  const MemoryInfo m = memory_info();
  EXPECT_GT(m.total, uint64_t{64} << 20);
  EXPECT_GT(m.available, 0u);
  EXPECT_LE(m.available, m.total);
  EXPECT_GT(resident_bytes(), uint64_t{1} << 20);
  EXPECT_GE(peak_resident_bytes(), resident_bytes() / 2);
}

}  // namespace
}  // namespace mainspring
