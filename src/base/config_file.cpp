// toml++ behind parse_config.
#include "base/config_file.h"

#include "base/str.h"

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>

namespace mainspring {
namespace {

struct Scalar {
  ConfigEntry::Kind kind;
  std::string text;
};

std::string where(const std::string& file, const toml::node& node) { return cat(file, ":", node.source().begin.line); }

Scalar scalar(const toml::node& node, const std::string& file, std::string_view key) {
  if (auto v = node.as_boolean()) return {ConfigEntry::Kind::kBool, v->get() ? "true" : "false"};
  if (auto v = node.as_integer()) return {ConfigEntry::Kind::kInt, cat(int64_t{v->get()})};
  if (auto v = node.as_floating_point()) return {ConfigEntry::Kind::kReal, cat(v->get())};
  if (auto v = node.as_string()) return {ConfigEntry::Kind::kText, std::string(v->get())};
  fail(Code::kInvalidInput, where(file, node), ": ", printable(key),
       ": expected a string, number, boolean or a list of them");
}

ConfigEntry entry(const std::string& table, std::string_view key, const toml::node& node, const std::string& file) {
  ConfigEntry e{.table = table, .key = std::string(key), .line = static_cast<int>(node.source().begin.line)};
  if (const auto* list = node.as_array()) {
    e.kind = ConfigEntry::Kind::kList;
    for (const toml::node& item : *list) e.texts.push_back(scalar(item, file, key).text);
  } else {
    Scalar s = scalar(node, file, key);
    e.kind = s.kind;
    e.texts.push_back(std::move(s.text));
  }
  return e;
}

}  // namespace

std::vector<ConfigEntry> parse_config(std::string_view text, const std::string& file) {
  toml::parse_result result = toml::parse(text, file);
  if (!result) {
    const toml::parse_error& error = result.error();
    fail(Code::kInvalidInput, file, ":", error.source().begin.line, ": ", printable(error.description(), 200));
  }
  std::vector<ConfigEntry> entries;
  for (auto&& [key, node] : result.table()) {
    if (const auto* table = node.as_table()) {
      for (auto&& [inner, value] : *table) entries.push_back(entry(std::string(key.str()), inner.str(), value, file));
    } else {
      entries.push_back(entry("", key.str(), node, file));
    }
  }
  // toml++ keeps tables sorted by key; errors should name the first line that is wrong.
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  return entries;
}

}  // namespace mainspring
