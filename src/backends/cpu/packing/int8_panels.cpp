// Int8 panels: integer codes in bit planes or bytes, in blocks of 512 inputs that hold whole groups.
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

// The whole number z with scale * (u - z) = scale * (u - bias) + offset for unsigned codes u, if there is one that keeps
// u - z inside a signed byte; else kNoZero.
constexpr int kNoZero = 1 << 20;
int whole_zero(const Int8Panels& p, float scale, float offset) {
  if (offset == 0) return p.bias;
  const float steps = offset / scale;
  if (!(std::fabs(steps) <= 128.0f) || steps != std::nearbyint(steps) || steps * scale != offset) return kNoZero;
  const int z = p.bias - static_cast<int>(steps);
  return z <= 128 && p.code_top - z <= 127 ? z : kNoZero;
}

bool zeros_are_whole(const Int8Panels& p, const CanonicalRows& rows, int64_t n) {
  if (!p.offset || p.group == 0 || p.words == 8) return false;
  for (int64_t i = 0; i < n * rows.groups; ++i)
    if (whole_zero(p, rows.scales[i], rows.offsets[i]) == kNoZero) return false;
  return true;
}

void put_f16(std::byte* at, int index, float v) {
  const uint16_t h = f32_to_f16(v);
  std::memcpy(at + 2 * index, &h, 2);
}
float get_f16(const std::byte* at, int index) {
  uint16_t h;
  std::memcpy(&h, at + 2 * index, 2);
  return f16_to_f32(h);
}

std::byte* lane_of(const Int8Panels& p, std::byte* block, int64_t b, int column, int chunk) {
  return block + p.planes_at(p.block_groups(b)) +
         static_cast<size_t>(column / p.lanes * p.block_chunks(b) + chunk) * p.vector_bytes +
         static_cast<size_t>(column % p.lanes) * 4;
}

void pack_column(const Int8Panels& p, const CanonicalRows& rows, int column, const Int8Header& header, int exponent,
                 std::byte* panel) {
  const uint8_t* codes = rows.codes + column * p.in;
  if (p.group == 0) {
    std::memcpy(panel + kPanelHeader + 4 * column, &rows.scales[column], 4);
    if (p.offset) std::memcpy(panel + kPanelHeader + 4 * (p.columns + column), &rows.offsets[column], 4);
  }
  for (int64_t b = 0; b < p.n_blocks; ++b) {
    std::byte* block = panel + p.blocks_at + static_cast<size_t>(b) * p.block;
    const int groups = p.block_groups(b);
    for (int i = 0; i < groups; ++i) {
      const int64_t g = column * rows.groups + b * (kInt8Block / p.group) + i;
      put_f16(block + p.scale_at(i), column, std::ldexp(rows.scales[g], exponent));
      if (!p.offset) continue;
      if (header.whole_zeros) {
        const auto zero = static_cast<int16_t>(whole_zero(p, rows.scales[g], rows.offsets[g]));
        std::memcpy(block + p.offset_at(i, groups) + 2 * column, &zero, 2);
      } else {
        put_f16(block + p.offset_at(i, groups), column, std::ldexp(rows.offsets[g], exponent));
      }
    }
    for (int c = 0; c < p.block_chunks(b); ++c) {
      const int64_t k = b * kInt8Block + c * kChunk;
      put_chunk(codes + std::min(k, p.in), std::clamp<int64_t>(p.in - k, 0, kChunk), p.bias, p.words, p.lanes,
                lane_of(p, block, b, column, c));
    }
  }
}

}  // namespace

bool int8_supported(const WeightFormat& f, int64_t in) noexcept {
  if (f.scheme != Scheme::kGroup || f.act != ActType::k8 || f.bits < 2 || f.bits > 8 || in <= 0) return false;
  // 65536 products of a byte and a code of at most 255 stay inside 32 bits.
  if (f.group == 0) return in <= 65536;
  return f.group >= kChunk && f.group <= kInt8Block && kInt8Block % f.group == 0 && in % f.group == 0;
}

