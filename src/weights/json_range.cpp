// Range checks of configuration values.
#include "weights/json_range.h"

#include "base/str.h"

namespace mainspring {

const Json* find_value(const Json& object, std::string_view key) noexcept {
  const Json* v = object.find(key);
  return v && !v->is_null() ? v : nullptr;
}

void bad_value(const Json& v, std::string_view key, std::string_view expected) {
  const bool scalar = !v.is_array() && !v.is_object();
  fail(Code::kInvalidInput, "config: key ", key, ": expected ", expected, ", found ",
       scalar ? printable(v.dump(), 60) : std::string(kind_text(v)));
}

int64_t to_int(const Json& v, std::string_view key, int64_t low, int64_t high) {
  const std::string expected = cat("an integer in ", low, "..", high);
  int64_t n = 0;
  try {
    n = v.as_int();
  } catch (const Error&) {
    bad_value(v, key, expected);
  }
  if (n < low || n > high) bad_value(v, key, expected);
  return n;
}

double to_double(const Json& v, std::string_view key, double low, double high) {
  const double x = v.is_number() ? v.as_double() : low;
  if (!v.is_number() || !(x >= low && x <= high)) bad_value(v, key, cat("a number in ", low, "..", high));
  return x;
}

bool to_bool(const Json& v, std::string_view key) {
  if (!v.is_bool()) bad_value(v, key, "true or false");
  return v.as_bool();
}

const std::string& to_string(const Json& v, std::string_view key) {
  if (!v.is_string() || v.as_string().size() > 256) bad_value(v, key, "a string of at most 256 bytes");
  return v.as_string();
}

}  // namespace mainspring
