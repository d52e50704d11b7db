// Base64 decoding for charsmaps and tiktoken rank files.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mainspring::tok {

// nullopt when `s` is not padded standard base64.
std::optional<std::string> decode_base64(std::string_view s);

}  // namespace mainspring::tok
