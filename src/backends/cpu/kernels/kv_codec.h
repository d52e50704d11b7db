// KV block formats: how one token is stored and how a block becomes fp32. Layout: backends/cpu/kv_layout.h.
//
// A codec has
//   keys(head, ahead, layout, d, tile)            -> [d][32] fp32, in `tile` or in place
//   values(head, ahead, layout, begin, end, tile) -> [32][v_width] fp32, of which rows [begin, end) are valid
//   write(head, layout, slot, k, v, d)
// `ahead`: bytes from this record to the one that is read next (0: none). Its lines are asked for one by one while this
// one is converted: in one go they would fill the core's miss buffers and stall it.
#pragma once

#include "backends/cpu/kernels/vec.h"
#include "backends/cpu/kv_layout.h"
#include "backends/cpu/linear/int_vec.h"

namespace mainspring::cpu::MAINSPRING_ISA {

template <class T>
inline T* at(std::byte* head, size_t offset) { return reinterpret_cast<T*>(head + offset); }
template <class T>
inline const T* at(const std::byte* head, size_t offset) { return reinterpret_cast<const T*>(head + offset); }

// Asks for [p, p + bytes) of the next record.
inline void prefetch_ahead(const void* p, int64_t ahead, int64_t bytes) {
  const char* next = static_cast<const char*>(p) + ahead;
  for (int64_t i = 0; i < bytes; i += 64) prefetch(next + i);
}

inline int lanes_left(int64_t n) { return static_cast<int>(n < 0 ? 0 : n < kLanes ? n : kLanes); }

struct KvF32 {
  static const float* keys(const std::byte* head, int64_t ahead, const KvHeadLayout& l, int64_t, float*) {
    prefetch_ahead(head, ahead, static_cast<int64_t>(l.k_params));
    return at<float>(head, 0);
  }
  static const float* values(const std::byte* head, int64_t ahead, const KvHeadLayout& l, int, int, float*) {
    prefetch_ahead(head + l.v_codes, ahead, static_cast<int64_t>(l.v_params - l.v_codes));
    return at<float>(head, l.v_codes);
  }
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d) {
    float* keys = at<float>(head, 0) + slot;
    for (int64_t i = 0; i < d; ++i) keys[i * kBlockTokens] = k[i];
    __builtin_memcpy(at<float>(head, l.v_codes) + int64_t{slot} * l.v_width, v, static_cast<size_t>(d) * sizeof(float));
  }
};

struct KvBf16 {
  static const float* keys(const std::byte* head, int64_t ahead, const KvHeadLayout&, int64_t d, float* tile) {
    const uint16_t* p = at<uint16_t>(head, 0);
    for (int64_t i = 0; i < d; i += 2)
      for (int t = 0; t < kBlockTokens; t += kLanes) {
        VF even, odd;
        vload_bf16_pairs(p + (i * kBlockTokens + 2 * t), even, odd);
        prefetch_ahead(p + (i * kBlockTokens + 2 * t), ahead, 1);
        vstore(tile + i * kBlockTokens + t, even);
        vstore(tile + (i + 1) * kBlockTokens + t, odd);
      }
    return tile;
  }
  static const float* values(const std::byte* head, int64_t ahead, const KvHeadLayout& l, int begin, int end,
                             float* tile) {
    const uint16_t* p = at<uint16_t>(head, l.v_codes);
    for (int64_t i = int64_t{begin} * l.v_width; i < int64_t{end} * l.v_width; i += kLanes) {
      vstore(tile + i, vload_bf16(p + i));
      if (i % 32 == 0) prefetch_ahead(p + i, ahead, 1);
    }
    return tile;
  }
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
  static void widen(const uint16_t* p, int64_t ahead, int64_t n, float* out) {
    for (int64_t i = 0; i < n; i += kLanes) {
      vstore(out + i, vload_f16(p + i));
      if (i % 32 == 0) prefetch_ahead(p + i, ahead, 1);
    }
  }
  static const float* keys(const std::byte* head, int64_t ahead, const KvHeadLayout&, int64_t d, float* tile) {
    widen(at<uint16_t>(head, 0), ahead, d * kBlockTokens, tile);
    return tile;
  }
  static const float* values(const std::byte* head, int64_t ahead, const KvHeadLayout& l, int begin, int end,
                             float* tile) {
    const int64_t from = int64_t{begin} * l.v_width;
    widen(at<uint16_t>(head, l.v_codes) + from, ahead, int64_t{end} * l.v_width - from, tile + from);
    return tile;
  }
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
  VF codes(VF x, float top) const {
    const VF divisor = vset(scale > 0.0f ? scale : 1.0f);
    return vround(vmin(vset(top), vmax((x - vset(min)) / divisor, vset(0.0f))));
  }
};

inline void set_params(std::byte* head, size_t offset, int slot, const Affine& a) {
  float* p = at<float>(head, offset) + slot;
  p[0] = a.scale, p[kBlockTokens] = a.min;
}

