// Fixed-point panels: integer codes in bit planes, with integer multipliers and zeros in the unit of their record.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/isa.h"
#include "backends/cpu/packing/bit_planes.h"
#include "backends/cpu/packing/canonical_rows.h"
#include "backends/cpu/packing/panels.h"
#include "base/half.h"

namespace mainspring::cpu {

namespace {

// Of unsigned codes u: weight = scale * u + zero.
float zero_of(const FixedPanels& p, const CanonicalRows& rows, int64_t g) {
  return (p.offset ? rows.offsets[g] : 0.0f) - static_cast<float>(p.bias) * rows.scales[g];
}

// The smallest unit in which no weight of the record exceeds kFixedWeight, roundings included.
float smallest_unit(const FixedPanels& p, const CanonicalRows& rows, int64_t first, int n) {
  float top = 0;
  for (int64_t g = first; g < first + n; ++g) {
    const float zero = zero_of(p, rows, g);
    top = std::fmax(top, std::fmax(std::fabs(zero), std::fabs(zero + rows.scales[g] * static_cast<float>(p.code_top))));
  }
  return top > 0 && std::isfinite(top) ? top / static_cast<float>(kFixedWeight - p.code_top - 8) : 0;
}

// Codes of six bits leave multipliers of eight: the unit is chosen so that they fit best. Scales that are integers times a
// common number, as those of Q6_K, mostly become exact.
float record_unit(const FixedPanels& p, const CanonicalRows& rows, int64_t first, int n) {
  const float smallest = smallest_unit(p, rows, first, n);
  if (p.code_top < 63 || smallest == 0) return smallest;
  float largest = 0;
  for (int i = 0; i < n; ++i) largest = std::fmax(largest, std::fabs(rows.scales[first + i]));
  const int most = static_cast<int>(largest / smallest);
  float best = smallest, least = 1e30f;
  for (int k = most; k > most * 3 / 4 && k > 0 && least > 1e-3f; --k) {
    const float unit = largest / static_cast<float>(k);
    float error = 0;
    for (int i = 0; i < n && error < least; ++i) {
      const float m = rows.scales[first + i] / unit, d = m - std::nearbyint(m);
      error += d * d;
    }
    if (error < least) least = error, best = unit;
  }
  return best;
}

void put_i16(std::byte* at, int64_t index, float v) {
  const auto i = static_cast<int16_t>(std::lrintf(v));
  std::memcpy(at + 2 * index, &i, 2);
}
int get_i16(const std::byte* at, int64_t index) {
  int16_t i;
  std::memcpy(&i, at + 2 * index, 2);
  return i;
}

void pack_planes(const FixedPanels& p, const uint8_t* codes, int column, int64_t r, std::byte* planes) {
  const int chunks = p.record_chunks(r);
  for (int c = 0; c < chunks; ++c) {
    const int64_t k = r * kRecord + c * kChunk;
    std::byte* lane = planes + static_cast<size_t>(column / p.lanes * chunks + c) * p.vector_bytes +
                      static_cast<size_t>(column % p.lanes) * 4;
    put_chunk(codes + k, std::min<int64_t>(p.in - k, kChunk), p.bias, p.words, p.lanes, lane);
  }
}

// `units`: [columns][n_records], unrounded; scales are kept as f16 times 2^-exponent.
void pack_column(const FixedPanels& p, const CanonicalRows& rows, int column, const float* units, int exponent,
                 std::byte* panel) {
  for (int64_t r = 0; r < p.n_records; ++r) {
    std::byte* record = panel + kPanelHeader + static_cast<size_t>(r) * p.record;
    const int n = p.record_groups(r);
    const int64_t first = column * rows.groups + r * p.groups;
    const uint16_t bits = f32_to_f16(std::ldexp(units[column * p.n_records + r], exponent));
    const float unit = std::ldexp(f16_to_f32(bits), -exponent), to_unit = unit > 0 ? 1.0f / unit : 0.0f;
    std::memcpy(record + 2 * column, &bits, 2);
    for (int i = 0; i < n && unit > 0; ++i) {
      const int64_t at = int64_t{i} * p.columns + column;
      put_i16(record + p.scale_bytes, at, rows.scales[first + i] * to_unit);
      if (p.offset) put_i16(record + p.zeros_at(n), at, zero_of(p, rows, first + i) * to_unit);
    }
    pack_planes(p, rows.codes + column * p.in, column, r, record + p.planes_at(n));
  }
}

}  // namespace

bool fixed_supported(const WeightFormat& f, int64_t in) noexcept {
  return f.scheme == Scheme::kGroup && f.act == ActType::k16 && f.bits >= 2 && f.bits <= 6 && in > 0 && f.group >= 16 &&
         f.group <= kRecord && kRecord % f.group == 0 && in % f.group == 0;
}

FixedPanels fixed_panels(const WeightFormat& f, int64_t in, int lanes, int vecs) noexcept {
  FixedPanels p;
  p.lanes = lanes, p.vecs = vecs, p.columns = lanes * vecs;
  p.words = plane_words(f.bits), p.code_top = (1 << f.bits) - 1;
  p.group = f.group, p.groups = kRecord / f.group;
  p.bias = f.is_signed ? 1 << (f.bits - 1) : 0;
  p.offset = f.has_offset;
  p.in = in, p.n_records = (in + kRecord - 1) / kRecord, p.row_groups = in / f.group;
  p.scale_bytes = p.group_bytes = static_cast<size_t>(p.columns) * 2;
  p.vector_bytes = static_cast<size_t>(p.words * lanes) * 4;
  const auto bytes = [&](int groups, int chunks) {
    return p.planes_at(groups) + static_cast<size_t>(chunks * vecs) * p.vector_bytes;
  };
  p.record = bytes(p.groups, kRecordChunks);
  const int64_t last = p.n_records - 1;
  p.panel_bytes = kPanelHeader + static_cast<size_t>(last) * p.record + bytes(p.record_groups(last), p.record_chunks(last));
  p.panel_bytes = (p.panel_bytes + 63) / 64 * 64;
  return p;
}

size_t packed_bytes(const FixedPanels& p, int64_t out) noexcept {
  return static_cast<size_t>((out + p.columns - 1) / p.columns) * p.panel_bytes;
}

size_t pack_scratch(const FixedPanels& p) noexcept {
  return static_cast<size_t>(p.n_records * p.columns) * sizeof(float) + CanonicalRows::bytes(p);
}

void pack_panel(const FixedPanels& p, const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer) {
  auto* units = reinterpret_cast<float*>(buffer);
  CanonicalRows rows(p, buffer + sizeof(float) * static_cast<size_t>(p.n_records * p.columns));
  const int64_t n = rows.read(p, source, panel);
  for (int64_t c = 0; c < n; ++c)
    for (int64_t r = 0; r < p.n_records; ++r)
      units[c * p.n_records + r] = record_unit(p, rows, c * rows.groups + r * p.groups, p.record_groups(r));
  std::byte* to = packed + static_cast<size_t>(panel) * p.panel_bytes;
  std::memset(to, 0, p.panel_bytes);
  const int exponent = panel_exponent(units, static_cast<size_t>(n * p.n_records), 100);
  const float factor = std::ldexp(1.0f, -exponent);
  std::memcpy(to, &factor, sizeof factor);
  for (int c = 0; c < n; ++c) pack_column(p, rows, c, units, exponent, to);
}

void read_rows(const FixedPanels& p, const std::byte* packed, const int32_t* ids, int64_t n, float* values, int64_t stride,
               float scale) {
  for (int64_t i = 0; i < n; ++i) {
    const std::byte* panel = packed + static_cast<size_t>(ids[i] / p.columns) * p.panel_bytes;
    const int column = ids[i] % p.columns;
    float power;
    std::memcpy(&power, panel, sizeof power);
    for (int64_t k = 0; k < p.in; k += kChunk) {
      const int64_t r = k / kRecord, first = k % kRecord;
      const std::byte* record = panel + kPanelHeader + static_cast<size_t>(r) * p.record;
      const int groups = p.record_groups(r), chunks = p.record_chunks(r);
      const std::byte* lane =
          record + p.planes_at(groups) +
          static_cast<size_t>(column / p.lanes * chunks + static_cast<int>(first / kChunk)) * p.vector_bytes +
          static_cast<size_t>(column % p.lanes) * 4;
      uint8_t codes[kChunk];
      get_chunk(lane, p.words, p.lanes, codes);
      uint16_t unit;
      std::memcpy(&unit, record + 2 * column, 2);
      const float factor = f16_to_f32(unit) * power * scale;
      for (int64_t j = 0; j < kChunk && k + j < p.in; ++j) {
        const int64_t at = (first + j) / p.group * p.columns + column;
        const int multiplier = get_i16(record + p.scale_bytes, at);
        const int zero = p.offset ? get_i16(record + p.zeros_at(groups), at) : -p.bias * multiplier;
        values[i * stride + k + j] = factor * static_cast<float>(multiplier * codes[j] + zero);
      }
    }
  }
}

}  // namespace mainspring::cpu
