// Json values and their text form; parsing is Boost.JSON's SAX parser feeding our own tree.
#include "base/json.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <charconv>

#include "base/str.h"
#include "base/utf8.h"

namespace mainspring {

namespace bj = boost::json;

Json::Json(uint64_t v) {
  if (v <= static_cast<uint64_t>(INT64_MAX)) value_ = static_cast<int64_t>(v);
  else value_ = v;
}

const char* kind_text(const Json& v) noexcept {
  switch (v.kind()) {
    case Json::Kind::kNull: return "null";
    case Json::Kind::kBool: return "a boolean";
    case Json::Kind::kInt:
    case Json::Kind::kUint: return "an integer";
    case Json::Kind::kReal: return "a number";
    case Json::Kind::kString: return "a string";
    case Json::Kind::kArray: return "an array";
    case Json::Kind::kObject: return "an object";
  }
  return "null";
}

namespace {
[[noreturn]] void wrong_kind(const char* expected, const Json& v) {
  fail(Code::kInvalidInput, "expected ", expected, ", found ", kind_text(v));
}
}  // namespace

bool Json::as_bool() const {
  if (auto p = std::get_if<bool>(&value_)) return *p;
  wrong_kind("a boolean", *this);
}
int64_t Json::as_int() const {
  if (auto p = std::get_if<int64_t>(&value_)) return *p;
  if (auto p = std::get_if<double>(&value_); p && std::floor(*p) == *p && std::fabs(*p) < 9e15)
    return static_cast<int64_t>(*p);
  wrong_kind("an integer", *this);
}
uint64_t Json::as_uint() const {
  if (auto p = std::get_if<uint64_t>(&value_)) return *p;
  if (auto p = std::get_if<int64_t>(&value_); p && *p >= 0) return static_cast<uint64_t>(*p);
  wrong_kind("an unsigned integer", *this);
}
double Json::as_double() const {
  if (auto p = std::get_if<double>(&value_)) return *p;
  if (auto p = std::get_if<int64_t>(&value_)) return static_cast<double>(*p);
  if (auto p = std::get_if<uint64_t>(&value_)) return static_cast<double>(*p);
  wrong_kind("a number", *this);
}
const std::string& Json::as_string() const {
  if (auto p = std::get_if<std::string>(&value_)) return *p;
  wrong_kind("a string", *this);
}
const Json::Array& Json::as_array() const {
  if (auto p = std::get_if<Array>(&value_)) return *p;
  wrong_kind("an array", *this);
}
const Json::Object& Json::as_object() const {
  if (auto p = std::get_if<Object>(&value_)) return *p;
  wrong_kind("an object", *this);
}
Json::Array& Json::as_array() { return const_cast<Array&>(std::as_const(*this).as_array()); }
Json::Object& Json::as_object() { return const_cast<Object&>(std::as_const(*this).as_object()); }

const Json* Json::find(std::string_view key) const noexcept {
  const Object* o = std::get_if<Object>(&value_);
  if (!o) return nullptr;
  for (const Member& m : *o)
    if (m.first == key) return &m.second;
  return nullptr;
}
const Json& Json::at(std::string_view key) const {
  if (!is_object()) wrong_kind("an object", *this);
  if (const Json* v = find(key)) return *v;
  fail(Code::kInvalidInput, "key \"", printable(key), "\" is missing");
}
void Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Object{};
  Object& o = as_object();
  for (Member& m : o)
    if (m.first == key) {
      m.second = std::move(value);
      return;
    }
  o.emplace_back(std::string(key), std::move(value));
}
void Json::push_back(Json value) {
  if (is_null()) value_ = Array{};
  as_array().push_back(std::move(value));
}
size_t Json::size() const noexcept {
  if (auto p = std::get_if<Array>(&value_)) return p->size();
  if (auto p = std::get_if<Object>(&value_)) return p->size();
  return 0;
}

namespace {

void dump_string(std::string& out, std::string_view s) {
  out += '"';
  while (!s.empty()) {
    const Utf8Char c = decode_utf8(s);
    if (!c.valid) {
      append_utf8(out, 0xFFFD);
    } else if (c.code == '"' || c.code == '\\') {
      out += '\\';
      out += static_cast<char>(c.code);
    } else if (c.code < 0x20) {
      switch (c.code) {
        case '\n': out += "\\n"; break;
        case '\t': out += "\\t"; break;
        case '\r': out += "\\r"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        default: {
          static constexpr char kHex[] = "0123456789abcdef";
          out += "\\u00";
          out += kHex[c.code >> 4];
          out += kHex[c.code & 15];
        }
      }
    } else {
      out.append(s.substr(0, c.length));
    }
    s.remove_prefix(c.length);
  }
  out += '"';
}

void newline(std::string& out, int indent, int depth) {
  if (indent <= 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * depth, ' ');
}

void dump_real(std::string& out, double v) {
  if (!std::isfinite(v)) {
    out += "null";
    return;
  }
  const std::string text = cat(v);
  out += text;
  // Keep a real a real when it is read back.
  if (text.find_first_of(".eEn") == std::string::npos) out += ".0";
}

void dump_value(std::string& out, const Json& v, int indent, int depth) {
  switch (v.kind()) {
    case Json::Kind::kNull: out += "null"; break;
    case Json::Kind::kBool: out += v.as_bool() ? "true" : "false"; break;
    case Json::Kind::kInt: out += cat(v.as_int()); break;
    case Json::Kind::kUint: out += cat(v.as_uint()); break;
    case Json::Kind::kReal: dump_real(out, v.as_double()); break;
    case Json::Kind::kString: dump_string(out, v.as_string()); break;
    case Json::Kind::kArray: {
      out += '[';
      bool first = true;
      for (const Json& item : v.as_array()) {
        if (!first) out += indent > 0 ? "," : ", ";
        first = false;
        newline(out, indent, depth + 1);
        dump_value(out, item, indent, depth + 1);
      }
      if (!first) newline(out, indent, depth);
      out += ']';
      break;
    }
    case Json::Kind::kObject: {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : v.as_object()) {
        if (!first) out += indent > 0 ? "," : ", ";
        first = false;
        newline(out, indent, depth + 1);
        dump_string(out, key);
        out += ": ";
        dump_value(out, item, indent, depth + 1);
      }
      if (!first) newline(out, indent, depth);
      out += '}';
      break;
    }
  }
}

