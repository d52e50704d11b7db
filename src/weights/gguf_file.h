// One GGUF file (version 2 or 3): header, metadata and tensor directory, checked against the file's size.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "weights/gguf.h"

namespace mainspring {

// A tensor type of GGUF, readable by us or not.
struct GgufTensorType {
  uint32_t number = 0;
  std::string_view name;
  int32_t block = 1, block_bytes = 0;
};

struct GgufTensor {
  std::string_view name;       // in the mapped file
  GgufTensorType type;
  std::vector<int64_t> shape;  // row-major, outermost first
  uint64_t offset = 0;         // from the start of the file
  uint64_t bytes = 0;
};

struct GgufFile {
  std::shared_ptr<const MappedFile> file;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
};

bool has_gguf_magic(const MappedFile& file) noexcept;
// kInvalidInput says what is wrong and at which byte or tensor.
GgufFile parse_gguf(std::shared_ptr<const MappedFile> file);

}  // namespace mainspring
