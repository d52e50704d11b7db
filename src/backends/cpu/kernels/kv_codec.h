// KV block formats: how a token is stored and how a register tile reads keys and values (backends/cpu/kv_layout.h).
//
// A codec has
//   Keys, Values  how a tile steps through a block (below)
//   kQuantised    its numbers are codes of 32 scales and minima per block
//   write(head, layout, slot, k, v, d, first); first: the block's first key, or null: the block has it
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

// Exact integers in the place of floats. A number of a query or a weight has 15 bits and a sign.
template <int sub, int bytes_per_lane>
struct IntStep {
  using Num = int16_t;
  using X = VI;
  using Sum = Acc;
  static constexpr int kSub = sub, kPer = 2, kBytes = bytes_per_lane * kLanes;
  static constexpr int kSumRegisters = sizeof(Acc) / sizeof(VI), kVectorStep = 1;
  static MS_INLINE X multiplier(const Num* p) { return pair_at(p); }
  static MS_INLINE Sum madd(Sum s, X x, X m) { return acc_dot(s, x, m); }
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
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d,
                    const float*) {
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
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d,
                    const float*) {
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
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d,
                    const float*) {
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

// Numbers [i, i + kLanes) of a block's first key as f16; what is not finite counts as 0. Zeros past the end.
inline void halves_of_first(const float* first, int64_t i, int64_t d, uint16_t* to) {
  const VF v = vload_n(first + i, lanes_left(d - i));
  vstore_f16(to, vselect(vless(vabs(v), vset(__builtin_inff())), KvF16::saturate(v), vset(0.0f)));
}

// Numbers of a head, or their differences from the block's first key.
struct Numbers {
  const float* x;
  int64_t d;
  const float* first = nullptr;     // that key, or
  const uint16_t* base = nullptr;   // as the block has it

  // [i, i + kLanes); zeros past the end.
  VF load(int64_t i) const {
    const VF v = vload_n(x + i, lanes_left(d - i));
    if (!first) return base ? v - vload_f16(base + i) : v;
    uint16_t h[kLanes];
    halves_of_first(first, i, d, h);
    return v - vload_f16(h);
  }
};

// Scale and minimum of one token's head: code = round((x - min) / scale).
struct Affine {
  float min = 0.0f, scale = 0.0f;

  Affine(const Numbers& n, float top) {
    VF low = vset(__builtin_inff()), high = vset(-__builtin_inff());
    int64_t i = 0;
    for (; i + kLanes <= n.d; i += kLanes) {
      const VF v = n.load(i);
      low = vmin(low, v), high = vmax(high, v);
    }
    float lo = vmin_of(low), hi = vmax_of(high), rest[kLanes];
    vstore(rest, n.load(i));
    for (int u = 0; i + u < n.d; ++u) lo = rest[u] < lo ? rest[u] : lo, hi = rest[u] > hi ? rest[u] : hi;
    min = lo, scale = (hi - lo) / top;
  }
  // Codes of numbers [from, from + 16); past the end, any.
  void codes(const Numbers& n, int64_t from, float top, uint8_t (&out)[16]) const {
    const VF divisor = vset(scale > 0.0f ? scale : 1.0f);
    for (int i = 0; i < 16; i += kLanes) {
      const VF v = from + i < n.d ? n.load(from + i) : vset(0.0f);
      vstore_u8(out + i, vround(vmin(vset(top), vmax((v - vset(min)) / divisor, vset(0.0f)))));
    }
  }
  void store(std::byte* head, size_t offset, int slot) const {
    float* p = at<float>(head, offset) + slot;
    p[0] = scale, p[kBlockTokens] = min;
  }
};

// Codes of 8 or 4 bits. Four consecutive numbers share a 32-bit lane (kQuadByte tells where): dimensions of a key,
// tokens of a value; a lane's even and odd bytes then are int16 pairs (0, 1) and (2, 3). With 4 bits a byte's high
// nibble belongs to the next four dimensions of a key, and to the dimension half a row further of a value.
constexpr int kQuadByte[4] = {0, 2, 1, 3};
template <int kBits>
constexpr int kTopCode = (1 << kBits) - 1;

template <int kBits>
struct CodedKeys : IntStep<kBits == 8 ? 2 : 4, 4> {
  template <int kVectors, int sub>
  static MS_INLINE void load(const std::byte* p, VI (&x)[sub][kVectors]) {
    const VI mask = iset(kTopCode<kBits> << 16 | kTopCode<kBits>);
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

  static void write(std::byte* head, const KvHeadLayout& l, int slot, const Numbers& k) {
    constexpr int kPerByte = 8 / kBits, kQuad = 4 * kPerByte;  // dimensions in a lane
    const Affine affine(k, kTopCode<kBits>);
    affine.store(head, l.k_params, slot);
    uint8_t* to = at<uint8_t>(head, 0) + 4 * slot;
    uint8_t c[16];
    for (int64_t i = 0; i < k.d; i += 16) {
      affine.codes(k, i, kTopCode<kBits>, c);
      for (int q = 0; q < 16 && i + q < k.d; q += kQuad)
        for (int j = 0; j < 4; ++j)
          to[(i + q) / kPerByte * kBlockTokens + kQuadByte[j]] =
              static_cast<uint8_t>(kBits == 8 ? c[q + j] : c[q + j] | c[q + 4 + j] << 4);
    }
  }
};

template <int kBits>
struct CodedValues : IntStep<2, kBits / 2> {
  static constexpr int kVectorStep = 8 / kBits;  // column vectors in one vector of bytes
  template <int kVectors>
  static MS_INLINE void load(const std::byte* p, VI (&x)[2][kVectors]) {
    if constexpr (kBits == 8) {
      CodedKeys<8>::load<kVectors, 2>(p, x);
    } else {
      for (int v = 0; v < kVectors; v += 2) {
        VI four[4][1];
        CodedKeys<4>::load<1, 4>(p + v / 2 * kLanes * 4, four);
        x[0][v] = four[0][0], x[1][v] = four[1][0];
        x[0][v + 1] = four[2][0], x[1][v + 1] = four[3][0];
      }
    }
  }
  static MS_INLINE int64_t column(int64_t vector, int64_t width) {
    return kBits == 8 ? vector * kLanes : vector / 2 * kLanes + vector % 2 * (width / 2);
  }

  static void write(std::byte* head, const KvHeadLayout& l, int slot, const Numbers& v) {
    const Affine affine(v, kTopCode<kBits>);
    affine.store(head, l.v_params, slot);
    const int64_t bytes = l.v_width * kBits / 8;
    uint8_t* to = at<uint8_t>(head, l.v_codes) + slot / 4 * 4 * bytes + kQuadByte[slot % 4];
    uint8_t low[16], high[16];
    for (int64_t i = 0; i < bytes; i += 16) {
      affine.codes(v, i, kTopCode<kBits>, low);
      if (kBits == 4) affine.codes(v, bytes + i, kTopCode<kBits>, high);
      for (int u = 0; u < 16; ++u)
        to[(i + u) * 4] = static_cast<uint8_t>(kBits == 8 ? low[u] : low[u] | high[u] << 4);
    }
  }
};

template <int kKeyBits, int kValueBits>
struct KvCoded {
  static constexpr bool kQuantised = true;
  static constexpr int kTopKey = kTopCode<kKeyBits>;
  using Keys = CodedKeys<kKeyBits>;
  using Values = CodedValues<kValueBits>;

  // Tokens of a block may be written at the same time: only the first one writes the block's first key.
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d,
                    const float* first) {
    uint16_t* base = at<uint16_t>(head, l.k_base);
    if (slot == 0)
      for (int64_t i = 0; i < (d + 31) / 32 * 32; i += kLanes) halves_of_first(first, i, d, base + i);
    Keys::write(head, l, slot, {k, d, first, base});
    Values::write(head, l, slot, {v, d});
  }
};

// fn(Codec{}) for the codec of a format.
template <class F>
inline void with_codec(KvFormat format, const F& fn) {
  switch (format) {
    case KvFormat::kF32: return fn(KvF32{});
    case KvFormat::kBf16: return fn(KvBf16{});
    case KvFormat::kF16: return fn(KvF16{});
    case KvFormat::kInt8: return fn(KvCoded<8, 8>{});
    case KvFormat::kK8V4: return fn(KvCoded<8, 4>{});
    case KvFormat::kInt4: return fn(KvCoded<4, 4>{});
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
