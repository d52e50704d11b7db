// String building without a formatting library in our headers: cat("tensor ", name, " has ", n, " rows").
#pragma once

#include <charconv>
#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace mainspring {

namespace detail {
inline void append(std::string& s, std::string_view v) { s.append(v); }
inline void append(std::string& s, const char* v) { s.append(v); }
inline void append(std::string& s, char c) { s.push_back(c); }
inline void append(std::string& s, bool b) { s.append(b ? "true" : "false"); }
template <class T>
  requires(std::integral<T> || std::floating_point<T>)
void append(std::string& s, T v) {
  char buf[64];
  auto r = std::to_chars(buf, buf + sizeof buf, v);
  s.append(buf, r.ptr);
}
}  // namespace detail

// Concatenates strings, characters and numbers (shortest round-trip form for floating point).
template <class... Args>
std::string cat(const Args&... args) {
  std::string s;
  (detail::append(s, args), ...);
  return s;
}

// Throws Error{code, cat(args...)}.
template <class... Args>
[[noreturn]] void fail(Code code, const Args&... args) {
  throw Error(code, cat(args...));
}

// "[2, 3, 4]"
std::string shape_text(std::span<const int64_t> dims);
// Text safe to print in one line of a terminal or log: control characters and invalid UTF-8 are escaped,
// longer input is cut to max_bytes and marked with "...".
std::string printable(std::string_view s, size_t max_bytes = 80);
std::vector<std::string_view> split(std::string_view s, char sep);
std::string_view trim(std::string_view s);
std::string to_lower_ascii(std::string_view s);
// "1.5 GiB", "12.0 MiB", "800 B"
std::string human_bytes(uint64_t bytes);

}  // namespace mainspring
