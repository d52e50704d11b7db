// The file of packed matrices, as its writer and its reader see it.
//
//   header      64 bytes, below
//   matrices    each at a multiple of kPackedPage: exactly what the device's kernels read
//   vectors     f32, each at a multiple of 64
//   texts       tokenizer files or GGUF metadata, each at a multiple of 64
//   directory   JSON at the end of the file: program, device, isa, compute, quantize, source, config,
//               generation_config, formats [{bits, signed, offset, group, act | dense, layout, kernel}],
//               matrices [{name, shape, format, source, offset, bytes, hash}],
//               vectors and texts [{name, shape | -, offset, bytes, hash}]
//
// Offsets count from the start of the file. Hashes are XXH3, as 16 hexadecimal digits. All numbers are little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/json.h"
#include "ops/weight.h"

namespace mainspring {

inline constexpr char kPackedMagic[8] = {'M', 'S', 'P', 'A', 'C', 'K', '\x1a', '\n'};
inline constexpr uint32_t kPackedVersion = 1;
inline constexpr uint64_t kPackedPage = 4096;
inline constexpr uint64_t kPackedAlign = 64;

struct PackedHeader {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;      // 64
  uint64_t file_bytes;
  uint64_t directory_offset;
  uint64_t directory_bytes;
  uint64_t directory_hash;
  uint64_t reserved;
  uint64_t header_hash;       // of the 56 bytes before
};
static_assert(sizeof(PackedHeader) == 64 && std::is_trivially_copyable_v<PackedHeader>);

// Name of the text that holds a GGUF file's metadata: the number of pairs as u64, then the pairs.
inline constexpr std::string_view kPackedGgufText = "gguf-metadata";

std::string hash_text(uint64_t hash);
// kInvalidInput.
uint64_t parse_hash(const Json& text, std::string_view where);

Json format_json(const WeightFormat& format);
// kInvalidInput for a format that no device has.
WeightFormat parse_format(const Json& json, std::string_view where);

}  // namespace mainspring
