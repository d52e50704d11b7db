// Canonical rows of one panel in a packing buffer: what group layouts are packed from.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "ops/weight.h"

namespace mainspring::cpu {

struct CanonicalRows {
  float* scales;     // [columns][groups]
  float* offsets;    // the same, or null
  uint8_t* codes;    // [columns][in]
  int64_t groups;    // of a row

  // Panels: GroupPanels or FixedPanels.
  template <class Panels>
  CanonicalRows(const Panels& p, std::byte* buffer) : groups(p.row_groups) {
    const int64_t n = groups * p.columns;
    scales = reinterpret_cast<float*>(buffer);
    offsets = p.offset ? scales + n : nullptr;
    codes = reinterpret_cast<uint8_t*>(scales + (p.offset ? 2 : 1) * n);
  }
  template <class Panels>
  static size_t bytes(const Panels& p) noexcept {
    const auto columns = static_cast<size_t>(p.columns);
    return static_cast<size_t>(p.row_groups) * columns * sizeof(float) * (p.offset ? 2 : 1) +
           static_cast<size_t>(p.in) * columns;
  }
  // Reads the panel's rows; returns how many of its columns the matrix has.
  template <class Panels>
  int64_t read(const Panels& p, const LinearSource& source, int64_t panel) {
    const int64_t first = panel * p.columns, left = source.out_features() - first, n = left < p.columns ? left : p.columns;
    source.read_codes(first, n, CodeRows{codes, scales, offsets});
    return n;
  }
};

// 2^exponent moves the largest of the numbers as far up in the f16 range as is safe, so that small ones keep all their
// bits; at most `exponent`.
inline int panel_exponent(const float* v, size_t n, int exponent) {
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(v[i]) || v[i] == 0) continue;
    const int e = 14 - std::ilogb(v[i]);
    if (e < exponent) exponent = e;
  }
  return exponent;
}

}  // namespace mainspring::cpu
