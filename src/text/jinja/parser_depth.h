// Bound on nested syntax: it bounds the C++ stack of the parser, of the interpreter and of the tree's destructor.
#pragma once

#include "text/jinja/parser.h"

namespace mainspring::jinja {

constexpr int kMaxSyntaxDepth = 100;

class Parser::Deeper {
 public:
  explicit Deeper(Parser& p) : parser_(p) {
    if (++parser_.depth_ > kMaxSyntaxDepth) parser_.fail(cat("nested deeper than ", kMaxSyntaxDepth));
  }
  ~Deeper() { --parser_.depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  Parser& parser_;
};

}  // namespace mainspring::jinja
