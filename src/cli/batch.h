// JSON Lines requests of `mainspring generate --batch`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/settings.h"

namespace mainspring::cli {

struct BatchRequest {
  int line = 0;                 // 1-based
  Json id;                      // the request's, else the line number
  Json members;                 // the whole object, checked
};

// Empty lines are skipped. kInvalidInput: "FILE:LINE: ...". Every sampling member is checked against the option table.
std::vector<BatchRequest> parse_batch(std::string_view text, const std::string& file, const Settings& base);
// `base` with the request's sampling members on top.
Settings request_settings(const BatchRequest& request, const std::string& file, const Settings& base);
// Messages of the request ("messages", or "prompt" as a user message with the system message in front).
Json request_messages(const BatchRequest& request, const Settings& settings);

}  // namespace mainspring::cli
