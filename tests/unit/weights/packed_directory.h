// The directory of a packed file, taken out and put in again so that the checks of a damaged file pass.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>

#include "base/hash.h"
#include "weights/packed_format.h"

namespace mainspring::testing {

// The directory's text, replaced by `directory`; hashes and sizes fit again.
inline std::string with_directory(std::string file, const std::string& directory) {
  PackedHeader h;
  std::memcpy(&h, file.data(), sizeof h);
  file.resize(h.directory_offset);
  file += directory;
  h.file_bytes = file.size(), h.directory_bytes = directory.size();
  h.directory_hash = hash64(std::as_bytes(std::span(directory)));
  h.header_hash = hash64(std::as_bytes(std::span(&h, 1)).first(offsetof(PackedHeader, header_hash)));
  std::memcpy(file.data(), &h, sizeof h);
  return file;
}

inline std::string directory_of(const std::string& file) {
  PackedHeader h;
  std::memcpy(&h, file.data(), sizeof h);
  return file.substr(h.directory_offset, h.directory_bytes);
}

}  // namespace mainspring::testing
