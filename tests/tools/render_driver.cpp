// Renders templates for differential tests. Reads JSON lines {"template": ..., "variables": {...}, "now": ...} from
// standard input and writes one JSON line {"text": ...} or {"error": ...} for each.
#include <iostream>
#include <string>

#include "base/json.h"
#include "text/chat_template.h"

namespace {

mainspring::Json answer(const std::string& line) {
  using mainspring::Json;
  try {
    const Json request = mainspring::parse_json(line, "request");
    const mainspring::ChatTemplate t(request.at("template").as_string());
    const Json* now = request.find("now");
    return Json::object({{"text", t.render(request.at("variables"), now != nullptr ? now->as_int() : 0)}});
  } catch (const mainspring::Error& e) {
    return Json::object({{"error", e.message()}});
  }
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(line).dump() << "\n" << std::flush;
  return 0;
}
