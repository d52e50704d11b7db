// Rounds groups of weights to integer codes: round to nearest, with a search for the scale of least squared error.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mainspring {

struct GroupScale {
  float scale = 0, offset = 0;  // w ~ scale * code + offset
};

// Unsigned codes 0 .. 2^bits - 1 with an integer zero point in that range: offset = -scale * zero.
GroupScale quantise_asymmetric(const float* w, int64_t n, int bits, uint8_t* codes) noexcept;
// Two's complement codes -(2^(bits-1) - 1) .. 2^(bits-1) - 1, offset 0. n below 2^24.
GroupScale quantise_symmetric(const float* w, int64_t n, int bits, uint8_t* codes) noexcept;

// No number is infinite or not a number.
bool all_finite(const float* w, int64_t n) noexcept;

}  // namespace mainspring
