// What the paths of the int8 kernel share: where a block lies, how a group's integer sum becomes fp32, and the way out.
#pragma once

#include "backends/cpu/linear/byte_vec.h"
#include "backends/cpu/linear/linear.h"
#include "backends/cpu/linear/tile.h"
#include "backends/cpu/packing/panels.h"

namespace mainspring::cpu::MAINSPRING_ISA {

constexpr int kQuads = kChunk / 4;

// Block b of a panel.
struct Int8Block {
  int chunks, groups;
  const std::byte* block;
  const std::byte* planes;
  MS_INLINE Int8Block(const Int8Panels& p, const std::byte* panel, int64_t b)
      : chunks(p.block_chunks(b)), groups(p.block_groups(b)), block(panel + p.blocks_at + static_cast<size_t>(b) * p.block),
        planes(block + p.planes_at(groups)) {}
  MS_INLINE const std::byte* plane(const Int8Panels& p, int vec, int chunk) const {
    return planes + static_cast<size_t>(vec * chunks + chunk) * p.vector_bytes;
  }
};

// Rows of x from `row` on.
struct Int8Rows {
  const Int8Input& x;
  int64_t rows, row, chunks;
  MS_INLINE explicit Int8Rows(const LinearTask& task)
      : x(task.int8), rows(task.x->rows), row(task.row), chunks((task.weight->in + kChunk - 1) / kChunk) {}
  MS_INLINE Int8Rows from(int first) const {
    Int8Rows r = *this;
    r.row += first;
    return r;
  }
  MS_INLINE const int8_t* quads(int64_t chunk) const { return x.quads + (chunk * rows + row) * kChunk; }
  MS_INLINE const float* scales(int64_t group) const { return x.scales + group * rows + row; }
  MS_INLINE const int32_t* sums(int64_t group) const { return x.sums + group * rows + row; }
};

// How the groups of a panel end: what is taken from every code besides zeros of their own, and what is added.
struct PanelEnd {
  float factor;
  bool zeros, offsets;
  int32_t bias;  // of codes as they are multiplied
  MS_INLINE PanelEnd(const Int8Panels& p, const std::byte* panel) {
    const auto* header = reinterpret_cast<const Int8Header*>(panel);
    factor = header->factor, zeros = header->whole_zeros != 0, offsets = p.offset && !zeros;
    bias = (zeros ? 0 : p.bias) - (p.words == 8 ? kByteShift : 0);
  }
};

// The step that every path takes at the end of a group, for one row and one vector of columns.
MS_INLINE VF add_int8_group(VF sums, VI total, VF scale, float x_scale) {
  return vfma(to_float(total) * vset(x_scale), scale, sums);
}
MS_INLINE VF add_int8_offset(VF sums, VF offset, float x_scale, int32_t x_sum) {
  return vfma(vset(x_scale * static_cast<float>(x_sum)), offset, sums);
}

// Group g of a block for one vector of columns.
struct GroupEnd {
  VF scale, offset;
  VI zero;
  MS_INLINE GroupEnd(const Int8Panels& p, const PanelEnd& end, const Int8Block& at, int g, int v)
      : scale(vload_f16(reinterpret_cast<const uint16_t*>(at.block + p.scale_at(g)) + v * kLanes)), offset(vset(0)),
        zero(iset(0)) {
    const std::byte* offsets = at.block + p.offset_at(g, at.groups) + v * kLanes * 2;
    if (end.zeros) zero = vload_i16(offsets);
    else if (end.offsets) offset = vload_f16(reinterpret_cast<const uint16_t*>(offsets));
  }
  MS_INLINE VF add(const PanelEnd& end, VF sums, VI total, float x_scale, int32_t x_sum) const {
    total = isub(total, end.zeros ? imul(zero, iset(x_sum)) : iset(end.bias * x_sum));
    sums = add_int8_group(sums, total, scale, x_scale);
    return end.offsets ? add_int8_offset(sums, offset, x_scale, x_sum) : sums;
  }
};

// Sums of a row that is one group are integers still: row `row` of the task, at[kPanelVecs] vectors.
MS_INLINE void end_row(const Int8Panels& p, const PanelEnd& end, const std::byte* panel, const Int8Rows& x, int row,
                       int v, VI total, float* to) {
  const auto* scales = reinterpret_cast<const float*>(panel + kPanelHeader) + v * kLanes;
  const float x_scale = x.scales(0)[row];
  const int32_t x_sum = x.sums(0)[row];
  total = isub(total, iset(static_cast<int32_t>(static_cast<uint32_t>(end.bias) * static_cast<uint32_t>(x_sum))));
  VF s = add_int8_group(vset(0), total, vload(scales), x_scale);
  if (end.offsets) s = add_int8_offset(s, vload(scales + p.columns), x_scale, x_sum);
  vstore(to, s);
}

// sums: [rows][kPanelColumns], fp32, or int32 where a row is one group.
MS_INLINE void finish_panel(const LinearTask& task, const Int8Panels& p, const std::byte* data, int64_t panel, int rows,
                            float* sums) {
  const PanelEnd end(p, data);
  const Int8Rows x(task);
  for (int row = 0; row < rows; ++row, sums += kPanelColumns) {
    for (int v = 0; p.group == 0 && v < kPanelVecs; ++v)
      end_row(p, end, data, x, row, v, iload(sums + v * kLanes), sums + v * kLanes);
    write_panel(task, task.weight->out, panel, task.row + row, sums, end.factor);
  }
}

#if defined(MAINSPRING_ISA_amx)
void run_int8_matrix_tiles(const LinearTask& task, const Int8Panels& p);  // group_int8_tiles.cpp
#endif

}  // namespace mainspring::cpu::MAINSPRING_ISA
