// Integer side of the vector type: 16-bit products summed into 32-bit lanes, and the bit work that unpacks codes.
//
// A "pair" vector holds two consecutive k of one column in each 32-bit lane, as two int16. Integer sums are exact, so
// their order is free; every instruction set gives the same numbers.
//
//   Acc                  sums of pair products; acc_set(n) starts every column at n, acc_sum gives the int32 lanes
//   acc_dot(acc, w, a)   acc + w.lo * a.lo + w.hi * a.hi per lane
//   QuadAcc              sums of products of unsigned codes (at most 63) and signed bytes, four of a column in each lane;
//                        quad_dot<top, i> adds the i-th such vector of a run, codes <= top, quad_sum gives the lanes
//   shr16<n> shl16<n>    logical shifts of 16-bit halves
//   and_or(v, mask, c)   (v & mask) | c
#pragma once

#include "backends/cpu/kernels/vec.h"

#define MS_INLINE inline __attribute__((always_inline))
#define MS_LAMBDA __attribute__((always_inline))

namespace mainspring::cpu::MAINSPRING_ISA {

constexpr int kVecBytes = kLanes * 4;

#if defined(MAINSPRING_ISA_avx512)

using Acc = __m512i;
constexpr int kPanelVecs = 2;    // vectors of columns in a panel
constexpr int kTileRows = 12;    // of a GEMM tile of two vectors: 24 sums, 2 weights, 1 activation of 32 registers

MS_INLINE VI iload(const void* p) { return _mm512_loadu_si512(p); }
MS_INLINE void istore(void* p, VI v) { _mm512_storeu_si512(p, v); }
MS_INLINE VI iset(int32_t x) { return _mm512_set1_epi32(x); }
MS_INLINE VI iand(VI a, VI b) { return _mm512_and_si512(a, b); }
MS_INLINE VI iadd(VI a, VI b) { return _mm512_add_epi32(a, b); }
MS_INLINE VI isub(VI a, VI b) { return _mm512_sub_epi32(a, b); }
MS_INLINE VI and_or(VI v, VI mask, VI c) { return _mm512_ternarylogic_epi32(v, mask, c, 0xEA); }
template <int n> MS_INLINE VI shr16(VI v) { return _mm512_srli_epi16(v, n); }
template <int n> MS_INLINE VI shl16(VI v) { return _mm512_slli_epi16(v, n); }
MS_INLINE VI shr32_16(VI v) { return _mm512_srli_epi32(v, 16); }
MS_INLINE VF to_float(VI v) { return _mm512_cvtepi32_ps(v); }
MS_INLINE VI to_int(VF v) { return _mm512_cvtps_epi32(v); }  // nearest even
MS_INLINE VF vload_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
MS_INLINE void store_i16(int16_t* p, VI v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(v));
}
MS_INLINE VI vload_i16(const void* p) { return _mm512_cvtepi16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
MS_INLINE VI imul(VI a, VI b) { return _mm512_mullo_epi32(a, b); }
MS_INLINE VI iadd16(VI a, VI b) { return _mm512_add_epi16(a, b); }
MS_INLINE VI imul16(VI a, VI b) { return _mm512_mullo_epi16(a, b); }
MS_INLINE VI shl32_16(VI v) { return _mm512_slli_epi32(v, 16); }
MS_INLINE VI shl32_8(VI v) { return _mm512_slli_epi32(v, 8); }
MS_INLINE Acc acc_set(int32_t n) { return _mm512_set1_epi32(n); }
// Not the intrinsic: clang 19 makes two instructions of it, vpmaddwd and vpaddd, where that shortens a chain, and these
// loops wait for ports, not for chains.
MS_INLINE Acc acc_dot(Acc acc, VI w, VI a) {
  asm("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(w), "v"(a));
  return acc;
}
MS_INLINE VI acc_sum(Acc acc) { return acc; }

using QuadAcc = __m512i;
MS_INLINE QuadAcc quad_zero() { return _mm512_setzero_si512(); }
template <int top, int i> MS_INLINE QuadAcc quad_dot(QuadAcc acc, VI codes, VI x) {
  return _mm512_dpbusd_epi32(acc, codes, x);
}
MS_INLINE VI quad_sum(QuadAcc acc) { return acc; }

#elif defined(MAINSPRING_ISA_avx2)

using Acc = __m256i;
constexpr int kPanelVecs = 4;
constexpr int kTileRows = 6;  // 12 sums, 2 weights, 1 activation of 16 registers

MS_INLINE VI iload(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
MS_INLINE void istore(void* p, VI v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
MS_INLINE VI iset(int32_t x) { return _mm256_set1_epi32(x); }
MS_INLINE VI iand(VI a, VI b) { return _mm256_and_si256(a, b); }
MS_INLINE VI iadd(VI a, VI b) { return _mm256_add_epi32(a, b); }
MS_INLINE VI isub(VI a, VI b) { return _mm256_sub_epi32(a, b); }
MS_INLINE VI and_or(VI v, VI mask, VI c) { return _mm256_or_si256(_mm256_and_si256(v, mask), c); }
template <int n> MS_INLINE VI shr16(VI v) { return _mm256_srli_epi16(v, n); }
template <int n> MS_INLINE VI shl16(VI v) { return _mm256_slli_epi16(v, n); }
MS_INLINE VI shr32_16(VI v) { return _mm256_srli_epi32(v, 16); }
MS_INLINE VF to_float(VI v) { return _mm256_cvtepi32_ps(v); }
MS_INLINE VI to_int(VF v) { return _mm256_cvtps_epi32(v); }
MS_INLINE VF vload_f16(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
MS_INLINE void store_i16(int16_t* p, VI v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}
MS_INLINE VI vload_i16(const void* p) { return _mm256_cvtepi16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))); }
MS_INLINE VI imul(VI a, VI b) { return _mm256_mullo_epi32(a, b); }
MS_INLINE VI iadd16(VI a, VI b) { return _mm256_add_epi16(a, b); }
MS_INLINE VI imul16(VI a, VI b) { return _mm256_mullo_epi16(a, b); }
MS_INLINE VI shl32_16(VI v) { return _mm256_slli_epi32(v, 16); }
MS_INLINE VI shl32_8(VI v) { return _mm256_slli_epi32(v, 8); }
MS_INLINE Acc acc_set(int32_t n) { return _mm256_set1_epi32(n); }
MS_INLINE Acc acc_dot(Acc acc, VI w, VI a) { return _mm256_add_epi32(acc, _mm256_madd_epi16(w, a)); }
MS_INLINE VI acc_sum(Acc acc) { return acc; }

// As many products stay in 16 bits as fit: |code * byte| summed by pairs is at most 2 * top * 128.
struct QuadAcc {
  __m256i narrow, wide;
};
MS_INLINE QuadAcc quad_zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
template <int top, int i> MS_INLINE QuadAcc quad_dot(QuadAcc acc, VI codes, VI x) {
  constexpr int kRun = top <= 15 ? 8 : top <= 31 ? 4 : 2;
  const VI products = _mm256_maddubs_epi16(codes, x);
  acc.narrow = i % kRun == 0 ? products : _mm256_add_epi16(acc.narrow, products);
  if constexpr (i % kRun == kRun - 1) {
    acc.wide = _mm256_add_epi32(acc.wide, _mm256_madd_epi16(acc.narrow, _mm256_set1_epi16(1)));
    acc.narrow = _mm256_setzero_si256();
  }
  return acc;
}
// Runs cut short are still narrow.
MS_INLINE VI quad_sum(QuadAcc acc) {
  return _mm256_add_epi32(acc.wide, _mm256_madd_epi16(acc.narrow, _mm256_set1_epi16(1)));
}

#elif defined(MAINSPRING_ISA_neon)

// Products of columns 0, 1 and of columns 2, 3 apart; neighbours are added once at the end.
struct Acc {
  int32x4_t low, high;
};
constexpr int kPanelVecs = 4;
constexpr int kTileRows = 6;

MS_INLINE VI iload(const void* p) { return vreinterpretq_s32_u8(vld1q_u8(static_cast<const uint8_t*>(p))); }
MS_INLINE void istore(void* p, VI v) { vst1q_u8(static_cast<uint8_t*>(p), vreinterpretq_u8_s32(v)); }
MS_INLINE VI iset(int32_t x) { return vdupq_n_s32(x); }
MS_INLINE VI iand(VI a, VI b) { return vandq_s32(a, b); }
MS_INLINE VI iadd(VI a, VI b) { return vaddq_s32(a, b); }
MS_INLINE VI isub(VI a, VI b) { return vsubq_s32(a, b); }
MS_INLINE VI and_or(VI v, VI mask, VI c) { return vorrq_s32(vandq_s32(v, mask), c); }
template <int n> MS_INLINE VI shr16(VI v) {
  return vreinterpretq_s32_u16(vshrq_n_u16(vreinterpretq_u16_s32(v), n));
}
template <int n> MS_INLINE VI shl16(VI v) {
  return vreinterpretq_s32_u16(vshlq_n_u16(vreinterpretq_u16_s32(v), n));
}
MS_INLINE VI shr32_16(VI v) { return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(v), 16)); }
MS_INLINE VF to_float(VI v) { return vcvtq_f32_s32(v); }
MS_INLINE VI to_int(VF v) { return vcvtnq_s32_f32(v); }
MS_INLINE VF vload_f16(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
MS_INLINE void store_i16(int16_t* p, VI v) { vst1_s16(p, vqmovn_s32(v)); }
MS_INLINE VI vload_i16(const void* p) { return vmovl_s16(vld1_s16(static_cast<const int16_t*>(p))); }
MS_INLINE VI imul(VI a, VI b) { return vmulq_s32(a, b); }
MS_INLINE VI iadd16(VI a, VI b) {
  return vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b)));
}
MS_INLINE VI imul16(VI a, VI b) {
  return vreinterpretq_s32_s16(vmulq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b)));
}
MS_INLINE VI shl32_16(VI v) { return vshlq_n_s32(v, 16); }
MS_INLINE VI shl32_8(VI v) { return vshlq_n_s32(v, 8); }
MS_INLINE Acc acc_set(int32_t n) {
  const int32x4_t v = vreinterpretq_s32_u64(vdupq_n_u64(static_cast<uint32_t>(n)));
  return {v, v};
}
MS_INLINE Acc acc_dot(Acc acc, VI w, VI a) {
  const int16x8_t x = vreinterpretq_s16_s32(w), y = vreinterpretq_s16_s32(a);
  return {vmlal_s16(acc.low, vget_low_s16(x), vget_low_s16(y)), vmlal_high_s16(acc.high, x, y)};
}
MS_INLINE VI acc_sum(Acc acc) { return vpaddq_s32(acc.low, acc.high); }

