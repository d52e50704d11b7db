// JSON values: parsed strictly and with limits, key order kept. The parser behind it is Boost.JSON.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/errors.h"

namespace mainspring {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // in file order; duplicate keys keep the last value
  enum class Kind { kNull, kBool, kInt, kUint, kReal, kString, kArray, kObject };

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool v) : value_(v) {}
  Json(int v) : value_(int64_t{v}) {}
  Json(int64_t v) : value_(v) {}
  Json(uint64_t v);  // stored as kInt when it fits
  Json(double v) : value_(v) {}
  Json(const char* v) : value_(std::string(v)) {}
  Json(std::string_view v) : value_(std::string(v)) {}
  Json(std::string v) : value_(std::move(v)) {}
  Json(Array v) : value_(std::move(v)) {}
  Json(Object v) : value_(std::move(v)) {}
  static Json object(std::initializer_list<Member> members = {}) { return Json(Object(members)); }
  static Json array(std::initializer_list<Json> items = {}) { return Json(Array(items)); }

  Kind kind() const noexcept { return static_cast<Kind>(value_.index()); }
  bool is_null() const noexcept { return kind() == Kind::kNull; }
  bool is_bool() const noexcept { return kind() == Kind::kBool; }
  bool is_integer() const noexcept { return kind() == Kind::kInt || kind() == Kind::kUint; }
  bool is_number() const noexcept { return is_integer() || kind() == Kind::kReal; }
  bool is_string() const noexcept { return kind() == Kind::kString; }
  bool is_array() const noexcept { return kind() == Kind::kArray; }
  bool is_object() const noexcept { return kind() == Kind::kObject; }

  // Checked access; a wrong kind throws kInvalidInput ("expected an integer, found a string").
  bool as_bool() const;
  int64_t as_int() const;      // kUint beyond int64 and reals with a fraction are refused; 4.0 is accepted
  uint64_t as_uint() const;    // integers from 0 to 2^64 - 1
  double as_double() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;
  Array& as_array();
  Object& as_object();

  // Object member or nullptr; also nullptr when this is not an object. Linear search.
  const Json* find(std::string_view key) const noexcept;
  // Object member; kInvalidInput naming the key when absent.
  const Json& at(std::string_view key) const;
  bool contains(std::string_view key) const noexcept { return find(key) != nullptr; }
  // Inserts or replaces a member (this must be an object or null).
  void set(std::string_view key, Json value);
  void push_back(Json value);  // this must be an array or null
  size_t size() const noexcept;  // members or items, else 0

  // Compact text, or indented when indent > 0. Non-finite numbers become null. Strings are written as UTF-8;
  // invalid bytes become U+FFFD.
  std::string dump(int indent = 0) const;

  bool operator==(const Json&) const = default;

 private:
  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object> value_ = nullptr;
};

struct JsonLimits {
  size_t max_bytes = size_t{256} << 20;
  size_t max_depth = 128;
};

// Parses one JSON document; kInvalidInput says `where`, the byte offset and the reason.
Json parse_json(std::string_view text, std::string_view where, const JsonLimits& limits = {});
// "a string", "an integer", ... for error messages.
const char* kind_text(const Json& v) noexcept;

}  // namespace mainspring
