// Device: an in-order stream of operations, with its memory and its packed weights.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "ops/kv.h"
#include "ops/op_id.h"
#include "ops/packed_matrix.h"
#include "ops/weight.h"

namespace mainspring {

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;  // "cpu (avx512-vnni, 2 threads)"

  // Enqueues an op. The struct is copied or consumed before run() returns; the views it names must live until sync().
  template <class Op>
  void run(const Op& op) {
    dispatch(OpTraits<Op>::kId, &op);
  }
  virtual void dispatch(OpId id, const void* op) = 0;
  virtual bool supports(OpId id) const noexcept = 0;
  virtual void sync() {}

  // Device memory, 64-byte aligned, not initialised; kOutOfMemory with the size. Freed with the returned handle.
  struct Free {
    Device* device = nullptr;
    size_t bytes = 0;
    void operator()(std::byte* p) const noexcept { device->free_bytes(p, bytes); }
  };
  using Buffer = std::unique_ptr<std::byte[], Free>;
  Buffer alloc(size_t bytes) { return Buffer(alloc_bytes(bytes), Free{this, bytes}); }
  virtual void copy_to_device(void* to, const void* from, size_t bytes) = 0;
  virtual void copy_to_host(void* to, const void* from, size_t bytes) = 0;

  // Packs a checkpoint matrix for the best linear kernel this device has for its format, in parallel, reading the
  // source once. kUnsupported names the format when there is none.
  virtual std::unique_ptr<LinearWeight> bind_linear(const LinearSource& source, ComputeType compute) = 0;

  // Uses a matrix that was packed earlier where it lies: no copy. kUnsupported when it was packed for another layout
  // than this device has now for its format, or this device cannot keep matrices; kInvalidInput for a wrong size.
  virtual std::unique_ptr<LinearWeight> bind_packed(const PackedMatrix& matrix);

  // Bytes one block of kBlockTokens tokens takes in one layer.
  virtual size_t kv_block_bytes(const StateSpec& spec, KvFormat format) const = 0;

  // Memory the kernel of this op needs besides the op's own tensors. The dry run takes the largest over a step and
  // reserves it once, so that dispatch() never allocates.
  virtual size_t scratch_bytes(OpId id, const void* op) const = 0;
  virtual void reserve_scratch(size_t bytes) = 0;

 protected:
  virtual std::byte* alloc_bytes(size_t bytes) = 0;
  virtual void free_bytes(std::byte* p, size_t bytes) noexcept = 0;
};

}  // namespace mainspring
