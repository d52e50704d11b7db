// Every operation on every instruction set that this build has and this processor can run, against the reference.
#include <gtest/gtest.h>

#include <cstdio>

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/cpu_info.h"
#include "backends/ref/ref_device.h"
#include "backends/self_test/checks.h"

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
    for (size_t i = 0; i < kOpCount; ++i) EXPECT_NE(t->kernels[i], nullptr) << t->name << " " << op_name(static_cast<OpId>(i));
}

}  // namespace
}  // namespace mainspring
