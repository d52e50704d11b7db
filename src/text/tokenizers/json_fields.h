// Reading members of tokenizer.json objects.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tokenizers/regex.h"

namespace mainspring::tok {

bool bool_field(const Json& spec, std::string_view key, bool otherwise);
std::string string_field(const Json& spec, std::string_view key, std::string_view otherwise);
size_t size_field(const Json& spec, std::string_view key, size_t otherwise);
// The "pattern" member: {"String": "..."} or {"Regex": "..."}.
Regex pattern_field(const Json& spec);
// A member that holds exactly one character.
std::string character_field(const Json& spec, std::string_view key);
// A token id: 0 .. 2^31 - 1.
int32_t token_id_of(const Json& value, std::string_view what);
// A special token in tokenizer_config.json: "x" or {"content": "x", ...}; empty when absent.
std::string token_content(const Json* value);

}  // namespace mainspring::tok
