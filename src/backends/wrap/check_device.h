// Check device: checks the shapes of every operation before the wrapped device runs it and, given a second device, runs
// the operation there too and compares the results. For hunting a wrong kernel or a wrong model, not for speed.
#pragma once

#include <map>
#include <vector>

#include "backends/wrap/forward_device.h"
#include "ops/all.h"

namespace mainspring {

// Largest accepted difference of an operation's outputs, relative to the largest magnitude among them.
struct CheckTolerances {
  float of[kOpCount];
  // The tolerances in the operations' headers, times `slack` because rows of real models are longer than in tests.
  static CheckTolerances defaults(ComputeType compute, float slack = 8.0f);
};

// Both devices must work on host memory. Weights are bound on both; the second device's KV blocks are kept here.
class CheckDevice final : public ForwardDevice {
 public:
  explicit CheckDevice(Device& inner) : ForwardDevice(inner) {}
  CheckDevice(Device& inner, Device& second, const CheckTolerances& tolerances)
      : ForwardDevice(inner), second_(&second), tolerances_(tolerances) {}

  std::string name() const override;
  // kInternal: a shape is wrong, or both devices' results differ: operation, place, both values.
  void dispatch(OpId id, const void* op) override;
  std::unique_ptr<LinearWeight> bind_linear(const LinearSource& source, ComputeType compute) override;
  // The second device has no use for what the first one packed.
  std::unique_ptr<LinearWeight> bind_packed(const PackedMatrix& matrix) override {
    return second_ ? Device::bind_packed(matrix) : ForwardDevice::bind_packed(matrix);
  }

 private:
  struct Shadow {  // the second device's copy of one layer's KV pool
    Buffer memory;
    size_t blocks = 0;
  };

  template <class Op>
  void run_op(const Op& op);
  template <class Op>
  void run_both(const Op& op, const Op& on_inner, Op on_second);
  KvLayer shadow_layer(const KvLayer& layer, const Batch& batch);

  Device* second_ = nullptr;
  CheckTolerances tolerances_ = {};
  std::map<const std::byte*, Shadow> shadows_;
};

}  // namespace mainspring
