// One exception type for the whole program: an error code for machines and one sentence for people.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace mainspring {

enum class Code {
  kInvalidInput,   // a file, flag, prompt or request is wrong
  kNotFound,       // a path, model, tensor or request id does not exist
  kOutOfMemory,    // would not fit in memory (found before or while allocating)
  kUnsupported,    // well-formed, but this build or device cannot do it
  kIo,             // the operating system or the network failed
  kUnavailable,    // busy, loading, draining: try again later
  kCancelled,      // the caller asked to stop
  kInternal,       // a bug of ours
};

// Thrown with context; `what()` is a single line that says what, where, expected, found, what to do.
class Error : public std::exception {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  Code code() const noexcept { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const noexcept { return message_; }

  // The same error with `where` put in front ("where: message"); used while unwinding through a layer.
  Error in(std::string_view where) const { return Error(code_, std::string(where) + ": " + message_); }

 private:
  Code code_;
  std::string message_;
};

// Process exit status for an error: 2 bad input, 3 not enough memory, 4 not found, 1 the rest.
int exit_status(Code code) noexcept;
// Stable lower-case name of a code ("invalid_input"), for JSON output.
const char* code_name(Code code) noexcept;

}  // namespace mainspring
