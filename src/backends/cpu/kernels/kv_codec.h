// KV block formats: how a token is stored and how a register tile reads keys and values (backends/cpu/kv_layout.h).
//
// A codec has
//   Keys, Values  how a tile steps through a block (below)
//   kQuantised    its numbers are codes of 32 scales and minima per block
//   write(head, layout, slot, k, v, d)
// A step of a tile turns kBytes per column vector into kSub rows of kVectors vectors, each to be multiplied by kPer
// numbers of a query (keys) or kPer weights (values): a vector of floats by one, a vector of int16 pairs by two.
#pragma once

#include "backends/cpu/kernels/vec.h"
#include "backends/cpu/kv_layout.h"
#include "backends/cpu/linear/int_vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

template <class T>
inline T* at(std::byte* head, size_t offset) { return reinterpret_cast<T*>(head + offset); }
template <class T>
inline const T* at(const std::byte* head, size_t offset) { return reinterpret_cast<const T*>(head + offset); }

inline int lanes_left(int64_t n) { return static_cast<int>(n < 0 ? 0 : n < kLanes ? n : kLanes); }

// One chain of fused multiply-adds per number.
template <int sub, int bytes_per_lane>
struct FloatStep {
  using Num = float;
  using X = VF;
  using Sum = VF;
  static constexpr int kSub = sub, kPer = 1, kBytes = bytes_per_lane * kLanes, kSumRegisters = 1, kVectorStep = 1;
  static MS_INLINE X multiplier(const Num* p) { return vset(*p); }
  static MS_INLINE Sum madd(Sum s, X x, X m) { return vfma(m, x, s); }
  static MS_INLINE Sum start(const float* c, bool accumulate) { return accumulate ? vload(c) : vset(0.0f); }
  static MS_INLINE void store(float* c, Sum s, bool) { vstore(c, s); }
  static MS_INLINE int64_t column(int64_t vector, int64_t) { return vector * kLanes; }
};

// acc_dot, as the one instruction it is: clang 19 makes two of it, vpmaddwd and vpaddd, where that shortens a chain,
// and these loops wait for ports, not for chains.
static MS_INLINE Acc dot_pairs(Acc sum, VI x, VI m) {
#if defined(MAINSPRING_ISA_avx512)
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(m));
  return sum;
#else
  return acc_dot(sum, x, m);
#endif
}

// Exact integers in the place of floats. A number of a query or a weight has 15 bits and a sign.
template <int sub, int bytes_per_lane>
struct IntStep {
  using Num = int16_t;
  using X = VI;
  using Sum = Acc;
  static constexpr int kSub = sub, kPer = 2, kBytes = bytes_per_lane * kLanes;
  static constexpr int kSumRegisters = sizeof(Acc) / sizeof(VI), kVectorStep = 1;
  static MS_INLINE X multiplier(const Num* p) { return pair_at(p); }
  static MS_INLINE Sum madd(Sum s, X x, X m) { return dot_pairs(s, x, m); }
  static MS_INLINE Sum start(const float*, bool) { return acc_set(0); }
  static MS_INLINE void store(float* c, Sum s, bool accumulate) {
    istore(c, accumulate ? iadd(iload(c), acc_sum(s)) : acc_sum(s));
  }
  static MS_INLINE int64_t column(int64_t vector, int64_t) { return vector * kLanes; }
};

struct KvF32 {
  static constexpr bool kQuantised = false;
  struct Keys : FloatStep<1, 4> {
    template <int kVectors>
    static MS_INLINE void load(const std::byte* p, X (&x)[kSub][kVectors]) {
      for (int v = 0; v < kVectors; ++v) x[0][v] = vload(at<float>(p, 0) + v * kLanes);
    }
  };
  using Values = Keys;
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d) {
    float* keys = at<float>(head, 0) + slot;
    for (int64_t i = 0; i < d; ++i) keys[i * kBlockTokens] = k[i];
    __builtin_memcpy(at<float>(head, l.v_codes) + int64_t{slot} * l.v_width, v, static_cast<size_t>(d) * sizeof(float));
  }
};

