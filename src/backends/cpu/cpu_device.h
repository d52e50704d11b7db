// The CPU: one table of kernels, a team of threads, and huge-page memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/isa.h"
#include "base/thread_team.h"
#include "ops/device.h"

namespace mainspring {

struct CpuOptions {
  int n_threads = 0;     // 0: physical cores, limited by affinity and control group
  std::string isa;       // "": the best this processor has; "avx2", "avx512", "neon" force one
  bool pin = false;      // bind threads to CPUs
};

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const CpuOptions& options = {});
  ~CpuDevice() override;

  std::string name() const override;
  void dispatch(OpId id, const void* op) override;
  bool supports(OpId id) const noexcept override;
  void copy_to_device(void* to, const void* from, size_t bytes) override;
  void copy_to_host(void* to, const void* from, size_t bytes) override;
  std::unique_ptr<LinearWeight> bind_linear(const LinearSource& source, ComputeType compute) override;
  std::unique_ptr<LinearWeight> bind_packed(const PackedMatrix& matrix) override;
  size_t kv_block_bytes(const StateSpec& spec, KvFormat format) const override;
  size_t scratch_bytes(OpId id, const void* op) const override;
  void reserve_scratch(size_t bytes) override;

  int n_threads() const noexcept { return team_.size(); }
  const cpu::IsaTable& isa() const noexcept { return *isa_; }

 private:
  std::byte* alloc_bytes(size_t bytes) override;
  void free_bytes(std::byte* p, size_t bytes) noexcept override;

  const cpu::IsaTable* isa_;
  ThreadTeam team_;
  Buffer scratch_;
  size_t scratch_size_ = 0;
  struct Layout {
    const cpu::LinearKernel* kernel;
    WeightFormat format;
    uint64_t number;
  };
  uint64_t layout_of(const cpu::LinearKernel& kernel, const WeightFormat& format);
  std::vector<Layout> layouts_;   // known so far
};

}  // namespace mainspring
