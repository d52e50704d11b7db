// Bytes of activations: sums of products with unsigned bytes of weights, and the conversion that makes them.
//
// kByteShift: what is taken from a code of 8 bits before it is multiplied, where the instructions want it signed.
//   byte_dot<words, i>(acc, w, x)   adds the i-th quad of a chunk: four codes of plane layout `words` times four bytes of x
//   store_quads(p, v)               integers -128..127 as bytes, each four in the order 0, 2, 1, 3
#pragma once

#include "backends/cpu/linear/int_vec.h"
#include "backends/cpu/linear/planes.h"

namespace mainspring::cpu::MAINSPRING_ISA {

#if defined(MAINSPRING_ISA_avx512)

constexpr int kByteShift = 0;
constexpr int kByteRows = 12;   // of a register tile of two vectors
constexpr int kByteChains = 2;  // sums of one row that do not wait for each other
MS_INLINE QuadAcc wide_dot(QuadAcc acc, VI w, VI x) { return _mm512_dpbusd_epi32(acc, w, x); }
MS_INLINE QuadAcc quad_of(VI sum) { return sum; }
MS_INLINE void store_quads(int8_t* p, VI v) {
  const __m128i order = _mm_set_epi8(15, 13, 14, 12, 11, 9, 10, 8, 7, 5, 6, 4, 3, 1, 2, 0);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_shuffle_epi8(_mm512_cvtepi32_epi8(v), order));
}
MS_INLINE VI isub8(VI a, VI b) { return _mm512_sub_epi8(a, b); }

#elif defined(MAINSPRING_ISA_avx2)

constexpr int kByteShift = 128;
constexpr int kByteRows = 4;
constexpr int kByteChains = 1;  // runs of 16-bit sums take a whole chunk
// |w| <= 128 as an unsigned byte times x with the sign of w: no pair exceeds 2 * 128 * 127.
MS_INLINE QuadAcc wide_dot(QuadAcc acc, VI w, VI x) {
  const VI s = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
  const VI pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(s), _mm256_sign_epi8(x, s));
  acc.wide = _mm256_add_epi32(acc.wide, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  return acc;
}
MS_INLINE QuadAcc quad_of(VI sum) { return {_mm256_setzero_si256(), sum}; }
MS_INLINE void store_quads(int8_t* p, VI v) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i order = _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 7, 5, 6, 4, 3, 1, 2, 0);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_shuffle_epi8(_mm_packs_epi16(words, words), order));
}

#elif defined(MAINSPRING_ISA_neon)

constexpr int kByteShift = 128;
constexpr int kByteRows = 6;
constexpr int kByteChains = 2;
MS_INLINE QuadAcc wide_dot(QuadAcc acc, VI w, VI x) {
  const int8x16_t s = veorq_s8(vreinterpretq_s8_s32(w), vdupq_n_s8(-128));
  return vdotq_s32(acc, s, vreinterpretq_s8_s32(x));
}
MS_INLINE QuadAcc quad_of(VI sum) { return sum; }
MS_INLINE void store_quads(int8_t* p, VI v) {
  const int16x4_t half = vmovn_s32(v);
  const int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
  p[0] = vget_lane_s8(bytes, 0), p[1] = vget_lane_s8(bytes, 2);
  p[2] = vget_lane_s8(bytes, 1), p[3] = vget_lane_s8(bytes, 3);
}

#endif

template <int kWords, int i> MS_INLINE QuadAcc byte_dot(QuadAcc acc, VI w, VI x) {
  if constexpr (kWords == 8) return wide_dot(acc, w, x);
  else return quad_dot<Planes<kWords>::kTop, i>(acc, w, x);
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
