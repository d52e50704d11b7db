// Thousands of damaged files through the real loader: every one loads or gives one clear error, quickly and in little
// memory. MAINSPRING_MUTATIONS sets the number of files per container (default 2000); run it under AddressSanitizer.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>

#include "unit/weights/builders.h"
#include "unit/weights/exercise.h"
#include "unit/weights/mutator.h"
#include "unit/weights/packed_builder.h"

namespace {

// Bytes that operator new handed out and has not got back, and their peak.
std::atomic<int64_t> live{0}, peak{0};

void* counted_new(size_t n) {
  void* p = std::malloc(n ? n : 1);
  if (!p) throw std::bad_alloc();
  const int64_t now = live += static_cast<int64_t>(malloc_usable_size(p));
  int64_t seen = peak;
  while (now > seen && !peak.compare_exchange_weak(seen, now)) {
  }
  return p;
}
void counted_delete(void* p) noexcept {
  if (p) live -= static_cast<int64_t>(malloc_usable_size(p));
  std::free(p);
}

}  // namespace

void* operator new(size_t n) { return counted_new(n); }
void* operator new[](size_t n) { return counted_new(n); }
void operator delete(void* p) noexcept { counted_delete(p); }
void operator delete[](void* p) noexcept { counted_delete(p); }
void operator delete(void* p, size_t) noexcept { counted_delete(p); }
void operator delete[](void* p, size_t) noexcept { counted_delete(p); }

namespace mainspring {
namespace {

using testing::data_path;
using testing::mutate;

constexpr int64_t kMaxGrowth = 64 << 20;
constexpr double kMaxSeconds = 2.0;

int mutations() {
  const char* n = std::getenv("MAINSPRING_MUTATIONS");
  return n ? std::atoi(n) : 2000;
}

struct Tally {
  std::map<std::string, int> results;
  double slowest = 0;
  int64_t largest = 0;  // bytes allocated at once, beyond the size of the file

  // One file: `path` is opened, `bytes` is the size of what lies there.
  void run(const std::string& path, size_t bytes, const std::string& label) {
    const int64_t before = live;
    peak = before;
    const auto start = std::chrono::steady_clock::now();
    std::string result = "loads";
    try {
      testing::exercise(path);
    } catch (const Error& e) {
      result = code_name(e.code());
      const bool expected = e.code() == Code::kInvalidInput || e.code() == Code::kUnsupported || e.code() == Code::kNotFound;
      EXPECT_TRUE(expected) << label << ": " << result << ": " << e.what();
      if (e.code() == Code::kInvalidInput) EXPECT_EQ(exit_status(e.code()), 2);
      EXPECT_EQ(e.message().find('\n'), std::string::npos) << label << ": " << e.what();
      EXPECT_LT(e.message().size(), 1000u) << label;
    }
    ++results[result];
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    slowest = std::max(slowest, time.count());
    largest = std::max(largest, peak - before - static_cast<int64_t>(bytes));
    EXPECT_LT(time.count(), kMaxSeconds) << label;
    EXPECT_LT(peak - before, static_cast<int64_t>(bytes) + kMaxGrowth) << label;
  }

