// Arithmetic on sizes that come from files: overflow is an error of the input, never a wrap.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "base/str.h"

namespace mainspring {

inline std::optional<uint64_t> try_mul(uint64_t a, uint64_t b) noexcept {
  uint64_t r;
  return __builtin_mul_overflow(a, b, &r) ? std::nullopt : std::optional(r);
}
inline std::optional<uint64_t> try_add(uint64_t a, uint64_t b) noexcept {
  uint64_t r;
  return __builtin_add_overflow(a, b, &r) ? std::nullopt : std::optional(r);
}

inline uint64_t checked_mul(uint64_t a, uint64_t b, std::string_view what) {
  if (auto r = try_mul(a, b)) return *r;
  fail(Code::kInvalidInput, what, ": size overflows 64 bits (", a, " * ", b, ")");
}
inline uint64_t checked_add(uint64_t a, uint64_t b, std::string_view what) {
  if (auto r = try_add(a, b)) return *r;
  fail(Code::kInvalidInput, what, ": size overflows 64 bits (", a, " + ", b, ")");
}
// Product of non-negative dimensions; each must fit in 31 bits and the product in 62.
inline uint64_t checked_elements(std::span<const int64_t> dims, std::string_view what) {
  uint64_t n = 1;
  for (int64_t d : dims) {
    if (d < 0 || d > std::numeric_limits<int32_t>::max())
      fail(Code::kInvalidInput, what, ": dimension ", d, " is outside 0..2147483647");
    n = checked_mul(n, static_cast<uint64_t>(d), what);
  }
  if (n > (uint64_t{1} << 62)) fail(Code::kInvalidInput, what, ": ", n, " elements are too many");
  return n;
}
// value as T; kInvalidInput when it does not fit.
template <class T, class V>
T checked_cast(V value, std::string_view what) {
  const T r = static_cast<T>(value);
  if (static_cast<V>(r) != value || (r < T{}) != (value < V{}))
    fail(Code::kInvalidInput, what, ": value ", value, " is out of range");
  return r;
}

}  // namespace mainspring
