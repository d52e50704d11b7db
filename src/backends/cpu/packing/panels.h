// Packed weight layouts, written once for every vector width: panels of columns (output features), k after k. Each layout
// has the same four functions:
//   packed_bytes(p, out)   of a matrix of `out` columns
//   pack_scratch(p)        bytes of `buffer` below
//   pack_panel             one panel of a matrix; panels may be packed at the same time
//   read_rows              rows ids[0..n) of the matrix as f32 times `scale`: values[i * stride ..]
//
// Compiled without ISA flags; the kernels of each instruction set give their lanes and panel width.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cpu/isa.h"
#include "ops/weight.h"

namespace mainspring::cpu {

// Dense panels: [k][columns], two k side by side in a 32-bit lane for bf16 ([k/2][columns][2]) so that one shift or mask
// makes fp32; a last odd k is padded with zeros.
struct DensePanels {
  DType stored = DType::kF32;
  int columns = 0;
  int64_t in = 0;

  size_t panel_bytes() const noexcept {
    return (static_cast<size_t>((in + 1) / 2 * 2) * static_cast<size_t>(columns) * dtype_size(stored) + 63) / 64 * 64;
  }
};
size_t packed_bytes(const DensePanels& p, int64_t out) noexcept;
size_t pack_scratch(const DensePanels& p) noexcept;
void pack_panel(const DensePanels& p, const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer);
void read_rows(const DensePanels& p, const std::byte* packed, const int32_t* ids, int64_t n, float* values, int64_t stride,
               float scale);

// Group panels. A panel starts with a 64-byte header (its power-of-two factor), then one record per group of inputs
// (two groups of 16 make one record):
//   scales [halves][columns], offsets [halves][columns] (with has_offset), then per chunk of 32 inputs and per vector of
//   columns `words` vectors of bit planes. Scales are f16 (times 2^-exponent of the panel) or f32.
// Pair p (0..15) of a chunk is inputs 2p, 2p+1, in the low and high half of a 32-bit lane, which belongs to one column:
//   words 4 (bits <= 4): nibble plane; pair 4w + s is at bits {0, 8, 4, 12}[s] of both halves of word w
//   words 5: and word 4 holds the fifth bits, of pair p at bit p / 2 + 8 (p % 2)
//   words 6: and words 4, 5 (pairs 0-7, 8-15) two more bits, of pair p at bit 2 (p % 8 / 2) + 8 (p % 2)
//   words 8: bytes; pair p is at bit 8 (p % 2) of word p / 2
// In all of them bytes 0..3 of a shifted and masked word are inputs 4r, 4r+2, 4r+1, 4r+3: rows of an int8 matrix tile.
// Codes are unsigned; signed ones are stored plus `bias`.
struct GroupPanels {
  int lanes = 0, vecs = 0, columns = 0;
  int words = 0;
  int halves = 1;        // scales per chunk: 2 for groups of 16
  int chunks = 1;        // chunks per record
  int bias = 0;
  bool offset = false;
  bool f16_scales = false;
  int64_t in = 0, n_records = 0;
  int64_t row_groups = 0;   // groups of a row
  size_t scale_bytes = 0;   // of the scales of a record; the offsets take as many
  size_t vector_bytes = 0;  // bit planes of one chunk and vector
  size_t planes = 0;        // offset of the bit planes in a record
  size_t record = 0;        // bytes
  size_t panel_bytes = 0;
};
inline constexpr size_t kPanelHeader = 64;

bool group_supported(const WeightFormat& format, int64_t in) noexcept;
GroupPanels group_panels(const WeightFormat& format, int64_t in, int lanes, int vecs, bool f16_scales) noexcept;
size_t packed_bytes(const GroupPanels& p, int64_t out) noexcept;
size_t pack_scratch(const GroupPanels& p) noexcept;
void pack_panel(const GroupPanels& p, const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer);
void read_rows(const GroupPanels& p, const std::byte* packed, const int32_t* ids, int64_t n, float* values, int64_t stride,
               float scale);

// Fixed-point panels: codes in the same bit planes, and per record of 256 inputs and column one scale; in its unit every
// weight is an integer, weight = scale * (multiplier * code + zero), |multiplier * code + zero| <= kFixedWeight.
//
// A panel starts with a 64-byte header (its power-of-two factor); its records follow (the last may be shorter), each
//   scales [columns] f16 (times the factor), multipliers [groups][columns] int16, zeros [groups][columns] int16 (with has_offset; else the
//   zero is -bias * multiplier), bit planes [vecs][chunks][words][lanes] of 32 bits.
// Rounding multipliers and zeros moves a weight by at most (codes + 1) / 2 units: 0.05 % of the record's largest weight
// with codes of four bits, 0.1 % with five.
inline constexpr int kFixedWeight = 16383;
struct FixedPanels {
  int lanes = 0, vecs = 0, columns = 0;
  int words = 0, code_top = 0;
  int group = 0, groups = 0;   // inputs of a group; groups of a full record
  int bias = 0;
  bool offset = false;
  int64_t in = 0, n_records = 0;
  int64_t row_groups = 0;      // groups of a row
  size_t scale_bytes = 0;      // of a record
  size_t group_bytes = 0;      // multipliers, or zeros, of one group
  size_t vector_bytes = 0;     // bit planes of one chunk and vector
  size_t record = 0;           // bytes of a full one
  size_t panel_bytes = 0;

