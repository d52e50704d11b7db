// Token access and bookkeeping of names for the parser.
#include "text/jinja/parser.h"

#include "text/jinja/parser_depth.h"

namespace mainspring::jinja {

Parser::Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
  program_.loop = symbol("loop");
  program_.caller = symbol("caller");
  program_.kwargs = symbol("kwargs");
  program_.varargs = symbol("varargs");
}

Program Parser::parse() {
  program_.body = parse_body({});
  program_.local.resize(program_.symbols.size(), false);
  return std::move(program_);
}

Program parse_template(std::string_view source) { return Parser(tokenize(source)).parse(); }

const Token& Parser::peek(size_t ahead) const {
  const size_t i = pos_ + ahead;
  return i < tokens_.size() ? tokens_[i] : tokens_.back();
}

Token Parser::take() {
  const Token& t = peek();
  if (pos_ + 1 < tokens_.size()) ++pos_;
  return t;
}

bool Parser::skip_op(std::string_view op) {
  const bool found = peek().is_op(op);
  if (found) take();
  return found;
}

bool Parser::skip_name(std::string_view name) {
  const bool found = peek().is_name(name);
  if (found) take();
  return found;
}

void Parser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail(cat("expected token '", op, "', got ", describe(peek())));
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail(cat("expected '", name, "', got ", describe(peek())));
}

std::string Parser::expect_identifier() {
  if (peek().type != Tok::kName) fail(cat("expected a name, got ", describe(peek())));
  return take().text;
}

void Parser::expect_block_end() {
  if (peek().type != Tok::kBlockEnd) fail(cat("expected the end of the statement block, got ", describe(peek())));
  take();
}

std::string Parser::describe(const Token& t) const {
  switch (t.type) {
    case Tok::kEof: return "the end of the template";
    case Tok::kData: return "template text";
    case Tok::kVariableBegin: return "'{{'";
    case Tok::kVariableEnd: return "'}}'";
    case Tok::kBlockBegin: return "'{%'";
    case Tok::kBlockEnd: return "'%}'";
    case Tok::kString: return "a string";
    default: return cat("'", printable(t.text, 40), "'");
  }
}

int Parser::symbol(std::string_view name) {
  const auto it = symbols_.find(name);
  if (it != symbols_.end()) return it->second;
  const int id = static_cast<int>(program_.symbols.size());
  program_.symbols.emplace_back(name);
  symbols_.emplace(std::string(name), id);
  return id;
}

void Parser::note_root(std::string_view name, bool store) {
  if (frame_depth_ > 0) return;
  const size_t i = static_cast<size_t>(symbol(name));
  if (root_seen_.size() <= i) root_seen_.resize(i + 1, false);
  if (root_seen_[i]) return;
  root_seen_[i] = true;
  if (program_.local.size() <= i) program_.local.resize(i + 1, false);
  program_.local[i] = store && soft_ == 0;  // an assignment inside an if may not happen
}

void Parser::note_load(std::string_view name) {
  note_root(name, false);
  if (uses_.empty()) return;
  for (NameUse& use : uses_) {
    if (name == "loop") use.loop = true;
    if (name == "caller" && !use.caller_set) use.caller = true;
    if (name == "kwargs" && !use.kwargs_set) use.kwargs = true;
    if (name == "varargs" && !use.varargs_set) use.varargs = true;
  }
}

void Parser::note_store(std::string_view name) {
  note_root(name, true);
  for (NameUse& use : uses_) {
    if (name == "caller") use.caller_set = true;
    if (name == "kwargs") use.kwargs_set = true;
    if (name == "varargs") use.varargs_set = true;
  }
}

void Parser::note_unknown(int line, std::string_view what, std::string_view name) {
  unknown_.emplace_back(line, cat("no ", what, " named '", printable(name, 40), "'"));
}

// Jinja2 refuses unknown filters and tests while compiling, except inside if statements and inline ifs.
void Parser::check_names() {
  if (!unknown_.empty() && soft_ == 0) fail_at(unknown_[0].first, unknown_[0].second);
  unknown_.clear();
}

}  // namespace mainspring::jinja
