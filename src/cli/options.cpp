// Looking rows up, checking values against them, and guessing what a misspelt name meant.
#include "cli/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/str.h"

namespace mainspring::cli {

const OptionSpec* find_option(uint32_t commands, std::string_view name) {
  for (const OptionSpec& spec : option_table())
    if ((spec.commands & commands) && name == spec.name) return &spec;
  return nullptr;
}

const OptionSpec* find_letter(uint32_t commands, char letter) {
  for (const OptionSpec& spec : option_table())
    if (letter && (spec.commands & commands) && spec.letter == letter) return &spec;
  return nullptr;
}

std::string env_name(const OptionSpec& spec) {
  std::string name = cat("MAINSPRING_", spec.name);
  for (char& c : name) {
    if (c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

std::string file_key(const OptionSpec& spec) {
  std::string key = spec.name;
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::vector<std::string> choices_of(const OptionSpec& spec) {
  std::vector<std::string> out;
  if (spec.choices)
    for (std::string_view c : split(spec.choices, '|')) out.emplace_back(c);
  return out;
}

bool takes_value(const OptionSpec& spec) noexcept { return spec.kind != OptionKind::kFlag; }

const char* section_title(Section section) noexcept {
  switch (section) {
    case Section::kCommand: return "Options";
    case Section::kModel: return "Model";
    case Section::kSampling: return "Sampling";
    case Section::kCommon: return "Common";
  }
  return "";
}

namespace {

template <class T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// "512M", "4GiB", "1.5g", "1GB" (decimal with a B and no i, as disks are sold).
std::optional<int64_t> parse_bytes(std::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && (std::isdigit(static_cast<unsigned char>(text[digits])) || text[digits] == '.'))
    ++digits;
  const auto number = whole_number<double>(text.substr(0, digits));
  if (!number) return std::nullopt;
  std::string unit = to_lower_ascii(trim(text.substr(digits)));
  double scale = 1;
  if (!unit.empty() && unit != "b") {
    const size_t power = std::string_view("kmgt").find(unit[0]);
    const std::string rest = unit.substr(1);
    if (power == std::string_view::npos || (rest != "" && rest != "b" && rest != "ib")) return std::nullopt;
    scale = std::pow(rest == "b" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
  }
  const double bytes = *number * scale;
  if (!(bytes >= 0 && bytes < 9e18)) return std::nullopt;
  return static_cast<int64_t>(bytes);
}

std::optional<bool> parse_flag(std::string_view text) {
  const std::string t = to_lower_ascii(text);
  if (t == "true" || t == "1" || t == "yes" || t == "on") return true;
  if (t == "false" || t == "0" || t == "no" || t == "off") return false;
  return std::nullopt;
}

std::string range_text(const OptionSpec& spec) {
  const auto number = [](double v) { return std::fabs(v) < 9e15 ? cat(static_cast<int64_t>(v)) : std::string(); };
  const bool low = std::isfinite(spec.min), high = std::isfinite(spec.max) && spec.max < 1e9;
  if (low && high) return cat(" in ", number(spec.min), "..", number(spec.max));
  if (low) return cat(", at least ", number(spec.min));
  return {};
}

[[noreturn]] void bad_value(std::string_view where, std::string_view expected, std::string_view found) {
  fail(Code::kInvalidInput, where, ": expected ", expected, ", found '", printable(found), "'");
}

}  // namespace

OptionValue check_value(const OptionSpec& spec, std::vector<std::string> texts, std::string_view where) {
  OptionValue value;
  if (spec.kind == OptionKind::kTexts) {
    value.texts = std::move(texts);
    return value;
  }
  if (texts.size() != 1) fail(Code::kInvalidInput, where, ": expected one value, found ", texts.size());
  const std::string& text = texts[0];
  switch (spec.kind) {
    case OptionKind::kFlag: {
      const auto flag = parse_flag(text);
      if (!flag) bad_value(where, "true or false", text);
      value.flag = *flag;
      break;
    }
    case OptionKind::kInt: {
      const auto n = whole_number<int64_t>(text);
      if (!n || static_cast<double>(*n) < spec.min || static_cast<double>(*n) > spec.max)
        bad_value(where, cat("a whole number", range_text(spec)), text);
      value.integer = *n;
      value.real = static_cast<double>(*n);
      break;
    }
    case OptionKind::kReal: {
      const auto x = whole_number<double>(text);
      if (!x || !std::isfinite(*x) || *x < spec.min || *x > spec.max)
        bad_value(where, cat("a number", range_text(spec)), text);
      value.real = *x;
      break;
    }
    case OptionKind::kBytes: {
      const auto bytes = parse_bytes(text);
      if (!bytes) bad_value(where, "a size like 512M or 4GiB", text);
      value.integer = *bytes;
      break;
    }
    case OptionKind::kChoice: {
      const std::vector<std::string> choices = choices_of(spec);
      if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
        std::string list;
        for (const std::string& c : choices) list += cat(list.empty() ? "" : ", ", c);
        fail(Code::kInvalidInput, where, ": expected one of ", list, ", found '", printable(text), "'",
             suggestion(text, choices));
      }
      break;
    }
    default: break;
  }
  value.texts = std::move(texts);
  return value;
}

namespace {

// Damerau-Levenshtein (adjacent transpositions count one).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  if (word.size() > 64 || word.size() < 2) return {};
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& c : candidates) {
    const size_t d = edit_distance(word, c);
    if (d < best_distance) best_distance = d, best = &c;
  }
  if (best) return *best;
  // A beginning, or one word of a longer name: --temp, --penalty.
  for (const std::string& c : candidates)
    if (word.size() >= 3 && c.starts_with(word)) return c;
  return {};
}

std::string suggestion(std::string_view word, std::span<const std::string> candidates, std::string_view prefix) {
  const std::string near = nearest(word, candidates);
  return near.empty() ? std::string() : cat(", did you mean '", prefix, near, "'?");
}

}  // namespace mainspring::cli
