// JSON reports (inspect, doctor) as text for people.
#pragma once

#include <string>

#include "base/json.h"

namespace mainspring::cli {

// Members in aligned lines, objects indented below their name, lists of objects as tables. Members named "bytes" or
// "..._bytes" are written as sizes, and underscores in names as spaces.
std::string report_text(const Json& report);

// Rows of cells with aligned columns; numbers-only columns are right-aligned.
std::string table_text(const std::vector<std::vector<std::string>>& rows, size_t indent = 0);

}  // namespace mainspring::cli
