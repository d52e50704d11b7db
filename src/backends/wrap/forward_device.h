// Base of the wrappers: a device that hands everything on to another one. Allocation uses the wrapped device, so that
// buffers of both are interchangeable.
#pragma once

#include "ops/device.h"

namespace mainspring {

class ForwardDevice : public Device {
 public:
  explicit ForwardDevice(Device& inner) : inner_(inner) {}

  std::string name() const override { return inner_.name(); }
  void dispatch(OpId id, const void* op) override { inner_.dispatch(id, op); }
  bool supports(OpId id) const noexcept override { return inner_.supports(id); }
  void sync() override { inner_.sync(); }
  void copy_to_device(void* to, const void* from, size_t bytes) override { inner_.copy_to_device(to, from, bytes); }
  void copy_to_host(void* to, const void* from, size_t bytes) override { inner_.copy_to_host(to, from, bytes); }
  std::unique_ptr<LinearWeight> bind_linear(const LinearSource& source, ComputeType compute) override {
    return inner_.bind_linear(source, compute);
  }
  std::unique_ptr<LinearWeight> bind_packed(const PackedMatrix& matrix) override { return inner_.bind_packed(matrix); }
  size_t kv_block_bytes(const StateSpec& spec, KvFormat format) const override {
    return inner_.kv_block_bytes(spec, format);
  }
  size_t scratch_bytes(OpId id, const void* op) const override { return inner_.scratch_bytes(id, op); }
  void reserve_scratch(size_t bytes) override { inner_.reserve_scratch(bytes); }

 protected:
  std::byte* alloc_bytes(size_t bytes) override { return inner_.alloc(bytes).release(); }
  void free_bytes(std::byte* p, size_t bytes) noexcept override { Buffer(p, Free{&inner_, bytes}).reset(); }

  Device& inner_;
};

}  // namespace mainspring
