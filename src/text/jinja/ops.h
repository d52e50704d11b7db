// Operations on template values with Python's and Jinja2's meaning.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace mainspring::jinja {

const char* type_name(const Value& v) noexcept;  // Python's type(v).__name__

// str(v) and repr(v).
std::string to_text(Interp& in, const Value& v);
void append_text(Interp& in, std::string& out, const Value& v);
void append_repr(Interp& in, std::string& out, const Value& v);
std::string quoted(std::string_view s);  // repr of a str
std::string real_text(double d);         // repr of a float
// str(v) without a copy for strings: `hold` keeps what had to be made.
std::string_view text_of(Interp& in, const Value& v, std::string& hold);

bool truth(Interp& in, const Value& v);
bool equal(Interp& in, const Value& a, const Value& b);
bool same(const Value& a, const Value& b);  // `is`
size_t hash(Interp* in, const Value& v);    // faults for lists and dicts
enum class Order : uint8_t { kLess, kLessEqual, kGreater, kGreaterEqual };
bool compare(Interp& in, const Value& a, const Value& b, Order order);
bool contains(Interp& in, const Value& item, const Value& container);

enum class BinaryOp : uint8_t { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow };
Value binary(Interp& in, BinaryOp op, const Value& a, const Value& b);
Value negate(Interp& in, const Value& v);
Value positive(Interp& in, const Value& v);

size_t length(Interp& in, const Value& v);
std::optional<size_t> known_length(const Value& v);  // nothing where len() fails
Value get_attribute(Interp& in, const Value& v, std::string_view name);          // v.name
Value get_item(Interp& in, const Value& v, const Value& key);                    // v[key]
Value get_slice(Interp& in, const Value& v, const Value& start, const Value& stop, const Value& step);
// The methods Python's str, dict, list and tuple have; null for other names.
const Method* find_method(const Value& v, std::string_view name) noexcept;

// int(), float() of a value; nothing where Python raises TypeError or ValueError.
std::optional<Value> parse_integer(std::string_view text, int base);
std::optional<double> parse_real(std::string_view text);
int64_t need_int(const Value& v, std::string_view what);                // an int or bool, else a fault
const std::string& need_string(const Value& v, std::string_view what);  // a str, else a fault
Value integer_from_real(double d, std::string_view what);               // truncates; faults outside 64 bits

// Iterates as `for` does. Usage: Iter it(in, v); Value x; while (it.next(x)) ...
class Iter {
 public:
  Iter(Interp& in, Value source);  // faults when v cannot be iterated
  bool next(Value& out);
  static bool possible(const Value& v) noexcept;

 private:
  Interp& in_;
  Value source_;
  size_t position_ = 0;
};
std::vector<Value> to_vector(Interp& in, const Value& v);

// HTML escaping as markupsafe does it.
std::string escape_html(std::string_view s);
// "%" formatting and str.format; format() of one value.
std::string percent_format(Interp& in, const Value& format, const Value& args);
std::string brace_format(Interp& in, std::string_view format, const Args& args);
std::string format_value(Interp& in, const Value& v, std::string_view spec);
// Python's format of a double with one of e, f, g (or upper case) and a precision.
std::string format_real(double d, char type, int precision, bool alternate);
// json.dumps
struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // one level
  std::string item_separator = ", ", key_separator = ": ";
};
std::string dump_json(Interp& in, const Value& v, const JsonStyle& style);
std::string pretty(Interp& in, const Value& v);  // pprint.pformat

}  // namespace mainspring::jinja
