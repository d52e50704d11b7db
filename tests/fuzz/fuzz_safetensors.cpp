// Any bytes as a safetensors file.
#include <vector>

#include "base/errors.h"
#include "weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    uint64_t bytes = 0;
    for (const auto& e : mainspring::parse_safetensors({reinterpret_cast<const std::byte*>(data), size}, "fuzz")) {
      bytes += e.bytes;
      if (e.offset > size || e.bytes > size - e.offset) __builtin_trap();
    }
    if (bytes > size) __builtin_trap();
  } catch (const mainspring::Error& e) {
    if (e.code() == mainspring::Code::kInternal) __builtin_trap();
  }
  return 0;
}
