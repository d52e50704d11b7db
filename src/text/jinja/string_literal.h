// Escapes of string literals, as Python's unicode-escape codec reads them.
#pragma once

#include <string>
#include <string_view>

namespace mainspring::jinja {

// Appends the decoded body of a literal (quotes removed) to `out`; returns the reason when it is malformed, else null.
const char* decode_string_literal(std::string_view body, std::string& out);

}  // namespace mainspring::jinja
