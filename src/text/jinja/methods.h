// str's methods, and the string helpers that filters share with them.
#pragma once

#include <span>
#include <string>

#include "text/jinja/value.h"

namespace mainspring::jinja {

std::span<const Method> string_methods() noexcept;

// replace_text within the render's budgets.
std::string checked_replace(Interp& in, std::string_view s, std::string_view from, std::string_view to, int64_t count);
// Pads to `width` characters: side -1 keeps the text left, 0 centres it, 1 puts it right.
std::string justify(Interp& in, std::string_view s, int64_t width, std::string_view fill, int side);
// str.islower / str.isupper
bool has_only_case(std::string_view s, bool lower);

}  // namespace mainspring::jinja
