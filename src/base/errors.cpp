// Names and exit statuses of the error codes.
#include "base/errors.h"

namespace mainspring {

int exit_status(Code code) noexcept {
  switch (code) {
    case Code::kInvalidInput:
    case Code::kUnsupported: return 2;
    case Code::kOutOfMemory: return 3;
    case Code::kNotFound: return 4;
    default: return 1;
  }
}

const char* code_name(Code code) noexcept {
  switch (code) {
    case Code::kInvalidInput: return "invalid_input";
    case Code::kNotFound: return "not_found";
    case Code::kOutOfMemory: return "out_of_memory";
    case Code::kUnsupported: return "unsupported";
    case Code::kIo: return "io";
    case Code::kUnavailable: return "unavailable";
    case Code::kCancelled: return "cancelled";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

}  // namespace mainspring
