// A TOML settings file as a flat list of values with their lines. The parser behind it is toml++.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mainspring {

struct ConfigEntry {
  enum class Kind { kBool, kInt, kReal, kText, kList };
  std::string table;                // "" at top level, else the name of the one table around it
  std::string key;
  Kind kind = Kind::kText;
  std::vector<std::string> texts;   // one value in its text form, or the items of a list of scalars
  int line = 0;                     // 1-based
};

// Bools are "true"/"false", numbers in their shortest exact form. Tables nest one level at most; dates, nested arrays
// and nested tables are kInvalidInput ("FILE:LINE: ..."), as is a syntax error.
std::vector<ConfigEntry> parse_config(std::string_view text, const std::string& file);

}  // namespace mainspring