struct KvInt8 {
  static const float* keys(const std::byte* head, int64_t ahead, const KvHeadLayout& l, int64_t d, float* tile) {
    const uint8_t* p = at<uint8_t>(head, 0);
    const float* params = at<float>(head, l.k_params);
    prefetch_ahead(params, ahead, 2 * kBlockTokens * sizeof(float));
    for (int t = 0; t < kBlockTokens; t += kLanes) {
      const VF scale = vload(params + t), min = vload(params + kBlockTokens + t);
      for (int64_t i = 0; i < d; ++i) {
        vstore(tile + i * kBlockTokens + t, vfma(vload_u8(p + i * kBlockTokens + t), scale, min));
        if (t == 0) prefetch_ahead(p + i * kBlockTokens, ahead, 1);
      }
    }
    return tile;
  }
  static const float* values(const std::byte* head, int64_t ahead, const KvHeadLayout& l, int begin, int end,
                             float* tile) {
    const float* params = at<float>(head, l.v_params);
    prefetch_ahead(params, ahead, 2 * kBlockTokens * sizeof(float));
    for (int64_t t = begin; t < end; ++t) {
      const uint8_t* p = at<uint8_t>(head, l.v_codes) + t * l.v_width;
      prefetch_ahead(p, ahead, l.v_width);
      const VF scale = vset(params[t]), min = vset(params[kBlockTokens + t]);
      for (int64_t i = 0; i < l.v_width; i += kLanes)
        vstore(tile + t * l.v_width + i, vfma(vload_u8(p + i), scale, min));
    }
    return tile;
  }
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d) {
    constexpr float kTop = 255.0f;
    const Affine ka(k, d, kTop), va(v, d, kTop);
    set_params(head, l.k_params, slot, ka);
    set_params(head, l.v_params, slot, va);
    uint8_t* keys = at<uint8_t>(head, 0) + slot;
    uint8_t* row = at<uint8_t>(head, l.v_codes) + int64_t{slot} * l.v_width;
    for (int64_t i = 0; i < d; i += kLanes) {
      const int n = lanes_left(d - i);
      uint8_t c[kLanes];
      vstore_u8(c, ka.codes(vload_n(k + i, n), kTop));
      for (int u = 0; u < n; ++u) keys[(i + u) * kBlockTokens] = c[u];
      vstore_u8(row + i, va.codes(vload_n(v + i, n), kTop));
    }
  }
};

struct KvInt4 {
  static const float* keys(const std::byte* head, int64_t ahead, const KvHeadLayout& l, int64_t d, float* tile) {
    const uint8_t* p = at<uint8_t>(head, 0);
    const float* params = at<float>(head, l.k_params);
    prefetch_ahead(params, ahead, 2 * kBlockTokens * sizeof(float));
    for (int t = 0; t < kBlockTokens; t += kLanes) {
      const VF scale = vload(params + t), min = vload(params + kBlockTokens + t);
      for (int64_t i = 0; i < d; i += 2) {
        VF low, high;
        vload_u4(p + i / 2 * kBlockTokens + t, low, high);
        vstore(tile + i * kBlockTokens + t, vfma(low, scale, min));
        vstore(tile + (i + 1) * kBlockTokens + t, vfma(high, scale, min));
        if (t == 0) prefetch_ahead(p + i / 2 * kBlockTokens, ahead, 1);
      }
    }
    return tile;
  }
  static const float* values(const std::byte* head, int64_t ahead, const KvHeadLayout& l, int begin, int end,
                             float* tile) {
    const float* params = at<float>(head, l.v_params);
    prefetch_ahead(params, ahead, 2 * kBlockTokens * sizeof(float));
    const int64_t half = l.v_width / 2;
    for (int64_t t = begin; t < end; ++t) {
      const uint8_t* p = at<uint8_t>(head, l.v_codes) + t * half;
      prefetch_ahead(p, ahead, half);
      float* row = tile + t * l.v_width;
      const VF scale = vset(params[t]), min = vset(params[kBlockTokens + t]);
      for (int64_t i = 0; i < half; i += kLanes) {
        VF low, high;
        vload_u4(p + i, low, high);
        vstore(row + i, vfma(low, scale, min));
        vstore(row + half + i, vfma(high, scale, min));
      }
    }
    return tile;
  }
  static void write(std::byte* head, const KvHeadLayout& l, int slot, const float* k, const float* v, int64_t d) {
    constexpr float kTop = 15.0f;
    const Affine ka(k, d, kTop), va(v, d, kTop);
    set_params(head, l.k_params, slot, ka);
    set_params(head, l.v_params, slot, va);
    uint8_t* keys = at<uint8_t>(head, 0) + slot;
    for (int64_t i = 0; i < d; i += kLanes) {
      uint8_t c[kLanes];
      vstore_u8(c, ka.codes(vload_n(k + i, lanes_left(d - i)), kTop));
      for (int u = 0; u < kLanes && i + u < d; u += 2)
        keys[(i + u) / 2 * kBlockTokens] = static_cast<uint8_t>(c[u] | c[u + 1] << 4);
    }
    const int64_t half = l.v_width / 2;
    uint8_t* row = at<uint8_t>(head, l.v_codes) + slot * half;
    for (int64_t i = 0; i < half; i += kLanes) {
      const int n_high = lanes_left(d - half - i);
      const VF low = va.codes(vload_n(v + i, lanes_left(d - i)), kTop);
      const VF high = va.codes(n_high ? vload_n(v + half + i, n_high) : vset(0.0f), kTop);
      vstore_u8(row + i, vfma(high, vset(16.0f), low));
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
    case KvFormat::kInt8: return fn(KvInt8{});
    case KvFormat::kInt4: return fn(KvInt4{});
  }
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
