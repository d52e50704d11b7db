// Turns the description of one block into an Encoding: the loops over blocks and the decode to values.
#pragma once

#include <bit>
#include <cstring>

#include "base/half.h"
#include "quant/encoding.h"

namespace mainspring {

static_assert(std::endian::native == std::endian::little, "files are little-endian and are read in place");

template <class T>
T load_le(const uint8_t* p) noexcept {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline float load_f16(const uint8_t* p) noexcept { return f16_to_f32(load_le<uint16_t>(p)); }

// Bits 0..7 of b as bytes 0..7 that are 0 or 1.
inline uint64_t spread_bits(uint8_t b) noexcept {
  const uint64_t picked = (b * 0x0101010101010101ull) & 0x8040201008040201ull;  // byte i keeps bit i
  return ((picked + 0x7F7F7F7F7F7F7F7Full) >> 7) & 0x0101010101010101ull;       // no carry: picked bytes are <= 0x80
}

// codes[0, n) = low nibbles, codes[n, 2n) = high nibbles.
template <int n>
void split_nibbles(const uint8_t* q, uint8_t* codes) noexcept {
  for (int i = 0; i < n; ++i) codes[i] = q[i] & 15;
  for (int i = 0; i < n; ++i) codes[n + i] = q[i] >> 4;
}

// 32 codes of 4 bits get a fifth bit each: bit i of the 32-bit word at `bits` belongs to code i.
inline void add_fifth_bits(const uint8_t* bits, uint8_t* codes) noexcept {
  for (int i = 0; i < 4; ++i) {
    const uint64_t eight = load_le<uint64_t>(codes + 8 * i) | spread_bits(bits[i]) << 4;
    std::memcpy(codes + 8 * i, &eight, sizeof eight);
  }
}

// 64 bytes of bit pairs -> 256 codes: pair k of byte i in each half of 32 bytes is code 32 k + i of that half.
inline void split_pairs(const uint8_t* q, uint8_t* codes) noexcept {
  for (int h = 0; h < 2; ++h)
    for (int k = 0; k < 4; ++k)
      for (int i = 0; i < 32; ++i) codes[128 * h + 32 * k + i] = (q[32 * h + i] >> (2 * k)) & 3;
}

// Subtracts a bias, so that unsigned file codes become two's complement.
template <int n>
void make_signed(uint8_t* codes, int bias) noexcept {
  for (int i = 0; i < n; ++i) codes[i] = static_cast<uint8_t>(codes[i] - bias);
}

// B: kBlock, kBytes, kFormat and
//   static void decode(const uint8_t* block, uint8_t* codes, float* scales, float* offsets)
// which writes kBlock codes and kBlock / group scales (and offsets, when the format has them).
template <class B>
struct BlockCodec {
  static constexpr int kGroup = B::kFormat.group;
  static constexpr int kGroups = B::kBlock / kGroup;
  static_assert(B::kBlock % kGroup == 0);

  static void codes(const std::byte* src, int64_t blocks, const CodeRows& out) {
    const uint8_t* p = reinterpret_cast<const uint8_t*>(src);
    uint8_t* c = out.codes;
    float* s = out.scales;
    float* o = out.offsets;
    for (int64_t b = 0; b < blocks; ++b) {
      B::decode(p, c, s, o);
      p += B::kBytes;
      c += B::kBlock;
      s += kGroups;
      if constexpr (B::kFormat.has_offset) o += kGroups;
    }
  }

  // Product first, then the sum, each rounded to f32: the order of the reference decoder.
  static void values(const std::byte* src, int64_t blocks, float* out) {
    const uint8_t* p = reinterpret_cast<const uint8_t*>(src);
    uint8_t c[B::kBlock];
    float s[kGroups], o[kGroups] = {};
    for (int64_t b = 0; b < blocks; ++b, p += B::kBytes, out += B::kBlock) {
      B::decode(p, c, s, o);
      for (int g = 0; g < kGroups; ++g)
        for (int i = 0; i < kGroup; ++i) {
          const uint8_t code = c[g * kGroup + i];
          const float q = B::kFormat.is_signed ? static_cast<float>(static_cast<int8_t>(code)) : static_cast<float>(code);
          const float product = s[g] * q;
          if constexpr (B::kFormat.has_offset) out[g * kGroup + i] = product + o[g];
          else out[g * kGroup + i] = product;
        }
    }
  }
};

template <class B>
constexpr Encoding block_encoding(std::string_view name, int32_t gguf_type) {
  return {.name = name,
          .gguf_type = gguf_type,
          .block = B::kBlock,
          .block_bytes = B::kBytes,
          .format = B::kFormat,
          .values = &BlockCodec<B>::values,
          .codes = &BlockCodec<B>::codes};
}

constexpr WeightFormat group_format(int bits, bool is_signed, int group, bool has_offset) {
  return {.scheme = Scheme::kGroup,
          .bits = static_cast<uint8_t>(bits),
          .is_signed = is_signed,
          .has_offset = has_offset,
          .group = static_cast<uint16_t>(group)};
}

// Q4_1 and Q5_1: f16 scale, f16 minimum, with 5 bits the 32 fifth bits, 32 nibbles.
template <int bits>
struct ScaleMinBlock {
  static_assert(bits == 4 || bits == 5);
  static constexpr int kFifth = 4, kNibbles = bits == 5 ? kFifth + 4 : kFifth;  // where they begin
  static constexpr int kBlock = 32, kBytes = kNibbles + 16;
  static constexpr WeightFormat kFormat = group_format(bits, false, 32, true);

  static void decode(const uint8_t* p, uint8_t* codes, float* scales, float* offsets) noexcept {
    scales[0] = load_f16(p);
    offsets[0] = load_f16(p + 2);
    split_nibbles<16>(p + kNibbles, codes);
    if constexpr (bits == 5) add_fifth_bits(p + kFifth, codes);
  }
};

// The 6-bit scales and minima of Q4_K and Q5_K: 8 + 8 numbers in 12 bytes.
// Bytes 0..3: low 6 bits scale 0..3, top 2 bits belong to scale 4..7. Bytes 4..7: the same for the minima.
// Bytes 8..11: low nibble scale 4..7, high nibble minimum 4..7.
inline void decode_k_scales(const uint8_t* p, float d, float dmin, float* scales, float* offsets) noexcept {
  for (int i = 0; i < 4; ++i) {
    scales[i] = d * static_cast<float>(p[i] & 63);
    offsets[i] = -(dmin * static_cast<float>(p[4 + i] & 63));
    scales[4 + i] = d * static_cast<float>((p[8 + i] & 15) | ((p[i] >> 2) & 48));
    offsets[4 + i] = -(dmin * static_cast<float>((p[8 + i] >> 4) | ((p[4 + i] >> 2) & 48)));
  }
}

}  // namespace mainspring
