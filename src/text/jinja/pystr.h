// Python's str on UTF-8 text: lengths and slices in code points, character classes, case mapping, splitting.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::jinja {

// Code points in s; every byte of an ill-formed sequence that starts no character counts for none.
size_t code_points(std::string_view s) noexcept;
bool is_ascii(std::string_view s) noexcept;
// Byte offset of code point number `index` (s.size() when there are fewer).
size_t byte_offset(std::string_view s, size_t index) noexcept;
// The code points of s, one string_view each.
std::vector<std::string_view> characters(std::string_view s);
// Start offset of the character that ends at `end` (> 0).
size_t previous_character(std::string_view s, size_t end) noexcept;

bool is_space(uint32_t c) noexcept;      // str.isspace
bool is_alpha(uint32_t c) noexcept;
bool is_decimal(uint32_t c) noexcept;
bool is_digit(uint32_t c) noexcept;
bool is_numeric(uint32_t c) noexcept;
bool is_alnum(uint32_t c) noexcept;
bool is_lower(uint32_t c) noexcept;
bool is_upper(uint32_t c) noexcept;
bool is_title(uint32_t c) noexcept;      // category Lt
bool is_cased(uint32_t c) noexcept;
bool is_printable(uint32_t c) noexcept;  // what repr() leaves as it is
bool is_word(uint32_t c) noexcept;       // \w of Python's re

std::string to_upper(std::string_view s);
std::string to_lower(std::string_view s);
std::string to_title(std::string_view s);       // str.title
std::string to_capitalized(std::string_view s);  // str.capitalize
std::string swap_case(std::string_view s);
std::string case_fold(std::string_view s);

// str.strip and friends: `chars` empty means white space unless has_chars.
struct StripSet {
  std::string_view chars;
  bool whitespace = true;
};
std::string_view strip_left(std::string_view s, const StripSet& set = {});
std::string_view strip_right(std::string_view s, const StripSet& set = {});
std::string_view strip_both(std::string_view s, const StripSet& set = {});

// str.split / str.rsplit; max_split < 0 means no limit. A null separator splits at white space.
std::vector<std::string_view> split_whitespace(std::string_view s, int64_t max_split, bool from_right);
std::vector<std::string_view> split_text(std::string_view s, std::string_view sep, int64_t max_split, bool from_right);
std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends);
std::string replace_text(std::string_view s, std::string_view from, std::string_view to, int64_t count);
// Occurrences that do not overlap; an empty needle counts as Python counts it.
size_t count_text(std::string_view s, std::string_view needle);

}  // namespace mainspring::jinja
