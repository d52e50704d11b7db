// Standard output and the notes on standard error.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace mainspring::cli {

// The reader of stdout went away (head, a pager): the program ends quietly with the status of SIGPIPE.
class OutputClosed : public std::exception {};

// A signal ended the work in an orderly way; the status is 128 + signal.
struct Interrupted {
  int signal;
};

// Unbuffered writer: a piece is visible as soon as it is written, and a full disk is an error and not a lost answer.
class Output {
 public:
  explicit Output(int fd);
  // kIo, or OutputClosed.
  void write(std::string_view text);
  // Model text: on a terminal control characters are made harmless.
  void write_text(std::string_view text);
  bool terminal() const noexcept { return terminal_; }
  bool at_line_start() const noexcept { return last_ == '\n'; }

 private:
  int fd_;
  bool terminal_;
  char last_ = '\n';
};

// "mainspring: error: ..." and "mainspring: ..." in one line on stderr; failures to write are ignored.
void print_error(std::string_view message) noexcept;
void print_note(std::string_view message) noexcept;

}  // namespace mainspring::cli
