// A step allocates nothing: operator new is counted while the runner works.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "families/family_case.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<int64_t> allocations{0};
}  // namespace

// Every form of operator new ends here.
void* operator new(std::size_t size) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1);
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace mainspring {
namespace {

PlannedSequence chunk(int32_t start, int32_t n, int32_t first_block) {
  PlannedSequence s;
  s.id = static_cast<SequenceId>(first_block + 1);
  for (int32_t i = 0; i < n; ++i) s.tokens.push_back((start + i) % 90);
  s.start = start;
  s.prompt_length = start + n;
  for (int32_t b = 0; b * kBlockTokens < start + n; ++b) s.blocks.push_back(first_block + b);
  s.sample = true;
  return s;
}

TEST(StepPath, AllocatesNothing) {
  for (const std::string& isa : usable_isas())
    for (const char* name : {"llama_gqa3", "gemma3_mix", "qwen2_gqa7"}) {
      RunningModel m = open_model(load_family_case(name).path,
                                  {.isa = isa, .threads = 2, .compute = ComputeType::kBf16, .kv = KvFormat::kInt8});
      BatchPlan prefill, decode;
      prefill.sequences = {chunk(0, 70, 0), chunk(0, 33, 8)};
      decode.sequences = {chunk(70, 1, 0), chunk(33, 1, 8)};
      m.runner->step(prefill);
      allocations = 0;
      counting = true;
      m.runner->step(prefill);
      for (int i = 0; i < 5; ++i) m.runner->step(decode);
      counting = false;
      EXPECT_EQ(allocations.load(), 0) << name << " on " << isa;
    }
}

// A test of the test: without it a counter that never moves would pass above.
TEST(StepPath, TheCounterCounts) {
  allocations = 0;
  counting = true;
  std::vector<int>* volatile p = new std::vector<int>(100);
  counting = false;
  delete p;
  EXPECT_GE(allocations.load(), 1);
}

}  // namespace
}  // namespace mainspring
