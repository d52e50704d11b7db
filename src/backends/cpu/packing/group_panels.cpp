// Group panels: integer codes in bit planes, with the scales of their groups.
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

struct Panel {
  std::byte* header;
  std::byte* record(const GroupPanels& p, int64_t r) const {
    return header + kPanelHeader + static_cast<size_t>(r) * p.record;
  }
};

void put_scale(const GroupPanels& p, std::byte* at, int index, float v, int exponent) {
  if (!p.f16_scales) {
    std::memcpy(at + 4 * index, &v, 4);
    return;
  }
  const uint16_t h = f32_to_f16(std::ldexp(v, exponent));
  std::memcpy(at + 2 * index, &h, 2);
}

float get_scale(const GroupPanels& p, const std::byte* at, int index, float factor) {
  if (!p.f16_scales) {
    float v;
    std::memcpy(&v, at + 4 * index, 4);
    return v;
  }
  uint16_t h;
  std::memcpy(&h, at + 2 * index, 2);
  return f16_to_f32(h) * factor;
}

void pack_column(const GroupPanels& p, const CanonicalRows& rows, int column, const Panel& panel, int exponent) {
  const int64_t per_record = p.halves;  // groups in a record
  const uint8_t* codes = rows.codes + column * p.in;
  for (int64_t r = 0; r < p.n_records; ++r) {
    std::byte* record = panel.record(p, r);
    for (int64_t h = 0; h < per_record && r * per_record + h < rows.groups; ++h) {
      const int64_t g = column * rows.groups + r * per_record + h;
      const int at = static_cast<int>(h) * p.columns + column;
      put_scale(p, record, at, rows.scales[g], exponent);
      if (p.offset) put_scale(p, record + p.scale_bytes, at, rows.offsets[g], exponent);
    }
    for (int c = 0; c < p.chunks; ++c) {
      const int64_t k = (r * p.chunks + c) * kChunk;
      std::byte* lane = record + p.planes + static_cast<size_t>(c * p.vecs + column / p.lanes) * p.vector_bytes +
                        static_cast<size_t>(column % p.lanes) * 4;
      put_chunk(codes + k, std::min<int64_t>(p.in - k, kChunk), p.bias, p.words, p.lanes, lane);
    }
  }
}

}  // namespace

bool group_supported(const WeightFormat& f, int64_t in) noexcept {
  if (f.scheme != Scheme::kGroup || f.bits < 2 || f.bits > 8 || in <= 0) return false;
  return f.group == 0 || (in % f.group == 0 && (f.group == 16 || f.group == 32 || f.group == 64 || f.group == 128));
}

GroupPanels group_panels(const WeightFormat& f, int64_t in, int lanes, int vecs, bool f16_scales) noexcept {
  GroupPanels p;
  p.lanes = lanes, p.vecs = vecs, p.columns = lanes * vecs;
  p.words = plane_words(f.bits);
  p.halves = f.group == 16 ? 2 : 1;
  p.chunks = f.group == 16 ? 1 : static_cast<int>((f.group_size(in) + kChunk - 1) / kChunk);
  p.bias = f.is_signed ? 1 << (f.bits - 1) : 0;
  p.offset = f.has_offset;
  p.f16_scales = f16_scales;
  p.in = in, p.row_groups = f.groups(in);
  p.n_records = (in + kChunk * p.chunks - 1) / (kChunk * p.chunks);
  p.scale_bytes = static_cast<size_t>(p.halves * p.columns) * (f16_scales ? 2 : 4);
  p.vector_bytes = static_cast<size_t>(p.words * lanes) * 4;
  p.planes = p.scale_bytes * (p.offset ? 2 : 1);
  p.record = p.planes + static_cast<size_t>(p.chunks * vecs) * p.vector_bytes;
  p.panel_bytes = (kPanelHeader + static_cast<size_t>(p.n_records) * p.record + 63) / 64 * 64;
  return p;
}

size_t packed_bytes(const GroupPanels& p, int64_t out) noexcept {
  return static_cast<size_t>((out + p.columns - 1) / p.columns) * p.panel_bytes;
}

size_t pack_scratch(const GroupPanels& p) noexcept {
  return CanonicalRows::bytes(p);
}

void pack_panel(const GroupPanels& p, const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer) {
  CanonicalRows rows(p, buffer);
  const int64_t n = rows.read(p, source, panel);
  const Panel to{packed + static_cast<size_t>(panel) * p.panel_bytes};
  std::memset(to.header, 0, p.panel_bytes);
  int exponent = 0;
  if (p.f16_scales) {
    const size_t count = static_cast<size_t>(n * rows.groups);
    exponent = panel_exponent(rows.scales, count, 60);
    if (p.offset) exponent = panel_exponent(rows.offsets, count, exponent);
  }
  const float factor = std::ldexp(1.0f, -exponent);
  std::memcpy(to.header, &factor, sizeof factor);
  for (int c = 0; c < n; ++c) pack_column(p, rows, c, to, exponent);
}

void read_rows(const GroupPanels& p, const std::byte* packed, const int32_t* ids, int64_t n, float* values, int64_t stride,
               float scale) {
  for (int64_t i = 0; i < n; ++i) {
    const std::byte* panel = packed + static_cast<size_t>(ids[i] / p.columns) * p.panel_bytes;
    const int column = ids[i] % p.columns;
    float factor;
    std::memcpy(&factor, panel, sizeof factor);
    for (int64_t k = 0; k < p.in; k += kChunk) {
      const std::byte* record = panel + kPanelHeader + static_cast<size_t>(k / (kChunk * p.chunks)) * p.record;
      const int64_t chunk = k / kChunk % p.chunks;
      const std::byte* lane = record + p.planes +
                              static_cast<size_t>(chunk * p.vecs + column / p.lanes) * p.vector_bytes +
                              static_cast<size_t>(column % p.lanes) * 4;
      uint8_t codes[kChunk];
      get_chunk(lane, p.words, p.lanes, codes);
      for (int64_t j = 0; j < kChunk && k + j < p.in; ++j) {
        const int at = (p.halves == 2 ? static_cast<int>(j / 16) : 0) * p.columns + column;
        float v = get_scale(p, record, at, factor) * static_cast<float>(static_cast<int>(codes[j]) - p.bias);
        if (p.offset) v += get_scale(p, record + p.scale_bytes, at, factor);
        values[i * stride + k + j] = v * scale;
      }
    }
  }
}

}  // namespace mainspring::cpu