using QuadAcc = int32x4_t;
MS_INLINE QuadAcc quad_zero() { return vdupq_n_s32(0); }
template <int top, int i> MS_INLINE QuadAcc quad_dot(QuadAcc acc, VI codes, VI x) {
  return vdotq_s32(acc, vreinterpretq_s8_s32(codes), vreinterpretq_s8_s32(x));
}
MS_INLINE VI quad_sum(QuadAcc acc) { return acc; }

#endif

constexpr int kPanelColumns = kPanelVecs * kLanes;

// The low 16 bits of every lane in both of its halves.
MS_INLINE VI both_halves(VI v) { return and_or(v, iset(0xFFFF), shl32_16(v)); }

// Two int16, or four bytes, as one 32-bit lane, in every lane.
MS_INLINE VI pair_at(const void* p) {
  int32_t v;
  __builtin_memcpy(&v, p, 4);
  return iset(v);
}

// each<n>(f): f(Index<0>{}), ..., f(Index<n - 1>{}): loops that are unrolled for certain, so that arrays of vectors
// stay in registers with every compiler.
template <int i> struct Index {
  static constexpr int value = i;
  constexpr operator int() const { return i; }
};
template <int n, int i = 0, class F> MS_INLINE void each(F&& f) {
  if constexpr (i < n) {
    f(Index<i>{});
    each<n, i + 1>(f);
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
