// How much memory this process may use, and does use.
#pragma once

#include <cstdint>

namespace mainspring {

struct MemoryInfo {
  uint64_t total = 0;         // physical
  uint64_t available = 0;     // MemAvailable, or what the cgroup limit leaves when that is less
  uint64_t cgroup_limit = 0;  // 0: none
  uint64_t cgroup_used = 0;
};
MemoryInfo memory_info();
uint64_t resident_bytes();    // of this process
uint64_t peak_resident_bytes();

}  // namespace mainspring
