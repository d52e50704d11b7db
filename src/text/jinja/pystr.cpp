// Python's str on UTF-8 text (CPython's unicodeobject semantics; character data from utf8proc).
#include "text/jinja/pystr.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"
#include "text/jinja/unicode_tables.h"

namespace mainspring::jinja {

namespace {

bool in_ranges(uint32_t c, const CodeRange* table, size_t count) noexcept {
  const CodeRange* end = table + count;
  const CodeRange* it = std::lower_bound(table, end, c, [](const CodeRange& r, uint32_t v) { return r.last < v; });
  return it != end && it->first <= c;
}

utf8proc_category_t category(uint32_t c) noexcept { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool append_expansion(std::string& out, uint32_t c, const CaseExpansion* table, size_t count) {
  const CaseExpansion* end = table + count;
  const CaseExpansion* it =
      std::lower_bound(table, end, c, [](const CaseExpansion& e, uint32_t v) { return e.code < v; });
  if (it == end || it->code != c) return false;
  for (uint32_t m : it->mapped) {
    if (m != 0) append_utf8(out, m);
  }
  return true;
}

void append_upper(std::string& out, uint32_t c) {
  if (append_expansion(out, c, kUpperExpansions, kUpperExpansionsCount)) return;
  append_utf8(out, static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
}

void append_title(std::string& out, uint32_t c) {
  if (append_expansion(out, c, kTitleExpansions, kTitleExpansionsCount)) return;
  append_utf8(out, static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
}

// Unicode's Case_Ignorable, by categories plus the few marks outside them.
bool is_case_ignorable(uint32_t c) noexcept {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x387 || c == 0x55F || c == 0x5F4 || c == 0x2018 ||
             c == 0x2019 || c == 0x2024 || c == 0x2027 || c == 0xFE13 || c == 0xFE52 || c == 0xFE55 || c == 0xFF07 ||
             c == 0xFF0E || c == 0xFF1A;
  }
}

// Final sigma: a cased letter before (skipping ignorable marks) and none after.
bool is_final_sigma(std::string_view s, size_t at, size_t length) {
  bool before = false;
  for (size_t i = at; i > 0;) {
    i = previous_character(s, i);
    const uint32_t c = decode_utf8(s.substr(i)).code;
    if (is_case_ignorable(c)) continue;
    before = is_cased(c);
    break;
  }
  if (!before) return false;
  for (size_t i = at + length; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    i += c.length;
    if (is_case_ignorable(c.code)) continue;
    return !is_cased(c.code);
  }
  return true;
}

void append_lower(std::string& out, std::string_view s, size_t at, const Utf8Char& c) {
  if (c.code == 0x3A3) {
    append_utf8(out, is_final_sigma(s, at, c.length) ? 0x3C2 : 0x3C3);
  } else if (c.code == 0x130) {
    append_utf8(out, 'i');
    append_utf8(out, 0x307);
  } else {
    append_utf8(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code))));
  }
}

template <class F>
void for_each_character(std::string_view s, F&& f) {
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    f(i, c);
    i += c.length;
  }
}

bool in_set(std::string_view character, uint32_t code, const StripSet& set) {
  if (set.whitespace) return is_space(code);
  if (code < 0x80) return set.chars.find(static_cast<char>(code)) != std::string_view::npos;
  return set.chars.find(character) != std::string_view::npos;
}

}  // namespace

size_t code_points(std::string_view s) noexcept {
  size_t n = 0;
  for (char c : s) n += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  return n;
}

bool is_ascii(std::string_view s) noexcept {
  uint8_t any = 0;
  for (char c : s) any |= static_cast<uint8_t>(c);
  return any < 0x80;
}

size_t byte_offset(std::string_view s, size_t index) noexcept {
  for (size_t i = 0; i < s.size(); ++i) {
    if ((static_cast<uint8_t>(s[i]) & 0xC0) == 0x80) continue;
    if (index-- == 0) return i;
  }
  return s.size();
}

