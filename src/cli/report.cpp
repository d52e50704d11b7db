// Rendering reports.
#include "cli/report.h"

#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "base/terminal.h"
#include "cli/model_args.h"

namespace mainspring::cli {
namespace {

std::string label(std::string_view key) {
  std::string out(key);
  if (key.size() > 6 && key.ends_with("_bytes")) out.resize(out.size() - 6);
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

bool is_size(std::string_view key) {
  return key == "bytes" || key.ends_with("_bytes") || key.find("_bytes_") != key.npos;
}

std::string grouped(int64_t n) {
  std::string digits = cat(n < 0 ? -n : n);
  for (ptrdiff_t i = static_cast<ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<size_t>(i), 1, ',');
  return n < 0 ? "-" + digits : digits;
}

std::string scalar_text(std::string_view key, const Json& v) {
  if (v.is_null()) return "-";
  if (v.is_bool()) return v.as_bool() ? "yes" : "no";
  if (v.is_string()) return printable(v.as_string(), 400);
  if (v.is_number() && is_size(key) && v.as_double() >= 0) return human_bytes(static_cast<uint64_t>(v.as_double()));
  if (v.is_integer() && v.kind() == Json::Kind::kInt && !key.ends_with("ids")) return grouped(v.as_int());
  if (v.kind() == Json::Kind::kReal && std::floor(v.as_double()) == v.as_double() && std::fabs(v.as_double()) < 1e15)
    return grouped(static_cast<int64_t>(v.as_double()));
  return v.dump();
}

bool is_scalar(const Json& v) { return !v.is_array() && !v.is_object(); }

bool all_scalars(const Json& v) {
  return v.is_array() && std::all_of(v.as_array().begin(), v.as_array().end(), is_scalar);
}

std::string list_text(std::string_view key, const Json& v) {
  std::string out;
  for (const Json& item : v.as_array()) out += cat(out.empty() ? "" : ", ", scalar_text(key, item));
  return out.empty() ? "-" : out;
}

bool short_value(const Json& v) { return is_scalar(v) || all_scalars(v); }

std::string cell_text(std::string_view key, const Json& v) {
  if (is_scalar(v)) return scalar_text(key, v);
  // A shape belongs together.
  if (all_scalars(v)) return key == "shape" ? v.dump() : list_text(key, v);
  return v.dump();
}

// Objects whose members are rows: a list of objects, or an object of objects (the names are the first column).
std::string rows_text(const Json& v, size_t indent) {
  std::vector<std::string> keys;
  const auto note_keys = [&](const Json& row) {
    if (!row.is_object()) return;
    for (const auto& [k, value] : row.as_object())
      if (std::find(keys.begin(), keys.end(), k) == keys.end()) keys.push_back(k);
  };
  const bool named = v.is_object();
  if (named) for (const auto& [k, row] : v.as_object()) note_keys(row);
  else for (const Json& row : v.as_array()) note_keys(row);
  std::vector<std::vector<std::string>> rows(1);
  if (named) rows[0].emplace_back();
  for (const std::string& k : keys) rows[0].push_back(label(k));
  const auto add = [&](const Json& row, const std::string* name) {
    std::vector<std::string> cells;
    if (name) cells.push_back(printable(*name));
    for (const std::string& k : keys) {
      const Json* value = row.find(k);
      cells.push_back(value ? cell_text(k, *value) : "");
    }
    rows.push_back(std::move(cells));
  };
  if (named) for (const auto& [k, row] : v.as_object()) add(row, &k);
  else for (const Json& row : v.as_array()) add(row, nullptr);
  return table_text(rows, indent);
}

bool object_of_objects(const Json& v) {
  return v.is_object() && v.size() > 0 &&
         std::all_of(v.as_object().begin(), v.as_object().end(), [](const auto& m) { return m.second.is_object(); });
}

void append_members(std::string& out, const Json& object, size_t indent) {
  size_t width = 0;
  for (const auto& [key, v] : object.as_object())
    if (short_value(v)) width = std::max(width, label(key).size());
  const std::string pad(indent, ' ');
  for (const auto& [key, v] : object.as_object()) {
    if (short_value(v)) {
      std::string name = label(key);
      name.resize(width + 2, ' ');
      out += cat(pad, name, is_scalar(v) ? scalar_text(key, v) : list_text(key, v), "\n");
      continue;
    }
    out += cat(pad, label(key), "\n");
    if (v.is_array() || object_of_objects(v)) out += rows_text(v, indent + 2);
    else append_members(out, v, indent + 2);
  }
}

bool numeric(const std::string& cell) {
  return !cell.empty() && (std::isdigit(static_cast<unsigned char>(cell[0])) || cell[0] == '-') ;
}

}  // namespace

std::string table_text(const std::vector<std::vector<std::string>>& rows, size_t indent) {
  if (rows.empty()) return {};
  std::vector<int> widths(rows[0].size(), 0);
  std::vector<bool> right(rows[0].size(), rows.size() > 1);
  for (size_t r = 0; r < rows.size(); ++r)
    for (size_t c = 0; c < rows[r].size() && c < widths.size(); ++c) {
      widths[c] = std::max(widths[c], display_width(rows[r][c]));
      if (r > 0 && !rows[r][c].empty() && !numeric(rows[r][c])) right[c] = false;
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line(indent, ' ');
    for (size_t c = 0; c < row.size() && c < widths.size(); ++c) {
      const std::string fill(static_cast<size_t>(widths[c] - display_width(row[c])), ' ');
      line += cat(c ? "  " : "", right[c] ? fill : "", row[c], right[c] ? "" : fill);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string report_text(const Json& report) {
  std::string out;
  if (report.is_object()) append_members(out, report, 0);
  else out = cat(report.dump(2), "\n");
  return out;
}

}  // namespace mainspring::cli
