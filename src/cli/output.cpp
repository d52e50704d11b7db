// Writing to stdout and stderr.
#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/str.h"
#include "base/terminal.h"

namespace mainspring::cli {

Output::Output(int fd) : fd_(fd), terminal_(is_terminal(fd)) {}

void Output::write(std::string_view text) {
  if (!text.empty()) last_ = text.back();
  while (!text.empty()) {
    const ssize_t n = ::write(fd_, text.data(), text.size());
    if (n > 0) {
      text.remove_prefix(static_cast<size_t>(n));
    } else if (n < 0 && errno == EPIPE) {
      throw OutputClosed();
    } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
      fail(Code::kIo, "cannot write the output: ", std::strerror(errno));
    }
  }
}

void Output::write_text(std::string_view text) {
  if (terminal_) write(terminal_safe(text));
  else write(text);
}

namespace {

void print_line(std::string_view prefix, std::string_view message) noexcept {
  try {
    const std::string line = cat(prefix, printable(message, 2000), "\n");
    [[maybe_unused]] ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (const std::exception&) {
  }
}

}  // namespace

void print_error(std::string_view message) noexcept { print_line("mainspring: error: ", message); }
void print_note(std::string_view message) noexcept { print_line("mainspring: ", message); }

}  // namespace mainspring::cli