Int8Panels int8_panels(const WeightFormat& f, int64_t in, int lanes, int vecs) noexcept {
  Int8Panels p;
  p.lanes = lanes, p.vecs = vecs, p.columns = lanes * vecs;
  p.words = plane_words(f.bits), p.code_top = (1 << f.bits) - 1;
  p.group = f.group;
  p.bias = f.is_signed ? 1 << (f.bits - 1) : 0;
  p.offset = f.has_offset;
  p.in = in, p.n_blocks = (in + kInt8Block - 1) / kInt8Block, p.row_groups = f.groups(in);
  p.scale_bytes = static_cast<size_t>(p.columns) * 2;
  p.vector_bytes = static_cast<size_t>(p.words * lanes) * 4;
  p.blocks_at = kPanelHeader + (p.group ? 0 : static_cast<size_t>(p.columns) * 4 * (p.offset ? 2 : 1));
  const auto bytes = [&](int groups, int chunks) {
    return p.planes_at(groups) + static_cast<size_t>(chunks * vecs) * p.vector_bytes;
  };
  p.block = bytes(p.group ? kInt8Block / p.group : 0, kInt8Chunks);
  const int64_t last = p.n_blocks - 1;
  p.panel_bytes = p.blocks_at + static_cast<size_t>(last) * p.block + bytes(p.block_groups(last), p.block_chunks(last));
  p.panel_bytes = (p.panel_bytes + 63) / 64 * 64;
  return p;
}

size_t packed_bytes(const Int8Panels& p, int64_t out) noexcept {
  return static_cast<size_t>((out + p.columns - 1) / p.columns) * p.panel_bytes;
}

size_t pack_scratch(const Int8Panels& p) noexcept { return CanonicalRows::bytes(p); }

void pack_panel(const Int8Panels& p, const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer) {
  CanonicalRows rows(p, buffer);
  const int64_t n = rows.read(p, source, panel);
  std::byte* to = packed + static_cast<size_t>(panel) * p.panel_bytes;
  std::memset(to, 0, p.panel_bytes);
  Int8Header header;
  header.whole_zeros = zeros_are_whole(p, rows, n);
  int exponent = 0;
  if (p.group) {
    const auto count = static_cast<size_t>(n * rows.groups);
    exponent = panel_exponent(rows.scales, count, 60);
    if (p.offset && !header.whole_zeros) exponent = panel_exponent(rows.offsets, count, exponent);
  }
  header.factor = std::ldexp(1.0f, -exponent);
  std::memcpy(to, &header, sizeof header);
  for (int c = 0; c < n; ++c) pack_column(p, rows, c, header, exponent, to);
}

void read_rows(const Int8Panels& p, const std::byte* packed, const int32_t* ids, int64_t n, float* values, int64_t stride,
               float scale) {
  for (int64_t i = 0; i < n; ++i) {
    const std::byte* panel = packed + static_cast<size_t>(ids[i] / p.columns) * p.panel_bytes;
    const int column = ids[i] % p.columns;
    Int8Header header;
    std::memcpy(&header, panel, sizeof header);
    float step = 0, offset = 0;
    if (p.group == 0) {
      std::memcpy(&step, panel + kPanelHeader + 4 * column, 4);
      if (p.offset) std::memcpy(&offset, panel + kPanelHeader + 4 * (p.columns + column), 4);
    }
    for (int64_t k = 0; k < p.in; k += kChunk) {
      const int64_t b = k / kInt8Block;
      const int first = static_cast<int>(k % kInt8Block), groups = p.block_groups(b);
      const std::byte* block = panel + p.blocks_at + static_cast<size_t>(b) * p.block;
      int bias = p.bias;
      if (p.group) {
        step = get_f16(block + p.scale_at(first / p.group), column) * header.factor;
        const std::byte* at = block + p.offset_at(first / p.group, groups);
        int16_t zero = 0;
        if (header.whole_zeros) std::memcpy(&zero, at + 2 * column, 2), bias = zero;
        else if (p.offset) offset = get_f16(at, column) * header.factor;
      }
      uint8_t codes[kChunk];
      get_chunk(lane_of(p, const_cast<std::byte*>(block), b, column, first / kChunk), p.words, p.lanes, codes);
      for (int64_t j = 0; j < kChunk && k + j < p.in; ++j) {
        float v = step * static_cast<float>(static_cast<int>(codes[j]) - bias);
        if (p.offset && !header.whole_zeros) v += offset;
        values[i * stride + k + j] = v * scale;
      }
    }
  }
}

}  // namespace mainspring::cpu
