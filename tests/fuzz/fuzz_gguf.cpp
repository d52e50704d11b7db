// Any bytes as a GGUF file.
#include "fuzz/memory_file.h"
#include "unit/weights/exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const mainspring::fuzz::MemoryFile file(data, size);
  try {
    mainspring::testing::exercise(file.path());
  } catch (const mainspring::Error& e) {
    if (e.code() == mainspring::Code::kInternal) std::abort();
  }
  return 0;
}