struct KvBf16 {
  static constexpr bool kQuantised = false;
  struct Keys : FloatStep<2, 4> {
    template <int kVectors>
    static MS_INLINE void load(const std::byte* p, X (&x)[kSub][kVectors]) {
      for (int v = 0; v < kVectors; ++v) vload_bf16_pairs(at<uint16_t>(p, 0) + 2 * v * kLanes, x[0][v], x[1][v]);
    }
  };
  struct Values : FloatStep<1, 2> {
    template <int kVectors>
    static MS_INLINE void load(const std::byte* p, X (&x)[kSub][kVectors]) {
      for (int v = 0; v < kVectors; ++v) x[0][v] = vload_bf16(at<uint16_t>(p, 0) + v * kLanes);
    }
  };
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d) {
    uint16_t* keys = at<uint16_t>(head, 0) + 2 * slot;
    uint16_t* row = at<uint16_t>(head, l.v_codes) + int64_t{slot} * l.v_width;
    for (int64_t i = 0; i < d; i += kLanes) {
      uint16_t h[kLanes];
      vstore_bf16(h, vload_n(k + i, lanes_left(d - i)));
      for (int u = 0; u < kLanes && i + u < d; u += 2)
        __builtin_memcpy(keys + (i + u) * kBlockTokens, h + u, 2 * sizeof(uint16_t));
      vstore_bf16(row + i, vload_n(v + i, lanes_left(d - i)));
    }
  }
};

struct KvF16 {
  static constexpr bool kQuantised = false;
  struct Keys : FloatStep<1, 2> {
    template <int kVectors>
    static MS_INLINE void load(const std::byte* p, X (&x)[kSub][kVectors]) {
      for (int v = 0; v < kVectors; ++v) x[0][v] = vload_f16(at<uint16_t>(p, 0) + v * kLanes);
    }
  };
  using Values = Keys;
  // The nearest finite number: the operand order of vmax and vmin lets NaN through.
  static VF saturate(VF x) { return vmin(vset(65504.0f), vmax(vset(-65504.0f), x)); }
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d) {
    uint16_t* keys = at<uint16_t>(head, 0) + slot;
    uint16_t* row = at<uint16_t>(head, l.v_codes) + int64_t{slot} * l.v_width;
    for (int64_t i = 0; i < d; i += kLanes) {
      const int n = lanes_left(d - i);
      uint16_t h[kLanes];
      vstore_f16(h, saturate(vload_n(k + i, n)));
      for (int u = 0; u < n; ++u) keys[(i + u) * kBlockTokens] = h[u];
      vstore_f16(row + i, saturate(vload_n(v + i, n)));
    }
  }
};

// Scale and minimum of one token's head: code = round((x - min) / scale).
struct Affine {
  float min = 0.0f, scale = 0.0f;

  Affine(const float* x, int64_t d, float top) {
    VF low = vset(x[0]), high = low;
    int64_t i = 0;
    for (; i + kLanes <= d; i += kLanes) {
      const VF v = vload(x + i);
      low = vmin(low, v), high = vmax(high, v);
    }
    float lo = vmin_of(low), hi = vmax_of(high);
    for (; i < d; ++i) lo = x[i] < lo ? x[i] : lo, hi = x[i] > hi ? x[i] : hi;
    min = lo, scale = (hi - lo) / top;
  }
  // Codes of x[from .. from + 16); past the end, of zeros.
  void codes(const float* x, int64_t from, int64_t d, float top, uint8_t (&out)[16]) const {
    const VF divisor = vset(scale > 0.0f ? scale : 1.0f);
    for (int i = 0; i < 16; i += kLanes) {
      const VF v = vload_n(x + from + i, lanes_left(d - from - i));
      vstore_u8(out + i, vround(vmin(vset(top), vmax((v - vset(min)) / divisor, vset(0.0f)))));
    }
  }
};

// Codes of 8 or 4 bits. Four consecutive numbers share a 32-bit lane (kQuadByte tells where): dimensions of a key,
// tokens of a value; a lane's even and odd bytes then are int16 pairs (0, 1) and (2, 3). With 4 bits a byte's high
// nibble belongs to the next four dimensions of a key, and to the dimension half a row further of a value.
template <int kBits>
struct KvInt {
  static constexpr bool kQuantised = true;
  static constexpr int kTop = (1 << kBits) - 1;

