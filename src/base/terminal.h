// What the terminal is and can do, and raw keyboard mode.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/env.h"

namespace mainspring {

bool is_terminal(int fd) noexcept;
// Columns of the terminal behind fd; 80 when it does not say.
int terminal_columns(int fd) noexcept;
// A terminal, no NO_COLOR, and TERM is not "dumb".
bool colors_wanted(int fd, const EnvGetter& env);

// Cells a code point takes: 0 for combining marks and other zero-width characters, 2 for East Asian wide and emoji.
int display_width(uint32_t code) noexcept;
int display_width(std::string_view utf8) noexcept;
// Text that is safe to show: control characters other than newline and tab (escape sequences a model might emit) and
// ill-formed UTF-8 become U+FFFD.
std::string terminal_safe(std::string_view text);

// Keyboard input byte by byte without echo or signals while the object lives.
class RawMode {
 public:
  explicit RawMode(int fd);   // kIo when fd is not a terminal
  ~RawMode();
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;

 private:
  struct Saved;
  int fd_;
  std::unique_ptr<Saved> saved_;
};

}  // namespace mainspring
