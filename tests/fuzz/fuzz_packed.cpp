// Any bytes as the directory of a packed file (after 8 KiB of matrices), or, behind a zero byte, as a whole file.
#include "fuzz/memory_file.h"
#include "unit/weights/exercise.h"
#include "unit/weights/packed_directory.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::string file;
  if (size > 0 && text[0] == 0) {
    file = text.substr(1);
  } else {
    mainspring::PackedHeader h{};
    std::memcpy(h.magic, mainspring::kPackedMagic, sizeof h.magic);
    h.version = mainspring::kPackedVersion, h.header_bytes = sizeof h, h.directory_offset = 8192;
    std::string whole(8192, 'x');
    std::memcpy(whole.data(), &h, sizeof h);
    file = mainspring::testing::with_directory(std::move(whole), text);
  }
  const mainspring::fuzz::MemoryFile memory(reinterpret_cast<const uint8_t*>(file.data()), file.size());
  try {
    mainspring::testing::exercise(memory.path());
  } catch (const mainspring::Error& e) {
    if (e.code() == mainspring::Code::kInternal) std::abort();
  }
  return 0;
}