std::vector<std::string_view> characters(std::string_view s) {
  std::vector<std::string_view> out;
  for_each_character(s, [&](size_t i, const Utf8Char& c) { out.push_back(s.substr(i, c.length)); });
  return out;
}

size_t previous_character(std::string_view s, size_t end) noexcept {
  size_t i = end - 1;
  while (i > 0 && (static_cast<uint8_t>(s[i]) & 0xC0) == 0x80) --i;
  return i;
}

bool is_space(uint32_t c) noexcept {
  if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_alpha(uint32_t c) noexcept {
  if (c < 0x80) return (c | 32) >= 'a' && (c | 32) <= 'z';
  const auto k = category(c);
  return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT ||
         k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_LO;
}
bool is_decimal(uint32_t c) noexcept {
  return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND;
}
bool is_digit(uint32_t c) noexcept {
  return is_decimal(c) || in_ranges(c, kDigitsNotDecimal, kDigitsNotDecimalCount);
}
bool is_numeric(uint32_t c) noexcept {
  if (is_decimal(c)) return true;
  const auto k = category(c);
  return k == UTF8PROC_CATEGORY_NO || k == UTF8PROC_CATEGORY_NL || in_ranges(c, kNumericLetters, kNumericLettersCount);
}
bool is_alnum(uint32_t c) noexcept { return is_alpha(c) || is_numeric(c); }
bool is_lower(uint32_t c) noexcept {
  if (c < 0x80) return c >= 'a' && c <= 'z';
  return category(c) == UTF8PROC_CATEGORY_LL || in_ranges(c, kOtherLower, kOtherLowerCount);
}
bool is_upper(uint32_t c) noexcept {
  if (c < 0x80) return c >= 'A' && c <= 'Z';
  return category(c) == UTF8PROC_CATEGORY_LU || in_ranges(c, kOtherUpper, kOtherUpperCount);
}
bool is_title(uint32_t c) noexcept { return c >= 0x80 && category(c) == UTF8PROC_CATEGORY_LT; }
bool is_cased(uint32_t c) noexcept { return is_lower(c) || is_upper(c) || is_title(c); }
bool is_word(uint32_t c) noexcept { return c == '_' || is_alnum(c); }

bool is_printable(uint32_t c) noexcept {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string to_upper(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for_each_character(s, [&](size_t, const Utf8Char& c) { append_upper(out, c.code); });
  return out;
}

std::string to_lower(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for_each_character(s, [&](size_t i, const Utf8Char& c) { append_lower(out, s, i, c); });
  return out;
}

std::string to_title(std::string_view s) {
  std::string out;
  bool previous_cased = false;
  for_each_character(s, [&](size_t i, const Utf8Char& c) {
    if (previous_cased) {
      append_lower(out, s, i, c);
    } else {
      append_title(out, c.code);
    }
    previous_cased = is_cased(c.code);
  });
  return out;
}

std::string to_capitalized(std::string_view s) {
  std::string out;
  for_each_character(s, [&](size_t i, const Utf8Char& c) {
    if (i == 0) {
      append_title(out, c.code);
    } else {
      append_lower(out, s, i, c);
    }
  });
  return out;
}

std::string swap_case(std::string_view s) {
  std::string out;
  for_each_character(s, [&](size_t i, const Utf8Char& c) {
    if (is_upper(c.code)) {
      append_lower(out, s, i, c);
    } else if (is_lower(c.code)) {
      append_upper(out, c.code);
    } else {
      append_utf8(out, c.code);
    }
  });
  return out;
}

std::string case_fold(std::string_view s) {
  utf8proc_uint8_t* folded = nullptr;
  const auto n =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(s.data()), static_cast<utf8proc_ssize_t>(s.size()),
                   &folded, static_cast<utf8proc_option_t>(UTF8PROC_CASEFOLD));
  if (n < 0) return std::string(s);  // ill-formed input: leave it alone
  std::string out(reinterpret_cast<const char*>(folded), static_cast<size_t>(n));
  std::free(folded);
  return out;
}

std::string_view strip_left(std::string_view s, const StripSet& set) {
  while (!s.empty()) {
    const Utf8Char c = decode_utf8(s);
    if (!in_set(s.substr(0, c.length), c.code, set)) break;
    s.remove_prefix(c.length);
  }
  return s;
}

std::string_view strip_right(std::string_view s, const StripSet& set) {
  while (!s.empty()) {
    const size_t at = previous_character(s, s.size());
    if (!in_set(s.substr(at), decode_utf8(s.substr(at)).code, set)) break;
    s = s.substr(0, at);
  }
  return s;
}

std::string_view strip_both(std::string_view s, const StripSet& set) { return strip_right(strip_left(s, set), set); }

std::vector<std::string_view> split_whitespace(std::string_view s, int64_t max_split, bool from_right) {
  std::vector<std::string_view> out;
  s = from_right ? strip_right(s) : strip_left(s);
  while (!s.empty()) {
    if (max_split >= 0 && static_cast<int64_t>(out.size()) == max_split) {
      out.push_back(from_right ? strip_right(s) : s);
      break;
    }
    size_t i = from_right ? s.size() : 0;
    while (from_right ? i > 0 : i < s.size()) {
      const size_t at = from_right ? previous_character(s, i) : i;
      const Utf8Char c = decode_utf8(s.substr(at));
      if (is_space(c.code)) break;
      i = from_right ? at : i + c.length;
    }
    out.push_back(from_right ? s.substr(i) : s.substr(0, i));
    s = from_right ? strip_right(s.substr(0, i)) : strip_left(s.substr(i));
  }
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string_view> split_text(std::string_view s, std::string_view sep, int64_t max_split, bool from_right) {
  std::vector<std::string_view> out;
  while (max_split < 0 || static_cast<int64_t>(out.size()) < max_split) {
    const size_t at = from_right ? s.rfind(sep) : s.find(sep);
    if (at == std::string_view::npos) break;
    out.push_back(from_right ? s.substr(at + sep.size()) : s.substr(0, at));
    s = from_right ? s.substr(0, at) : s.substr(at + sep.size());
  }
  out.push_back(s);
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends) {
  std::vector<std::string_view> out;
  size_t start = 0;
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    const size_t at = i;
    i += c.length;
    const uint32_t u = c.code;
    const bool line_end = (u >= 10 && u <= 13) || (u >= 0x1C && u <= 0x1E) || u == 0x85 || u == 0x2028 || u == 0x2029;
    if (!line_end) continue;
    if (u == '\r' && i < s.size() && s[i] == '\n') ++i;
    out.push_back(s.substr(start, (keep_ends ? i : at) - start));
    start = i;
  }
  if (start < s.size()) out.push_back(s.substr(start));
  return out;
}

std::string replace_text(std::string_view s, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  if (from.empty()) {  // Python puts `to` before every character and at the end
    int64_t done = 0;
    for_each_character(s, [&](size_t i, const Utf8Char& c) {
      if (count < 0 || done < count) out.append(to), ++done;
      out.append(s.substr(i, c.length));
    });
    if (count < 0 || done < count) out.append(to);
    return out;
  }
  size_t from_pos = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    const size_t at = s.find(from, from_pos);
    if (at == std::string_view::npos) break;
    out.append(s.substr(from_pos, at - from_pos)).append(to);
    from_pos = at + from.size();
  }
  out.append(s.substr(from_pos));
  return out;
}

size_t count_text(std::string_view s, std::string_view needle) {
  if (needle.empty()) return code_points(s) + 1;
  size_t n = 0;
  for (size_t at = s.find(needle); at != std::string_view::npos; at = s.find(needle, at + needle.size())) ++n;
  return n;
}

}  // namespace mainspring::jinja
