// Every operation on every instruction set that this build has and this processor can run, against the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/cpu_info.h"
#include "backends/ref/ref_device.h"
#include "backends/self_test/checks.h"
#include "backends/wrap/forward_device.h"
#include "ops/all.h"

namespace mainspring {
namespace {

std::vector<std::string> compiled() {
  std::vector<std::string> names;
  for (const cpu::IsaTable* t : cpu::all_isa_tables()) names.push_back(t->name);
  return names;
}

bool runnable(const std::string& isa) {
  for (const cpu::IsaTable* t : cpu::all_isa_tables())
    if (isa == t->name) return cpu::can_run(*t, cpu::cpu_features());
  return false;
}

class Isa : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!runnable(GetParam())) GTEST_SKIP() << "this processor cannot run " << GetParam();
  }
};

class OnIsa : public testing::TestWithParam<std::tuple<std::string, size_t, int>> {};

TEST_P(OnIsa, MatchesReference) {
  const auto& [isa, check, threads] = GetParam();
  if (!runnable(isa)) GTEST_SKIP() << "this processor cannot run " << isa;
  const auto ref = make_ref_device();
  CpuDevice device({.n_threads = threads, .isa = isa});
  ASSERT_EQ(isa, device.isa().name);
  EXPECT_EQ(self_test::reference_checks()[check].run(*ref, device), "");
}

std::string check_name(const testing::TestParamInfo<OnIsa::ParamType>& info) {
  return std::get<0>(info.param) + "_" + self_test::reference_checks()[std::get<1>(info.param)].name + "_" +
         std::to_string(std::get<2>(info.param));
}
INSTANTIATE_TEST_SUITE_P(All, OnIsa,
                         testing::Combine(testing::ValuesIn(compiled()),
                                          testing::Range(size_t{0}, self_test::reference_checks().size()),
                                          testing::Values(1, 2)),
                         check_name);

TEST_P(Isa, SameBitsForAnyNumberOfThreads) {
  CpuDevice one({.n_threads = 1, .isa = GetParam()});
  for (const int threads : {2, 5}) {
    CpuDevice several({.n_threads = threads, .isa = GetParam()});
    EXPECT_EQ(self_test::same_results(one, several), "");
  }
}

// Runs the CPU's kernels over scratch memory of exactly the size they asked for, with a guard behind it.
class GuardedDevice final : public ForwardDevice {
 public:
  explicit GuardedDevice(CpuDevice& cpu) : ForwardDevice(cpu), cpu_(cpu), team_(cpu.n_threads()) {}

  void reserve_scratch(size_t bytes) override {
    memory_.assign(bytes + 2 * kGuard, kMark);
    base_ = memory_.data() + (64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64);
    size_ = bytes;
  }
  void dispatch(OpId id, const void* op) override {
    const auto run = [](void* team, int64_t n, FunctionRef<void(int64_t, int)> fn) {
      static_cast<ThreadTeam*>(team)->parallel_for_member(n, fn);
    };
    cpu_.isa().kernels[static_cast<int>(id)](op, {team_.size(), base_, &team_, run});
    if (std::any_of(base_ + size_, base_ + size_ + kGuard, [](std::byte b) { return b != kMark; }))
      overrun = std::string(op_name(id)) + " wrote past its " + std::to_string(size_) + " bytes of scratch";
  }
  std::string overrun;

 private:
  static constexpr size_t kGuard = 4096;
  static constexpr std::byte kMark{0xA5};
  CpuDevice& cpu_;
  ThreadTeam team_;
  std::vector<std::byte> memory_;
  std::byte* base_ = nullptr;
  size_t size_ = 0;
};

TEST_P(Isa, ScratchIsAsLargeAsKernelsSay) {
  const auto ref = make_ref_device();
  for (const int threads : {1, 2}) {
    CpuDevice cpu({.n_threads = threads, .isa = GetParam()});
    GuardedDevice guarded(cpu);
    for (const self_test::Check& check : self_test::reference_checks())
      EXPECT_EQ(check.run(*ref, guarded), "") << check.name;
    EXPECT_EQ(guarded.overrun, "");
  }
}

// The dry run sees the largest step only: no smaller step may need more scratch.
TEST_P(Isa, SmallerStepsNeedNoMoreScratch) {
  CpuDevice device({.n_threads = 4, .isa = GetParam()});
  const auto need = [&](int64_t tokens, int64_t sequences) {
    Batch batch;
    batch.tokens = ConstTensor(nullptr, DType::kI32, tokens);
    batch.kv_length = ConstTensor(nullptr, DType::kI32, sequences);
    batch.block_table = ConstTensor(nullptr, DType::kI32, sequences, 1024);
    ops::Attention op;
    op.out = Tensor(nullptr, DType::kF32, tokens, 9, 64), op.q = op.out;
    op.kv.spec = {3, 64}, op.batch = &batch;
    return device.scratch_bytes(OpId::kAttention, &op);
  };
  size_t last = 0;
  for (int64_t tokens = 1; tokens <= 1024; tokens = tokens + 1 + tokens / 7) {
    const size_t bytes = need(tokens, std::min<int64_t>(tokens, 64));
    EXPECT_GE(bytes, last) << tokens;
    last = bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Isa, testing::ValuesIn(compiled()), [](const auto& info) { return info.param; });

// No silent skip: what was built and what ran is in the log, and a build without kernels fails.
TEST(IsaCoverage, IsPrinted) {
  ASSERT_FALSE(compiled().empty());
  int run = 0;
  for (const std::string& isa : compiled()) {
    std::printf("instruction set %s: compiled, %s\n", isa.c_str(), runnable(isa) ? "run" : "NOT RUN on this processor");
    run += runnable(isa);
  }
  EXPECT_GT(run, 0);
}

// Every operation of the list has a kernel in every table.
TEST(IsaCoverage, TablesAreComplete) {
  for (const cpu::IsaTable* t : cpu::all_isa_tables())
    for (size_t i = 0; i < kOpCount; ++i)
      EXPECT_NE(t->kernels[i], nullptr) << t->name << " " << op_name(static_cast<OpId>(i));
}

}  // namespace
}  // namespace mainspring
