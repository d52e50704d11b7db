// Trace device: executes nothing, counts the operations of a step and finds the scratch memory they need. With it the
// model runner's dry run learns the exact workspace and which operations the real device lacks. Views may point
// nowhere.
#pragma once

#include "backends/wrap/forward_device.h"

namespace mainspring {

class TraceDevice final : public ForwardDevice {
 public:
  using ForwardDevice::ForwardDevice;
  std::string name() const override;
  // kUnsupported names the operation when the traced device lacks it.
  void dispatch(OpId id, const void* op) override;
  void sync() override {}
  void copy_to_device(void*, const void*, size_t) override {}
  void copy_to_host(void*, const void*, size_t) override {}
  void reserve_scratch(size_t) override {}

  size_t max_scratch() const noexcept { return max_scratch_; }
  int64_t count(OpId id) const noexcept { return counts_[static_cast<size_t>(id)]; }
  int64_t total() const noexcept;
  void reset() noexcept;

 private:
  int64_t counts_[kOpCount] = {};
  size_t max_scratch_ = 0;
};

}  // namespace mainspring
