// Reads JSON of a known shape piece by piece, without building a tree: headers may have 100 MB and must not cost more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/function_ref.h"

namespace mainspring {

// Every error is kInvalidInput with the place and the byte offset.
class JsonCursor {
 public:
  JsonCursor(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  // Calls fn(key) for each member of the object that comes next; fn must read or skip the value.
  void object(FunctionRef<void(std::string& key)> fn);
  // Calls fn() for each item of the array that comes next; fn must read or skip it.
  void array(FunctionRef<void()> fn);
  std::string string();
  uint64_t unsigned_integer();
  void skip_value() { skip(0); }
  // Only white space may follow.
  void end();
  [[noreturn]] void invalid(std::string_view reason) const;

 private:
  char peek();           // next character that is not white space, '\0' at the end
  bool consume(char c);  // when it is next
  void expect(char c);
  void skip(int depth);
  void append_escape(std::string& out);
  uint32_t hex4();

  std::string_view text_, where_;
  size_t position_ = 0;
};

}  // namespace mainspring
