// Processor detection through CPUID (x86) and the auxiliary vector (AArch64), and the thread count from affinity,
// topology and control group.
#include "backends/cpu/cpu_info.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "base/str.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace mainspring::cpu {

#if defined(__x86_64__)
namespace avx2 {
extern const IsaTable kTable;
}
namespace avx512 {
extern const IsaTable kTable;
}
namespace amx {
extern const IsaTable kTable;
}
#elif defined(__aarch64__)
namespace neon {
extern const IsaTable kTable;
}
#endif

namespace {

#if defined(__x86_64__)
struct Regs {
  unsigned a = 0, b = 0, c = 0, d = 0;
};
Regs cpuid(unsigned leaf, unsigned sub) {
  Regs r;
  __get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d);
  return r;
}
uint64_t xcr0() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}
constexpr bool bit(unsigned v, int n) { return (v >> n & 1) != 0; }
#endif

// Linux gives a process the tile registers' state only when it asks for it; all its threads have it then.
bool tiles_permitted() {
#if defined(__x86_64__)
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
  return false;
#endif
}

// CPUs of a list such as "0-3,8": the first one names a core.
int first_cpu(const std::string& list) { return list.empty() ? -1 : std::atoi(list.c_str()); }

// CPU time this process may use, in CPUs, from control groups v2 or v1; infinity without a limit.
double quota_cpus() {
  std::string quota, period;
  if (std::ifstream f("/sys/fs/cgroup/cpu.max"); f >> quota >> period && quota != "max")
    return std::atof(quota.c_str()) / std::max(1.0, std::atof(period.c_str()));
  std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double us = 0, per = 0;
  if (q >> us && p >> per && us > 0 && per > 0) return us / per;
  return INFINITY;
}

}  // namespace

CpuFeatures cpu_features() {
  CpuFeatures f;
#if defined(__x86_64__)
  const Regs one = cpuid(1, 0);
  if (!bit(one.c, 27)) return f;  // no XSAVE: vector state unknown
  const uint64_t state = xcr0();
  const Regs seven = cpuid(7, 0), seven1 = cpuid(7, 1);
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xE6) == 0xE6, tiles = (state & 0x60000) == 0x60000;
  f.avx2 = ymm && bit(one.c, 12) && bit(one.c, 29) && bit(seven.b, 5);
  f.avx512 = f.avx2 && zmm && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31) &&
             bit(seven.c, 11);
  f.avx512_bf16 = f.avx512 && bit(seven1.a, 5);
  f.amx = f.avx512_bf16 && tiles && bit(seven.d, 22) && bit(seven.d, 24) && bit(seven.d, 25);
#elif defined(__aarch64__)
  const unsigned long caps = getauxval(AT_HWCAP);
  f.neon = (caps & HWCAP_ASIMDDP) && (caps & HWCAP_ASIMDHP);
#endif
  return f;
}

std::span<const IsaTable* const> all_isa_tables() {
#if defined(__x86_64__)
  static const IsaTable* const kAll[] = {&amx::kTable, &avx512::kTable, &avx2::kTable};
#elif defined(__aarch64__)
  static const IsaTable* const kAll[] = {&neon::kTable};
#endif
  return kAll;
}

bool can_run(const IsaTable& table, const CpuFeatures& f) {
  const std::string_view name = table.name;
  if (name == "amx") return f.amx && tiles_permitted();
  return (name == "avx2" && f.avx2) || (name == "avx512" && f.avx512) || (name == "neon" && f.neon);
}

const IsaTable& select_isa(std::string_view name) {
  const CpuFeatures features = cpu_features();
  std::string usable, known;
  for (const IsaTable* t : all_isa_tables()) {
    known += cat(known.empty() ? "" : ", ", t->name);
    if (!can_run(*t, features)) continue;
    if (name.empty() || name == t->name) return *t;
    usable += cat(usable.empty() ? "" : ", ", t->name);
  }
  if (name.empty()) fail(Code::kUnsupported, "this processor has none of the instruction sets ", known);
  fail(Code::kUnsupported, "instruction set '", printable(name), "' cannot be used here; usable: ", usable);
}

int default_threads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  std::set<int> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::string siblings;
    std::ifstream f(cat("/sys/devices/system/cpu/cpu", cpu, "/topology/thread_siblings_list"));
    cores.insert(std::getline(f, siblings) ? first_cpu(siblings) : cpu);
  }
  const double limit = std::max(1.0, std::floor(quota_cpus() + 0.5));
  return static_cast<int>(std::max(1.0, std::min(limit, static_cast<double>(cores.size()))));
}

}  // namespace mainspring::cpu
