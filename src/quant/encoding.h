// Checkpoint encodings: how numbers lie in the bytes of a file, as data and two decode functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ops/weight.h"

namespace mainspring {

// A row is a sequence of blocks; rows follow each other without padding. All numbers are little-endian.
struct Encoding {
  std::string_view name;          // "Q4_1", "BF16"
  int32_t gguf_type = -1;         // tensor type number in GGUF, -1: never there
  std::string_view safetensors;   // dtype in safetensors, empty: never there
  int32_t block = 1;              // numbers per block
  int32_t block_bytes = 0;
  WeightFormat format;            // what the codes of this encoding are

  // Decode `blocks` consecutive blocks. src has no alignment.
  void (*values)(const std::byte* src, int64_t blocks, float* out) = nullptr;
  // kGroup only: codes [blocks * block], scales and offsets [blocks * block / group]. offsets may be null when the
  // format has none.
  void (*codes)(const std::byte* src, int64_t blocks, const CodeRows& out) = nullptr;
};

std::span<const Encoding* const> all_encoding();                   // generated from encodings/*.cpp
const Encoding* find_gguf_encoding(uint32_t type) noexcept;        // nullptr: not readable
const Encoding* find_safetensors_encoding(std::string_view dtype) noexcept;
const Encoding* find_encoding(std::string_view name) noexcept;

}  // namespace mainspring
