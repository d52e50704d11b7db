// The operation checks as one plain program, for a processor without GoogleTest (scripts/test_neon.sh runs it under an
// emulator): every op of this build's instruction sets against the reference device.
#include <cstdio>
#include <exception>

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/cpu_info.h"
#include "backends/ref/ref_device.h"
#include "backends/self_test/checks.h"

namespace {

using namespace mainspring;

int failures = 0;

void report(const char* isa, const char* check, const std::string& error) {
  std::printf("%-4s %s %s%s%s\n", error.empty() ? "ok" : "FAIL", isa, check, error.empty() ? "" : ": ", error.c_str());
  std::fflush(stdout);
  failures += !error.empty();
}

void run_isa(const char* isa) {
  const auto ref = make_ref_device();
  CpuDevice one({.n_threads = 1, .isa = isa}), two({.n_threads = 2, .isa = isa});
  for (const self_test::Check& check : self_test::reference_checks()) report(isa, check.name, check.run(*ref, one));
  report(isa, "thread counts", self_test::same_results(one, two));
}

}  // namespace

int main() {
  try {
    int run = 0;
    for (const cpu::IsaTable* table : cpu::all_isa_tables()) {
      if (!cpu::can_run(*table, cpu::cpu_features())) {
        std::printf("skip %s: this processor cannot run it\n", table->name);
        continue;
      }
      run_isa(table->name);
      ++run;
    }
    std::printf("%d instruction sets run, %d checks failed\n", run, failures);
    return run > 0 && failures == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::printf("FAIL %s\n", e.what());
    return 1;
  }
}
