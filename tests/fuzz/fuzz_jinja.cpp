// Fuzzes parsing and rendering of chat templates: any input gives text or an Error, in bounded time and memory.
#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using mainspring::Json;
  mainspring::TemplateLimits limits;
  limits.max_steps = 20'000;
  limits.max_output = 64 << 10;
  static const Json kVariables = mainspring::parse_json(
      R"({"messages":[{"role":"user","content":"h\u00e9llo"},{"role":"assistant","content":null,"tool_calls":[{"function":
      {"name":"f","arguments":{"a":[1,2.5,true]}}}]}],"tools":[{"type":"function"}],"n":7,"s":"a b","xs":[3,1,2],"t":true})",
      "variables");
  try {
    const mainspring::ChatTemplate t(std::string_view(reinterpret_cast<const char*>(data), size), limits);
    t.render(kVariables, 0);
  } catch (const mainspring::Error&) {
  }
  return 0;
}
