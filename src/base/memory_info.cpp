// /proc/meminfo, /proc/self/status and the cgroup (v2 and v1) memory files.
#include "base/memory_info.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/mapped_file.h"
#include "base/str.h"

namespace mainspring {

namespace {

std::string slurp(const std::string& path) {
  try {
    return read_file(path, 1 << 20);
  } catch (const Error&) {
    return {};  // not every kernel or container has every file
  }
}

uint64_t number(std::string_view s) {
  s = trim(s);
  uint64_t v = 0;
  std::from_chars(s.data(), s.data() + s.size(), v);
  return v;
}

// "Key:   123 kB" in bytes.
uint64_t field_kib(const std::string& text, std::string_view key) {
  const size_t at = text.find(key);
  return at == std::string::npos ? 0 : number(std::string_view(text).substr(at + key.size())) * 1024;
}

// This process's cgroup folder ("0::/system.slice/x" -> "/sys/fs/cgroup/system.slice/x").
std::string cgroup_folder() {
  const std::string text = slurp("/proc/self/cgroup");
  for (std::string_view line : split(text, '\n'))
    if (line.starts_with("0::")) return cat("/sys/fs/cgroup", line.substr(3));
  return "/sys/fs/cgroup";
}

void read_cgroup(MemoryInfo& m) {
  // The limit of any ancestor applies too.
  for (std::string folder = cgroup_folder();; folder.resize(folder.rfind('/'))) {
    const std::string limit = slurp(folder + "/memory.max");
    if (!limit.empty() && limit[0] != 'm') {  // "max" means none
      const uint64_t v = number(limit);
      if (m.cgroup_limit == 0 || v < m.cgroup_limit) {
        m.cgroup_limit = v;
        m.cgroup_used = number(slurp(folder + "/memory.current"));
      }
    }
    if (folder.size() <= std::string_view("/sys/fs/cgroup").size()) break;
  }
  if (m.cgroup_limit != 0) return;
  const uint64_t v1 = number(slurp("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
  if (v1 != 0 && v1 < m.total) {
    m.cgroup_limit = v1;
    m.cgroup_used = number(slurp("/sys/fs/cgroup/memory/memory.usage_in_bytes"));
  }
}

}  // namespace

MemoryInfo memory_info() {
  MemoryInfo m;
  const std::string meminfo = slurp("/proc/meminfo");
  m.total = field_kib(meminfo, "MemTotal:");
  m.available = field_kib(meminfo, "MemAvailable:");
  read_cgroup(m);
  if (m.cgroup_limit != 0)
    m.available = std::min(m.available, m.cgroup_limit > m.cgroup_used ? m.cgroup_limit - m.cgroup_used : 0);
  return m;
}

uint64_t resident_bytes() { return field_kib(slurp("/proc/self/status"), "VmRSS:"); }
uint64_t peak_resident_bytes() { return field_kib(slurp("/proc/self/status"), "VmHWM:"); }

}  // namespace mainspring