  int record_chunks(int64_t r) const noexcept {
    const int64_t left = (in - r * kRecord + 31) / 32;
    return left < kRecordChunks ? static_cast<int>(left) : kRecordChunks;
  }
  int record_groups(int64_t r) const noexcept {
    const int64_t left = (in - r * kRecord) / group;
    return left < groups ? static_cast<int>(left) : groups;
  }
  size_t zeros_at(int n_groups) const noexcept { return scale_bytes + static_cast<size_t>(n_groups) * group_bytes; }
  size_t planes_at(int n_groups) const noexcept {
    return scale_bytes + static_cast<size_t>(n_groups) * group_bytes * (offset ? 2 : 1);
  }
};
bool fixed_supported(const WeightFormat& format, int64_t in) noexcept;
FixedPanels fixed_panels(const WeightFormat& format, int64_t in, int lanes, int vecs) noexcept;
size_t packed_bytes(const FixedPanels& p, int64_t out) noexcept;
size_t pack_scratch(const FixedPanels& p) noexcept;
void pack_panel(const FixedPanels& p, const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer);
void read_rows(const FixedPanels& p, const std::byte* packed, const int32_t* ids, int64_t n, float* values, int64_t stride,
               float scale);

// Int8 panels: codes for activations of 8 bits, in the same bit planes or (words 8) bytes, which matrix tiles and byte dots
// read without unpacking. A panel starts with a 64-byte header; where a row is one group, its scales [columns] and, with
// has_offset, offsets [columns] follow as f32. Then come blocks of 512 inputs (the last may be shorter), each
//   scales [groups][columns] f16, offsets [groups][columns] (with has_offset), planes [vecs][chunks][words][lanes] of 32 bits
// (no scales where a row is one group). The chunks of a block are an even number: 64 inputs are one matrix tile.
inline constexpr int kInt8Block = 512;
inline constexpr int kInt8Chunks = kInt8Block / kChunk;
struct Int8Header {
  float factor = 1;         // of all f16 scales and offsets
  int32_t whole_zeros = 0;  // 1: every offset is a whole number of scales; kept are int16 zeros z, weight = scale * (u - z)
};
struct Int8Panels {
  int lanes = 0, vecs = 0, columns = 0;
  int words = 0, code_top = 0;
  int group = 0;             // inputs; 0: a row
  int bias = 0;
  bool offset = false;
  int64_t in = 0, n_blocks = 0;
  int64_t row_groups = 0;    // groups of a row
  size_t scale_bytes = 0;    // of one group
  size_t vector_bytes = 0;   // planes of one chunk and vector
  size_t blocks_at = 0;      // in a panel
  size_t block = 0;          // bytes of a full one
  size_t panel_bytes = 0;

  int block_inputs(int64_t b) const noexcept {
    const int64_t left = in - b * kInt8Block;
    return left < kInt8Block ? static_cast<int>(left) : kInt8Block;
  }
  int block_chunks(int64_t b) const noexcept { return (block_inputs(b) + 63) / 64 * 2; }
  int block_groups(int64_t b) const noexcept { return group ? block_inputs(b) / group : 0; }
  size_t scale_at(int g) const noexcept { return static_cast<size_t>(g) * scale_bytes; }
  size_t offset_at(int g, int groups) const noexcept { return static_cast<size_t>(groups + g) * scale_bytes; }
  size_t planes_at(int groups) const noexcept { return static_cast<size_t>(groups) * scale_bytes * (offset ? 2 : 1); }
};
bool int8_supported(const WeightFormat& format, int64_t in) noexcept;
Int8Panels int8_panels(const WeightFormat& format, int64_t in, int lanes, int vecs) noexcept;
size_t packed_bytes(const Int8Panels& p, int64_t out) noexcept;
size_t pack_scratch(const Int8Panels& p) noexcept;
void pack_panel(const Int8Panels& p, const LinearSource& source, int64_t panel, std::byte* packed, std::byte* buffer);
void read_rows(const Int8Panels& p, const std::byte* packed, const int32_t* ids, int64_t n, float* values, int64_t stride,
               float scale);

}  // namespace mainspring::cpu