  void report(const char* what, int files) const {
    std::printf("%s: %d files, slowest %.3f s, most memory beyond the file %.1f MiB;", what, files, slowest,
                static_cast<double>(largest) / (1 << 20));
    for (const auto& [name, count] : results) std::printf(" %s %d", name.c_str(), count);
    std::printf("\n");
  }
};

TEST(Mutation, MemoryIsCounted) {
  peak = live.load();
  const int64_t before = live;
  {
    const std::vector<char> big(3 << 20);
    EXPECT_GE(live - before, 3 << 20) << big.size();
  }
  EXPECT_GE(peak - before, 3 << 20);
  EXPECT_LT(live - before, 1 << 10);
}

TEST(Mutation, Gguf) {
  testing::TempFolder folder;
  const char* const kSeeds[] = {"gguf/llama.gguf", "gguf/llama3.gguf", "gguf/qwen2.gguf", "gguf/qwen3.gguf", "gguf/gemma3.gguf",
                                "gguf/split-00001-of-00003.gguf"};
  std::vector<std::string> seeds;
  for (const char* s : kSeeds) seeds.push_back(testing::read_bytes(data_path(s)));
  Tally tally;
  const int n = mutations();
  for (int i = 0; i < n && !HasFailure(); ++i) {
    const std::string bytes = mutate(seeds[static_cast<size_t>(i) % seeds.size()], 5000, false, static_cast<uint64_t>(i));
    tally.run(folder.write("x.gguf", bytes), bytes.size(), "gguf mutation " + std::to_string(i));
  }
  tally.report("GGUF", n);
  EXPECT_GT(tally.results["invalid_input"], n / 4);
  EXPECT_GT(tally.results["loads"], n / 100);
}

// Every length that a broken download may stop at.
TEST(Mutation, Truncation) {
  testing::TempFolder folder;
  const std::string whole = testing::read_bytes(data_path("gguf/qwen2.gguf"));
  Tally tally;
  int n = 0;
  for (size_t size = 0; size < whole.size(); size += size < 4096 ? 7 : 97, ++n)
    tally.run(folder.write("x.gguf", whole.substr(0, size)), size, "truncated at " + std::to_string(size));
  tally.report("truncated GGUF", n);
  EXPECT_EQ(tally.results["loads"], 0);
  EXPECT_EQ(tally.results["invalid_input"], n);
}

TEST(Mutation, Safetensors) {
  testing::TempFolder folder;
  const char* const kSeeds[] = {"llama3", "qwen2", "gemma3_vlm"};
  std::vector<std::string> seeds, configs;
  for (const char* s : kSeeds) {
    seeds.push_back(testing::read_bytes(data_path(std::string("safetensors/") + s + "/model.safetensors")));
    configs.push_back(testing::read_bytes(data_path(std::string("safetensors/") + s + "/config.json")));
  }
  Tally tally;
  const int n = mutations();
  for (int i = 0; i < n && !HasFailure(); ++i) {
    const size_t which = static_cast<size_t>(i) % seeds.size();
    const uint64_t seed = static_cast<uint64_t>(i);
    const bool damage_config = i % 5 == 0;  // else the weights
    const std::string bytes = damage_config ? seeds[which] : mutate(seeds[which], 1200, true, seed);
    const std::string config = damage_config ? mutate(configs[which], configs[which].size(), true, seed) : configs[which];
    folder.write("model.safetensors", bytes);
    folder.write("config.json", config);
    tally.run(folder.path(), bytes.size() + config.size(), "safetensors mutation " + std::to_string(i));
  }
  tally.report("safetensors", n);
  EXPECT_GT(tally.results["invalid_input"], n / 4);
  EXPECT_GT(tally.results["loads"], n / 100);
}

TEST(Mutation, ShardIndex) {
  testing::TempFolder folder;
  const std::string from = data_path("safetensors/qwen3");
  for (const auto& entry : std::filesystem::directory_iterator(from))
    std::filesystem::copy_file(entry.path(), folder.file(entry.path().filename().string()));
  const std::string index = testing::read_bytes(from + "/model.safetensors.index.json");
  Tally tally;
  const int n = mutations() / 10;
  for (int i = 0; i < n && !HasFailure(); ++i) {
    const std::string bytes = mutate(index, index.size(), true, static_cast<uint64_t>(i));
    folder.write("model.safetensors.index.json", bytes);
    tally.run(folder.path(), 200000, "index mutation " + std::to_string(i));
  }
  tally.report("shard index", n);
  EXPECT_GT(tally.results["invalid_input"], n / 4);
}

// Half of them with hashes that fit again, so that the directory itself is read.
TEST(Mutation, Packed) {
  testing::TempFolder folder;
  const std::string whole = testing::small_packed(), directory = testing::directory_of(whole);
  Tally tally;
  const int n = mutations();
  for (int i = 0; i < n && !HasFailure(); ++i) {
    const uint64_t seed = static_cast<uint64_t>(i);
    const std::string bytes = i % 4 == 0 ? mutate(whole, 100, false, seed)
                                         : testing::with_directory(whole, mutate(directory, directory.size(), true, seed));
    tally.run(folder.write("x.msp", bytes), bytes.size(), "packed mutation " + std::to_string(i));
  }
  tally.report("packed", n);
  EXPECT_GT(tally.results["invalid_input"], n / 4);
  EXPECT_GT(tally.results["loads"], n / 100);
}

}  // namespace
}  // namespace mainspring
