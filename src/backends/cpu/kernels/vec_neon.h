// Vectors of 4 lanes: NEON (AArch64).
#pragma once

#include <arm_neon.h>

namespace mainspring::cpu::MAINSPRING_ISA {

using VF = float32x4_t;
using VI = int32x4_t;
using VM = uint32x4_t;  // all ones or all zeros per lane
constexpr int kLanes = 4;
constexpr int kRegisters = 32;

inline VF vset(float x) { return vdupq_n_f32(x); }
inline VF vload(const float* p) { return vld1q_f32(p); }
inline void vstore(float* p, VF v) { vst1q_f32(p, v); }
inline VF vload_n(const float* p, int n) {
  if (n >= kLanes) return vload(p);
  float t[kLanes] = {};
  for (int i = 0; i < n; ++i) t[i] = p[i];
  return vload(t);
}
inline void vstore_n(float* p, VF v, int n) {
  if (n >= kLanes) return vstore(p, v);
  float t[kLanes];
  vstore(t, v);
  for (int i = 0; i < n; ++i) p[i] = t[i];
}

inline VF vfma(VF a, VF b, VF c) { return vfmaq_f32(c, a, b); }
inline VF vmax(VF a, VF b) { return vmaxq_f32(a, b); }
inline VF vmin(VF a, VF b) { return vminq_f32(a, b); }
inline VF vabs(VF a) { return vabsq_f32(a); }
inline VF vcopysign(VF magnitude, VF sign) {
  return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}
inline VM vless(VF a, VF b) { return vcltq_f32(a, b); }
inline VF vselect(VM m, VF yes, VF no) { return vbslq_f32(m, yes, no); }

inline float vsum(VF v) {
  const float32x2_t s = vadd_f32(vget_low_f32(v), vget_high_f32(v));
  return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
}
inline float vmax_of(VF v) { return vmaxvq_f32(v); }
inline float vmin_of(VF v) { return vminvq_f32(v); }

inline VF vround(VF v) { return vrndnq_f32(v); }
// In two steps: 2^n alone would overflow at n = 128 although the product does not.
inline VF vexp2i(VF x, VF n) {
  const VI i = vcvtnq_s32_f32(n);
  const VI a = vshrq_n_s32(i, 1), b = vsubq_s32(i, a);
  const VI bias = vdupq_n_s32(127);
  const VF fa = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(a, bias), 23));
  const VF fb = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(b, bias), 23));
  return vmulq_f32(vmulq_f32(x, fa), fb);
}

inline VF vload_bf16(const uint16_t* p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
// kLanes pairs: p[2 i] and p[2 i + 1].
inline void vload_bf16_pairs(const uint16_t* p, VF& even, VF& odd) {
  const uint32x4_t v = vreinterpretq_u32_u16(vld1q_u16(p));
  even = vreinterpretq_f32_u32(vshlq_n_u32(v, 16));
  odd = vreinterpretq_f32_u32(vandq_u32(v, vdupq_n_u32(0xFFFF0000u)));
}
inline void vstore_bf16(uint16_t* p, VF v) {
  const uint32x4_t u = vreinterpretq_u32_f32(v);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
  const uint32x4_t r = vshrq_n_u32(vaddq_u32(vaddq_u32(u, vdupq_n_u32(0x7FFF)), odd), 16);
  const uint32x4_t nan = vorrq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(0x40));
  vst1_u16(p, vmovn_u32(vbslq_u32(vceqq_f32(v, v), r, nan)));
}
inline void vstore_f16(uint16_t* p, VF v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
inline uint32x4_t bytes_to_lanes(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
}
inline VF vload_u8(const uint8_t* p) { return vcvtq_f32_u32(bytes_to_lanes(p)); }
// Low and high nibbles of kLanes bytes.
inline void vload_u4(const uint8_t* p, VF& low, VF& high) {
  const uint32x4_t v = bytes_to_lanes(p);
  low = vcvtq_f32_u32(vandq_u32(v, vdupq_n_u32(15)));
  high = vcvtq_f32_u32(vshrq_n_u32(v, 4));
}
// Lanes hold 0..255.
inline void vstore_u8(uint8_t* p, VF v) {
  const uint16x4_t words = vmovn_u32(vcvtnq_u32_f32(v));
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
  const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  __builtin_memcpy(p, &four, 4);
}

inline void prefetch(const void* p) { __builtin_prefetch(p); }
inline void prefetch_l2(const void* p) { __builtin_prefetch(p, 0, 2); }

}  // namespace mainspring::cpu::MAINSPRING_ISA
