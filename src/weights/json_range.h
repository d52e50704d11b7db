// Numbers of a JSON object with their allowed range; every failure names the key, the range and what was found.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace mainspring {

// nullptr when the key is absent or null.
const Json* find_value(const Json& object, std::string_view key) noexcept;

int64_t to_int(const Json& value, std::string_view key, int64_t low, int64_t high);
double to_double(const Json& value, std::string_view key, double low, double high);
bool to_bool(const Json& value, std::string_view key);
const std::string& to_string(const Json& value, std::string_view key);
// kInvalidInput: "config: key K: expected E, found F".
[[noreturn]] void bad_value(const Json& value, std::string_view key, std::string_view expected);

}  // namespace mainspring
