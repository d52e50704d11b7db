// One safetensors file: the directory in its header, checked as strictly as the reference does.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;           // "BF16", "F8_E4M3", ...
  std::vector<int64_t> shape;
  uint64_t offset = 0;         // from the start of the file
  uint64_t bytes = 0;
};

// kInvalidInput when the header is too large or malformed, a name is there twice, or the tensors do not cover the data
// exactly, without holes, overlaps or a rest. `where` names the file.
std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> file, std::string_view where);

}  // namespace mainspring
