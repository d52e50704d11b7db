// Reading members of tokenizer.json objects.
#include "text/tokenizers/json_fields.h"

#include "base/str.h"
#include "base/utf8.h"

namespace mainspring::tok {

bool bool_field(const Json& spec, std::string_view key, bool otherwise) {
  const Json* v = spec.find(key);
  return v == nullptr || v->is_null() ? otherwise : v->as_bool();
}

std::string string_field(const Json& spec, std::string_view key, std::string_view otherwise) {
  const Json* v = spec.find(key);
  return v == nullptr || v->is_null() ? std::string(otherwise) : v->as_string();
}

size_t size_field(const Json& spec, std::string_view key, size_t otherwise) {
  const Json* v = spec.find(key);
  if (v == nullptr || v->is_null()) return otherwise;
  const int64_t n = v->as_int();
  if (n < 0) fail(Code::kInvalidInput, key, " is negative: ", n);
  return static_cast<size_t>(n);
}

Regex pattern_field(const Json& spec) {
  const Json& pattern = spec.at("pattern");
  if (const Json* text = pattern.find("String")) return Regex::literal(text->as_string());
  if (const Json* regex = pattern.find("Regex")) return Regex(regex->as_string(), RegexSyntax::kOniguruma);
  if (pattern.is_string()) return Regex::literal(pattern.as_string());
  fail(Code::kInvalidInput, "pattern: expected {\"String\": ...} or {\"Regex\": ...}, found ", kind_text(pattern));
}

std::string character_field(const Json& spec, std::string_view key) {
  const std::string& s = spec.at(key).as_string();
  if (s.empty() || decode_utf8(s).length != s.size()) {
    fail(Code::kInvalidInput, key, ": expected one character, found ", printable(s));
  }
  return s;
}

int32_t token_id_of(const Json& value, std::string_view what) {
  const int64_t id = value.as_int();
  if (id < 0 || id > INT32_MAX) fail(Code::kInvalidInput, what, ": token id ", id, " is out of range");
  return static_cast<int32_t>(id);
}

std::string token_content(const Json* value) {
  if (value == nullptr) return {};
  if (value->is_string()) return value->as_string();
  if (const Json* content = value->find("content"); content != nullptr && content->is_string()) {
    return content->as_string();
  }
  return {};
}

}  // namespace mainspring::tok