// Builds the tree bottom-up: finished values wait on a stack until their container ends.
struct TreeHandler {
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  using Ec = bj::error_code;

  std::vector<Json> values;
  std::vector<std::string> keys;
  std::string text;

  bool on_document_begin(Ec&) { return true; }
  bool on_document_end(Ec&) { return true; }
  bool on_object_begin(Ec&) { return true; }
  bool on_array_begin(Ec&) { return true; }
  bool on_array_end(std::size_t n, Ec&) {
    Json::Array a(std::make_move_iterator(values.end() - static_cast<ptrdiff_t>(n)),
                  std::make_move_iterator(values.end()));
    values.resize(values.size() - n);
    values.emplace_back(std::move(a));
    return true;
  }
  bool on_object_end(std::size_t n, Ec&) {
    Json::Object o;
    o.reserve(n);
    const size_t v0 = values.size() - n, k0 = keys.size() - n;
    for (size_t i = 0; i < n; ++i) o.emplace_back(std::move(keys[k0 + i]), std::move(values[v0 + i]));
    drop_duplicates(o);
    values.resize(v0);
    keys.resize(k0);
    values.emplace_back(std::move(o));
    return true;
  }
  bool on_string_part(bj::string_view s, std::size_t, Ec&) {
    text.append(s.data(), s.size());
    return true;
  }
  bool on_string(bj::string_view s, std::size_t, Ec&) {
    text.append(s.data(), s.size());
    values.emplace_back(std::move(text));
    text.clear();
    return true;
  }
  bool on_key_part(bj::string_view s, std::size_t, Ec&) {
    text.append(s.data(), s.size());
    return true;
  }
  bool on_key(bj::string_view s, std::size_t, Ec&) {
    text.append(s.data(), s.size());
    keys.push_back(std::move(text));
    text.clear();
    return true;
  }
  bool on_number_part(bj::string_view, Ec&) { return true; }
  bool on_int64(int64_t v, bj::string_view, Ec&) { return values.emplace_back(v), true; }
  bool on_uint64(uint64_t v, bj::string_view, Ec&) { return values.emplace_back(v), true; }
  bool on_double(double v, bj::string_view, Ec&) { return values.emplace_back(v), true; }
  bool on_bool(bool v, Ec&) { return values.emplace_back(v), true; }
  bool on_null(Ec&) { return values.emplace_back(nullptr), true; }
  bool on_comment_part(bj::string_view, Ec&) { return true; }
  bool on_comment(bj::string_view, Ec&) { return true; }

  // Vocabularies have 10^5 keys, so duplicates are looked for by sorting an index, not by pairs.
  static void drop_duplicates(Json::Object& o);
};

void TreeHandler::drop_duplicates(Json::Object& o) {
  if (o.size() < 2) return;
  std::vector<uint32_t> order(o.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int c = o[a].first.compare(o[b].first);
    return c != 0 ? c < 0 : a < b;
  });
  std::vector<bool> drop;
  for (size_t i = 0; i + 1 < order.size();) {
    size_t j = i;
    while (j + 1 < order.size() && o[order[j + 1]].first == o[order[i]].first) ++j;
    if (j > i) {  // keep the first place, with the last value
      drop.resize(o.size());
      o[order[i]].second = std::move(o[order[j]].second);
      for (size_t k = i + 1; k <= j; ++k) drop[order[k]] = true;
    }
    i = j + 1;
  }
  if (drop.empty()) return;
  Json::Object kept;
  for (size_t i = 0; i < o.size(); ++i)
    if (!drop[i]) kept.push_back(std::move(o[i]));
  o = std::move(kept);
}

}  // namespace

std::string Json::dump(int indent) const {
  std::string out;
  dump_value(out, *this, indent, 0);
  return out;
}

Json parse_json(std::string_view text, std::string_view where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    fail(Code::kInvalidInput, where, ": JSON of ", text.size(), " bytes is over the limit of ", limits.max_bytes);
  bj::parse_options options;
  options.max_depth = limits.max_depth;
  bj::basic_parser<TreeHandler> parser(options);
  bj::error_code ec;
  const size_t used = parser.write_some(false, text.data(), text.size(), ec);
  if (!ec && used < text.size() && trim(text.substr(used)).size() > 0)
    fail(Code::kInvalidInput, where, ": extra data after the JSON value at byte ", used);
  if (ec) fail(Code::kInvalidInput, where, ": not valid JSON at byte ", used, ": ", ec.message());
  TreeHandler& h = parser.handler();
  if (h.values.empty()) fail(Code::kInvalidInput, where, ": no JSON value");
  return std::move(h.values.back());
}

}  // namespace mainspring
