// Splits a template into tokens exactly as Jinja2's lexer does with trim_blocks and lstrip_blocks on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::jinja {

enum class Tok : uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEof,
};

struct Token {
  Tok type = Tok::kEof;
  int line = 1;
  std::string text;      // data, name, decoded string or operator
  int64_t integer = 0;
  double real = 0;

  bool is_op(std::string_view op) const { return type == Tok::kOperator && text == op; }
  bool is_name(std::string_view name) const { return type == Tok::kName && text == name; }
};

// The last token is kEof. Throws Fault naming the line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace mainspring::jinja
