// The pull parser.
#include "weights/json_cursor.h"

#include "base/str.h"
#include "base/utf8.h"

namespace mainspring {

namespace {
constexpr int kMaxDepth = 32;
}

void JsonCursor::invalid(std::string_view reason) const {
  fail(Code::kInvalidInput, where_, ": not valid at byte ", position_, ": ", reason);
}

char JsonCursor::peek() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return c;
    ++position_;
  }
  return '\0';
}

bool JsonCursor::consume(char c) {
  if (peek() != c || position_ >= text_.size()) return false;
  ++position_;
  return true;
}

void JsonCursor::expect(char c) {
  if (consume(c)) return;
  const char expected[] = {'e', 'x', 'p', 'e', 'c', 't', 'e', 'd', ' ', c, '\0'};
  invalid(expected);
}

void JsonCursor::object(FunctionRef<void(std::string& key)> fn) {
  expect('{');
  if (consume('}')) return;
  do {
    std::string key = string();
    expect(':');
    fn(key);
  } while (consume(','));
  expect('}');
}

void JsonCursor::array(FunctionRef<void()> fn) {
  expect('[');
  if (consume(']')) return;
  do fn();
  while (consume(','));
  expect(']');
}

uint32_t JsonCursor::hex4() {
  if (text_.size() - position_ < 4) invalid("unfinished \\u escape");
  uint32_t v = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = text_[position_++];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) invalid("bad \\u escape");
    v = v << 4 | static_cast<uint32_t>(digit);
  }
  return v;
}

void JsonCursor::append_escape(std::string& out) {
  if (position_ >= text_.size()) invalid("unfinished string");
  const char c = text_[position_++];
  switch (c) {
    case '"':
    case '\\':
    case '/': out += c; return;
    case 'b': out += '\b'; return;
    case 'f': out += '\f'; return;
    case 'n': out += '\n'; return;
    case 'r': out += '\r'; return;
    case 't': out += '\t'; return;
    case 'u': break;
    default: invalid("unknown escape");
  }
  uint32_t code = hex4();
  if (code >= 0xD800 && code < 0xDC00) {
    if (text_.substr(position_, 2) != "\\u") invalid("lone surrogate");
    position_ += 2;
    const uint32_t low = hex4();
    if (low < 0xDC00 || low > 0xDFFF) invalid("lone surrogate");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  } else if (code >= 0xDC00 && code < 0xE000) {
    invalid("lone surrogate");
  }
  append_utf8(out, code);
}

std::string JsonCursor::string() {
  expect('"');
  std::string out;
  while (position_ < text_.size()) {
    const char c = text_[position_++];
    if (c == '"') return out;
    if (static_cast<unsigned char>(c) < 0x20) invalid("control character in a string");
    if (c == '\\') append_escape(out);
    else out += c;
  }
  invalid("unfinished string");
}

uint64_t JsonCursor::unsigned_integer() {
  const char first = peek();
  if (first < '0' || first > '9') invalid("expected an unsigned integer");
  const size_t start = position_;
  uint64_t v = 0;
  while (position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9') {
    const uint64_t digit = static_cast<uint64_t>(text_[position_++] - '0');
    if (__builtin_mul_overflow(v, uint64_t{10}, &v) || __builtin_add_overflow(v, digit, &v)) invalid("integer over 64 bits");
  }
  if (first == '0' && position_ > start + 1) invalid("leading zero");
  return v;
}

void JsonCursor::skip(int depth) {
  if (depth >= kMaxDepth) invalid("nested too deeply");
  const char c = peek();
  if (c == '{') {
    object([&](std::string&) { skip(depth + 1); });
  } else if (c == '[') {
    array([&] { skip(depth + 1); });
  } else if (c == '"') {
    string();
  } else {
    const size_t start = position_;
    while (position_ < text_.size() && (text_[position_] == '-' || text_[position_] == '+' || text_[position_] == '.' ||
                                        (text_[position_] >= '0' && text_[position_] <= '9') ||
                                        (text_[position_] >= 'a' && text_[position_] <= 'z') || text_[position_] == 'E'))
      ++position_;
    if (position_ == start) invalid("expected a value");
  }
}

void JsonCursor::end() {
  if (peek() != '\0' || position_ < text_.size()) invalid("extra data");
}

}  // namespace mainspring
