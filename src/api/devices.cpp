// Devices by name.
#include "api/devices.h"

#include "backends/cpu/cpu_device.h"
#include "backends/cpu/cpu_info.h"
#include "backends/ref/ref_device.h"
#include "base/str.h"

namespace mainspring {

std::unique_ptr<Device> make_device(const ModelOptions& o) {
  if (o.device == "ref") return make_ref_device();
  if (o.device == "cpu") {
    if (o.threads < 0 || o.threads > 1024)
      fail(Code::kInvalidInput, "threads: expected 0..1024, found ", o.threads);
    return std::make_unique<CpuDevice>(CpuOptions{.n_threads = o.threads, .isa = o.isa});
  }
  fail(Code::kInvalidInput, "device: expected cpu or ref, found \"", printable(o.device), "\"");
}

int64_t device_threads(const Device& device) {
  const auto* cpu = dynamic_cast<const CpuDevice*>(&device);
  return cpu ? cpu->n_threads() : 1;
}

std::string device_isa(const Device& device) {
  const auto* cpu = dynamic_cast<const CpuDevice*>(&device);
  return cpu ? cpu->isa().name : "";
}

std::vector<IsaInfo> compiled_isas() {
  const cpu::CpuFeatures features = cpu::cpu_features();
  std::vector<IsaInfo> out;
  for (const cpu::IsaTable* t : cpu::all_isa_tables()) out.push_back({t->name, cpu::can_run(*t, features), t->lanes});
  return out;
}

}  // namespace mainspring
