// Scratch memory of a step: a stack of tensors over one block whose size a dry run has found.
#pragma once

#include <cstddef>

#include "base/str.h"
#include "tensor/tensor.h"

namespace mainspring {

// Two modes. Over memory: alloc() hands out 64-byte aligned pieces and throws kInternal past the end (the dry run was
// wrong: a bug). Without memory ("measuring"): the views point nowhere and only the peak is recorded.
class Workspace {
 public:
  Workspace() = default;  // measuring
  Workspace(std::byte* memory, size_t size) : base_(memory), size_(size) {}

  bool measuring() const noexcept { return base_ == nullptr; }
  size_t peak() const noexcept { return peak_; }
  size_t used() const noexcept { return used_; }

  Tensor alloc(DType t, int64_t d0) { return Tensor(take(t, d0, 1, 1), t, d0); }
  Tensor alloc(DType t, int64_t d0, int64_t d1) { return Tensor(take(t, d0, d1, 1), t, d0, d1); }
  Tensor alloc(DType t, int64_t d0, int64_t d1, int64_t d2) { return Tensor(take(t, d0, d1, d2), t, d0, d1, d2); }

  // Gives back everything allocated since construction of the scope.
  class Scope {
   public:
    explicit Scope(Workspace& ws) : ws_(ws), mark_(ws.used_) {}
    ~Scope() { ws_.used_ = mark_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Workspace& ws_;
    size_t mark_;
  };

 private:
  void* take(DType t, int64_t d0, int64_t d1, int64_t d2) {
    const size_t bytes = (static_cast<size_t>(d0) * d1 * d2 * dtype_size(t) + 63) / 64 * 64;
    const size_t at = used_;
    used_ += bytes;
    if (used_ > peak_) peak_ = used_;
    if (measuring()) return nullptr;
    if (used_ > size_) fail(Code::kInternal, "workspace of ", size_, " bytes is too small: ", used_, " needed");
    return base_ + at;
  }

  std::byte* base_ = nullptr;
  size_t size_ = 0, used_ = 0, peak_ = 0;
};

}  // namespace mainspring
