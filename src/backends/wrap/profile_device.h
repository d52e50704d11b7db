// Profile device: times every operation kind of the wrapped device.
#pragma once

#include "backends/wrap/forward_device.h"
#include "base/json.h"

namespace mainspring {

class ProfileDevice final : public ForwardDevice {
 public:
  using ForwardDevice::ForwardDevice;
  void dispatch(OpId id, const void* op) override;  // waits for the op, so that its time is its own

  struct Row {
    int64_t count = 0;
    double seconds = 0;
  };
  const Row& row(OpId id) const noexcept { return rows_[static_cast<size_t>(id)]; }
  double seconds() const noexcept;
  void reset() noexcept;

  // One line per operation that ran, the costliest first: name, calls, milliseconds, microseconds per call, share.
  std::string text() const;
  // {"device": name, "ops": [{"op", "count", "seconds"}...], "seconds": total}, in the same order.
  Json json() const;

 private:
  std::vector<OpId> by_cost() const;
  Row rows_[kOpCount];
};

}  // namespace mainspring
