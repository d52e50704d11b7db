// Matrix tiles (Intel AMX): int8 products of 16 rows x 16 columns x 64 inputs, summed into 32-bit lanes.
//
// kTileRowsMin is the least number of rows of x for which tiles are used; without tiles it is out of reach.
#pragma once

#include <cstddef>

#include "backends/cpu/isa.h"
#include "backends/cpu/linear/int_vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

constexpr int kSteps = kRecord / 64;  // of a full record

// Where FixedInput::tiles has tile `tile` of record `record`, which has `steps` steps; in bytes.
MS_INLINE size_t tile_at(int64_t record, int64_t tile, int64_t steps, int64_t tiles, int tile_rows) {
  return static_cast<size_t>((record * kSteps * tiles + tile * steps) * 2 * 64 * tile_rows);
}

#if defined(MAINSPRING_ISA_amx)

constexpr bool kHasTiles = true;
constexpr int kTileRowsMin = 9;  // fewer go faster as streams: tiles wait for the unpacking

// Tiles 0-3 hold sums, 4 and 5 the high and low bytes of x, 6 and 7 those of the weights. Configured for `rows` rows of x
// (1..16) and steps of `inputs` inputs (a multiple of 4, at most 64) as long as it lives.
class TileUnit {
 public:
  MS_INLINE explicit TileUnit(int rows, int inputs = 64) {
    struct alignas(64) Config {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    for (int i = 0; i < 8; ++i) {
      config.row_bytes[i] = static_cast<uint16_t>(i == 4 || i == 5 ? inputs : 64);
      config.rows[i] = static_cast<uint8_t>(i < 6 ? rows : inputs / 4);
    }
    // Not the intrinsic: gcc 12 does not know that it reads memory, and drops the stores.
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  MS_INLINE ~TileUnit() { _tile_release(); }
  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;

  // sums[4][rows][16] = high x high, high x low, low x low, low x high over `steps` (1..4) steps of 64 inputs.
  // x: [steps][high, low][rows][64], w: [steps][high, low][16][64]. All bytes are signed but the low ones of w.
  // between(0..3) is other work for the vector units, done while the tiles multiply.
  template <class Between>
  MS_INLINE void multiply(const std::byte* x, size_t x_step, const std::byte* w, int steps, int32_t* sums,
                          const Between& between) const {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int s = 0; s < steps; ++s, x += 2 * x_step, w += 2048) {
      _tile_loadd(6, w, 64);
      _tile_loadd(4, x, 64);
      _tile_dpbssd(0, 4, 6);
      _tile_loadd(7, w + 1024, 64);
      _tile_dpbsud(1, 4, 7);
      _tile_loadd(5, x + x_step, 64);
      _tile_dpbsud(2, 5, 7);
      _tile_dpbssd(3, 5, 6);
      between(s);
    }
    for (int s = steps; s < 4; ++s) between(s);
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + 256, 64);
    _tile_stored(2, sums + 512, 64);
    _tile_stored(3, sums + 768, 64);
  }
};

// Two vectors of pairs of 16-bit weights (inputs 0, 1 and 2, 3 of 16 columns) as one row of a high and of a low tile.
MS_INLINE void put_rows(VI first, VI second, std::byte* high, std::byte* low) {
  const VI even = iset(0x00FF00FF);
  istore(high, _mm512_ternarylogic_epi32(even, shr16<8>(first), second, 0xCA));  // even ? first >> 8 : second
  istore(low, _mm512_ternarylogic_epi32(even, first, shl16<8>(second), 0xCA));
}

// 64 codes of x as 64 high and 64 low bytes, groups of four in the order 0, 2, 1, 3.
MS_INLINE void put_bytes(const int16_t* codes, std::byte* high, std::byte* low) {
  // 16-bit lanes of 32 codes -> 32 bytes; then bytes 1 and 2 of each group of four change places.
  const __m512i a = iload(codes), b = iload(codes + 32);
  const __m512i order = _mm512_set4_epi32(0x0F0D0E0C, 0x0B090A08, 0x07050604, 0x03010200);
  const auto put = [&](std::byte* to, __m256i x, __m256i y) MS_LAMBDA {
    istore(to, _mm512_shuffle_epi8(_mm512_inserti64x4(_mm512_castsi256_si512(x), y, 1), order));
  };
  // The low byte is signed: half a step more makes the high one fit it.
  const __m512i half = _mm512_set1_epi16(128);
  put(high, _mm512_cvtepi16_epi8(_mm512_srli_epi16(_mm512_add_epi16(a, half), 8)),
      _mm512_cvtepi16_epi8(_mm512_srli_epi16(_mm512_add_epi16(b, half), 8)));
  put(low, _mm512_cvtepi16_epi8(a), _mm512_cvtepi16_epi8(b));
}

#else

constexpr bool kHasTiles = false;
constexpr int kTileRowsMin = 1 << 30;

MS_INLINE void put_bytes(const int16_t*, std::byte*, std::byte*) {}

#endif

}  // namespace mainspring::cpu::MAINSPRING_ISA
