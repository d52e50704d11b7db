// Any text as config.json and as generation_config.json.
#include <string_view>

#include "weights/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const mainspring::Json j = mainspring::parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    const mainspring::Config c = mainspring::read_config(j, j);
    if (c.num_heads < 1 || c.num_kv_heads < 1 || c.head_dim < 1 || c.num_heads % c.num_kv_heads != 0) __builtin_trap();
  } catch (const mainspring::Error& e) {
    if (e.code() == mainspring::Code::kInternal) __builtin_trap();
  }
  return 0;
}
