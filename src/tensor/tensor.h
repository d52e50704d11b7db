// Tensor views: where the numbers are, of what type and shape. A view owns nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace mainspring {

enum class DType : uint8_t { kF32, kBf16, kF16, kI32, kI8, kU8 };

constexpr size_t dtype_size(DType t) noexcept {
  switch (t) {
    case DType::kF32:
    case DType::kI32: return 4;
    case DType::kBf16:
    case DType::kF16: return 2;
    default: return 1;
  }
}
const char* dtype_name(DType t) noexcept;

// Up to three dimensions, row-major; only dimension 0 may be strided (a column slice of a wider matrix).
// Dimensions that do not exist are 1.
template <bool kConst>
struct BasicTensor {
  using Void = std::conditional_t<kConst, const void, void>;
  using Byte = std::conditional_t<kConst, const std::byte, std::byte>;

  Void* data = nullptr;
  int32_t dims[3] = {0, 1, 1};
  int32_t stride0 = 0;  // elements from one row to the next
  DType dtype = DType::kF32;
  uint8_t rank = 0;     // 0: absent tensor

  BasicTensor() = default;
  BasicTensor(Void* p, DType t, int64_t d0) : BasicTensor(p, t, d0, 1, 1, 1) {}
  BasicTensor(Void* p, DType t, int64_t d0, int64_t d1) : BasicTensor(p, t, d0, d1, 1, 2) {}
  BasicTensor(Void* p, DType t, int64_t d0, int64_t d1, int64_t d2) : BasicTensor(p, t, d0, d1, d2, 3) {}
  // A mutable view is also a const view.
  template <bool kOther>
    requires(kConst && !kOther)
  BasicTensor(const BasicTensor<kOther>& o)  // NOLINT: implicit on purpose
      : data(o.data), dims{o.dims[0], o.dims[1], o.dims[2]}, stride0(o.stride0), dtype(o.dtype), rank(o.rank) {}

  explicit operator bool() const noexcept { return rank != 0; }
  int64_t rows() const noexcept { return dims[0]; }
  int64_t row_elements() const noexcept { return int64_t{dims[1]} * dims[2]; }
  int64_t elements() const noexcept { return rows() * row_elements(); }
  bool contiguous() const noexcept { return stride0 == row_elements() || dims[0] <= 1; }
  size_t bytes() const noexcept { return static_cast<size_t>(elements()) * dtype_size(dtype); }

  Byte* row_bytes(int64_t row) const noexcept {
    return static_cast<Byte*>(data) + static_cast<size_t>(row * stride0) * dtype_size(dtype);
  }
  template <class T>
  auto* row(int64_t r) const noexcept {
    using P = std::conditional_t<kConst, const T, T>;
    return reinterpret_cast<P*>(row_bytes(r));
  }
  template <class T>
  auto* as() const noexcept {
    return row<T>(0);
  }

  // Rows [begin, end).
  BasicTensor slice_rows(int64_t begin, int64_t end) const noexcept {
    BasicTensor t = *this;
    t.data = advanced(static_cast<size_t>(begin * stride0) * dtype_size(dtype));
    t.dims[0] = static_cast<int32_t>(end - begin);
    return t;
  }
  // Columns [begin, begin + width) of a rank-2 view.
  BasicTensor slice_cols(int64_t begin, int64_t width) const noexcept {
    BasicTensor t = *this;
    t.data = advanced(static_cast<size_t>(begin) * dtype_size(dtype));
    t.dims[1] = static_cast<int32_t>(width);
    return t;
  }
  // [rows, n * d] seen as [rows, n, d].
  BasicTensor split_heads(int64_t n, int64_t d) const noexcept {
    BasicTensor t = *this;
    t.dims[1] = static_cast<int32_t>(n), t.dims[2] = static_cast<int32_t>(d), t.rank = 3;
    return t;
  }
  // [rows, n, d] seen as [rows, n * d].
  BasicTensor merge_heads() const noexcept {
    BasicTensor t = *this;
    t.dims[1] = dims[1] * dims[2], t.dims[2] = 1, t.rank = 2;
    return t;
  }

 private:
  // Views of a dry run point nowhere, and so do their slices.
  Void* advanced(size_t bytes) const noexcept { return data ? static_cast<Byte*>(data) + bytes : nullptr; }
  BasicTensor(Void* p, DType t, int64_t d0, int64_t d1, int64_t d2, int r)
      : data(p), dims{static_cast<int32_t>(d0), static_cast<int32_t>(d1), static_cast<int32_t>(d2)},
        stride0(static_cast<int32_t>(d1 * d2)), dtype(t), rank(static_cast<uint8_t>(r)) {}
};

using Tensor = BasicTensor<false>;
using ConstTensor = BasicTensor<true>;
static_assert(sizeof(Tensor) == 32 && std::is_trivially_copyable_v<Tensor>);

}  // namespace mainspring
