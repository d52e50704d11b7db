// doctor_report: processor, instruction sets, memory, and the self-test of every kernel.
#include "api/devices.h"
#include "backends/cpu/cpu_device.h"
#include "backends/ref/ref_device.h"
#include "backends/self_test/checks.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/memory_info.h"
#include "base/str.h"

namespace mainspring {

namespace {

std::string cpu_model() {
  try {
    const std::string text = read_file("/proc/cpuinfo", 8 << 20);
    for (std::string_view line : split(text, '\n'))
      if (line.starts_with("model name") && line.find(':') != std::string_view::npos)
        return std::string(trim(line.substr(line.find(':') + 1)));
  } catch (const Error&) {
    // not every system has it
  }
  return "unknown";
}

// Every check of one instruction set; the first word of a failure is the operation.
Json test_isa(const std::string& isa, bool& ok) {
  const std::unique_ptr<Device> ref = make_ref_device();
  CpuDevice cpu({.n_threads = 0, .isa = isa});
  Json results = Json::object();
  for (const self_test::Check& c : self_test::reference_checks()) {
    const std::string problem = c.run(*ref, cpu);
    results.set(c.name, problem.empty() ? Json("ok") : Json(problem));
    ok = ok && problem.empty();
  }
  return results;
}

Json memory_json() {
  const MemoryInfo m = memory_info();
  Json j = Json::object({{"total_bytes", m.total}, {"available_bytes", m.available}});
  j.set("cgroup_limit_bytes", m.cgroup_limit ? Json(m.cgroup_limit) : Json());
  j.set("cgroup_used_bytes", m.cgroup_limit ? Json(m.cgroup_used) : Json());
  return j;
}

}  // namespace

std::string doctor_report(bool run_self_test) {
  bool ok = true;
  Json isas = Json::array();
  for (const IsaInfo& i : compiled_isas()) {
    Json entry = Json::object({{"name", i.name}, {"usable", i.usable}});
    if (run_self_test && i.usable) entry.set("self_test", test_isa(i.name, ok));
    isas.push_back(std::move(entry));
  }
  const CpuDevice device;
  Json out = Json::object({{"cpu", cpu_model()}, {"device", device.name()}, {"threads", device.n_threads()}});
  out.set("instruction_sets", std::move(isas));
  out.set("memory", memory_json());
  out.set("ok", ok);
  return out.dump(2);
}

}  // namespace mainspring
