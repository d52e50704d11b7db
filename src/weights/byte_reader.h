// A bounds-checked cursor over the bytes of a file.
#pragma once

#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/str.h"

namespace mainspring {

class ByteReader {
 public:
  // `where` names the file in messages.
  ByteReader(std::span<const std::byte> bytes, std::string_view where) : bytes_(bytes), where_(where) {}

  uint64_t position() const noexcept { return position_; }
  uint64_t remaining() const noexcept { return bytes_.size() - position_; }

  // The next n bytes; kInvalidInput when the file ends before.
  const std::byte* take(uint64_t n, std::string_view what) {
    if (n > remaining())
      fail(Code::kInvalidInput, where_, ": file ends at byte ", bytes_.size(), ", but ", what, " at byte ", position_,
           " needs ", n, " bytes; the file is damaged or not completely downloaded");
    const std::byte* p = bytes_.data() + position_;
    position_ += n;
    return p;
  }
  template <class T>
  T number(std::string_view what) {
    static_assert(std::endian::native == std::endian::little);
    T v;
    std::memcpy(&v, take(sizeof(T), what), sizeof(T));
    return v;
  }
  template <class... Args>
  [[noreturn]] void invalid(const Args&... args) const {
    fail(Code::kInvalidInput, where_, ": ", args...);
  }

 private:
  std::span<const std::byte> bytes_;
  std::string where_;
  uint64_t position_ = 0;
};

}  // namespace mainspring
