// The 16 values that the codes of IQ4_NL and IQ4_XS stand for.
#pragma once

#include <cstdint>

namespace mainspring {

inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// codes[0, 16) from the low nibbles of q[0, 16), codes[16, 32) from the high ones; as two's complement bytes.
inline void decode_iq4(const uint8_t* q, uint8_t* codes) noexcept {
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<uint8_t>(kIq4Values[q[i] & 15]);
    codes[16 + i] = static_cast<uint8_t>(kIq4Values[q[i] >> 4]);
  }
}

}  // namespace mainspring
