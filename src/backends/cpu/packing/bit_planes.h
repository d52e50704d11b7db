// Codes of one column and chunk <-> its 32-bit lanes of the chunk's bit planes (panels.h has the layout).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "backends/cpu/isa.h"

namespace mainspring::cpu {

inline constexpr int kNibbleShift[4] = {0, 8, 4, 12};

// 32 codes of one column -> its lanes of the chunk's words.
inline void encode_words(const uint8_t* codes, int words, uint32_t* out) {
  std::memset(out, 0, sizeof(uint32_t) * static_cast<size_t>(words));
  for (int p = 0; p < kChunk / 2; ++p) {
    const uint32_t pair = codes[2 * p] | static_cast<uint32_t>(codes[2 * p + 1]) << 16;
    if (words == 8) {
      out[p / 2] |= pair << 8 * (p % 2);
      continue;
    }
    out[p / 4] |= (pair & 0x000F000Fu) << kNibbleShift[p % 4];
    if (words == 5) out[4] |= (pair >> 4 & 0x00010001u) << (p / 2 + 8 * (p % 2));
    if (words == 6) out[4 + p / 8] |= (pair >> 4 & 0x00030003u) << (2 * (p % 8 / 2) + 8 * (p % 2));
  }
}

inline void decode_words(const uint32_t* in, int words, uint8_t* codes) {
  for (int p = 0; p < kChunk / 2; ++p) {
    uint32_t pair;
    if (words == 8) {
      pair = in[p / 2] >> 8 * (p % 2) & 0x00FF00FFu;
    } else {
      pair = in[p / 4] >> kNibbleShift[p % 4] & 0x000F000Fu;
      if (words == 5) pair |= (in[4] >> (p / 2 + 8 * (p % 2)) & 0x00010001u) << 4;
      if (words == 6) pair |= (in[4 + p / 8] >> (2 * (p % 8 / 2) + 8 * (p % 2)) & 0x00030003u) << 4;
    }
    codes[2 * p] = static_cast<uint8_t>(pair);
    codes[2 * p + 1] = static_cast<uint8_t>(pair >> 16);
  }
}

// n <= 32 codes plus `bias` of one column to its lane of a chunk's words, zeros after them; `lane` is that of word 0.
inline void put_chunk(const uint8_t* codes, int64_t n, int bias, int words, int lanes, std::byte* lane) {
  uint8_t chunk[kChunk] = {};
  for (int64_t i = 0; i < n; ++i) chunk[i] = static_cast<uint8_t>(codes[i] + bias);
  uint32_t column[8];
  encode_words(chunk, words, column);
  for (int w = 0; w < words; ++w) std::memcpy(lane + static_cast<size_t>(w * lanes) * 4, &column[w], 4);
}

inline void get_chunk(const std::byte* lane, int words, int lanes, uint8_t (&codes)[kChunk]) {
  uint32_t column[8];
  for (int w = 0; w < words; ++w) std::memcpy(&column[w], lane + static_cast<size_t>(w * lanes) * 4, 4);
  decode_words(column, words, codes);
}

// Words of a plane layout for codes of `bits` bits.
constexpr int plane_words(int bits) noexcept { return bits <= 4 ? 4 : bits == 5 ? 5 : bits == 6 ? 6 : 8; }

}  // namespace mainspring::cpu