  struct Keys : IntStep<kBits == 8 ? 2 : 4, 4> {
    template <int kVectors, int sub>
    static MS_INLINE void load(const std::byte* p, VI (&x)[sub][kVectors]) {
      const VI mask = iset(kTop << 16 | kTop);
      for (int v = 0; v < kVectors; ++v) {
        const VI raw = iload(p + v * kLanes * 4);
        x[0][v] = iand(raw, mask);
        if constexpr (kBits == 8) {
          x[1][v] = shr16<8>(raw);
        } else {
          x[1][v] = iand(shr16<8>(raw), mask);
          x[2][v] = iand(shr16<4>(raw), mask);
          x[3][v] = shr16<12>(raw);
        }
      }
    }
  };

  struct Values : IntStep<2, kBits / 2> {
    static constexpr int kVectorStep = 8 / kBits;  // column vectors in one vector of bytes
    template <int kVectors>
    static MS_INLINE void load(const std::byte* p, VI (&x)[2][kVectors]) {
      if constexpr (kBits == 8) {
        Keys::template load<kVectors, 2>(p, x);
      } else {
        for (int v = 0; v < kVectors; v += 2) {
          VI four[4][1];
          Keys::template load<1, 4>(p + v / 2 * kLanes * 4, four);
          x[0][v] = four[0][0], x[1][v] = four[1][0];
          x[0][v + 1] = four[2][0], x[1][v + 1] = four[3][0];
        }
      }
    }
    static MS_INLINE int64_t column(int64_t vector, int64_t width) {
      return kBits == 8 ? vector * kLanes : vector / 2 * kLanes + vector % 2 * (width / 2);
    }
  };

  static constexpr int kQuadByte[4] = {0, 2, 1, 3};

  static void set_params(std::byte* head, size_t offset, int slot, const Affine& a) {
    float* p = at<float>(head, offset) + slot;
    p[0] = a.scale, p[kBlockTokens] = a.min;
  }
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d) {
    constexpr int kPerByte = 8 / kBits, kQuad = 4 * kPerByte;  // dimensions of a key in a lane
    const Affine ka(k, d, kTop), va(v, d, kTop);
    set_params(head, l.k_params, slot, ka);
    set_params(head, l.v_params, slot, va);
    uint8_t low[16], high[16];
    uint8_t* keys = at<uint8_t>(head, 0) + 4 * slot;
    for (int64_t i = 0; i < d; i += 16) {
      ka.codes(k, i, d, kTop, low);
      for (int q = 0; q < 16 && i + q < d; q += kQuad)
        for (int j = 0; j < 4; ++j)
          keys[(i + q) / kPerByte * kBlockTokens + kQuadByte[j]] =
              static_cast<uint8_t>(kBits == 8 ? low[q + j] : low[q + j] | low[q + 4 + j] << 4);
    }
    const int64_t bytes = l.v_width / kPerByte;
    uint8_t* values = at<uint8_t>(head, l.v_codes) + slot / 4 * 4 * bytes + kQuadByte[slot % 4];
    for (int64_t i = 0; i < bytes; i += 16) {
      va.codes(v, i, d, kTop, low);
      if (kBits == 4) va.codes(v, bytes + i, d, kTop, high);
      for (int u = 0; u < 16; ++u)
        values[(i + u) * 4] = static_cast<uint8_t>(kBits == 8 ? low[u] : low[u] | high[u] << 4);
    }
  }
};

// fn(Codec{}) for the codec of a format.
template <class F>
inline void with_codec(KvFormat format, const F& fn) {
  switch (format) {
    case KvFormat::kF32: return fn(KvF32{});
    case KvFormat::kBf16: return fn(KvBf16{});
    case KvFormat::kF16: return fn(KvF16{});
    case KvFormat::kInt8: return fn(KvInt<8>{});
    case KvFormat::kInt4: return fn(KvInt<4>{});
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
