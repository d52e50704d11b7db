// Statements: one function per tag.
#include <algorithm>

#include "text/jinja/parser.h"
#include "text/jinja/parser_depth.h"

namespace mainspring::jinja {

// A body that Jinja2 compiles in a frame of its own; with `function` it is a Python function, which no break leaves.
struct Parser::InnerFrame {
  InnerFrame(Parser& p, bool function) : parser(p), soft(p.soft_), loops(p.loop_depth_) {
    p.soft_ = 0;
    ++p.frame_depth_;
    if (function) p.loop_depth_ = 0;
  }
  ~InnerFrame() {
    parser.soft_ = soft;
    --parser.frame_depth_;
    parser.loop_depth_ = loops;
  }
  Parser& parser;
  int soft, loops;
};

OutputNode& Parser::output_of(Body& body, int line) {
  if (body.empty() || body.back()->kind != StmtKind::kOutput) body.push_back(std::make_unique<OutputNode>(line));
  return static_cast<OutputNode&>(*body.back());
}

Body Parser::parse_body(const Ends& ends) {
  Body body;
  while (true) {
    const Token& t = peek();
    if (t.type == Tok::kEof) {
      if (ends.empty()) return body;
      std::string wanted;
      for (std::string_view e : ends) wanted += cat(wanted.empty() ? "'" : " or '", e, "'");
      fail(cat("unexpected end of template, looking for ", wanted));
    }
    if (t.type == Tok::kData) {
      output_of(body, t.line).parts.push_back({t.text, nullptr});
      take();
    } else if (t.type == Tok::kVariableBegin) {
      const int line = take().line;
      ExprPtr e = parse_tuple(false, true, "", false);
      check_names();
      if (peek().type != Tok::kVariableEnd) fail(cat("expected '}}', got ", describe(peek())));
      take();
      output_of(body, line).parts.push_back({"", std::move(e)});
    } else {
      take();  // "{%"
      if (peek().type == Tok::kName && std::find(ends.begin(), ends.end(), peek().text) != ends.end()) return body;
      body.push_back(parse_statement());
      expect_block_end();
    }
  }
}

// The rest of the opening tag, then the body up to (not including) one of the end tags' names.
Body Parser::parse_until(const Ends& ends) {
  skip_op(":");
  expect_block_end();
  return parse_body(ends);
}

Body Parser::parse_to_end(std::string_view end) {
  Body body = parse_until({end});
  take();
  return body;
}

StmtPtr Parser::parse_statement() {
  if (peek().type != Tok::kName) fail("tag name expected");
  Deeper deeper(*this);
  const Token t = take();
  open_tags_.push_back(t.text);
  StmtPtr s = parse_tag(t.text, t.line);
  open_tags_.pop_back();
  check_names();
  return s;
}

StmtPtr Parser::parse_tag(const std::string& tag, int line) {
  if (tag == "if") return parse_if(line);
  if (tag == "for") return parse_for(line);
  if (tag == "set") return parse_set(line);
  if (tag == "macro") return parse_macro(line);
  if (tag == "call") return parse_call_block(line);
  if (tag == "filter") return parse_filter_block(line);
  if (tag == "with") return parse_with(line);
  if (tag == "block") return parse_block(line);
  if (tag == "autoescape") return parse_autoescape(line);
  if (tag == "print") return parse_print(line);
  if (tag == "generation") return parse_generation(line);
  if (tag == "break" || tag == "continue") return parse_loop_control(line, tag == "break");
  if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
    fail_at(line, cat("'", tag, "' is refused: a chat template stands alone and cannot load other templates"));
  }
  std::string message = cat("encountered unknown tag '", printable(tag, 40), "'");
  if (open_tags_.size() > 1)
    message += cat("; the innermost block that needs to be closed is '", open_tags_.end()[-2], "'");
  fail_at(line, message);
}

StmtPtr Parser::parse_if(int line) {
  auto s = std::make_unique<IfNode>(line);
  ++soft_;
  while (true) {
    ExprPtr test = parse_tuple(false, false, "", false);
    check_names();
    Body body = parse_until({"elif", "else", "endif"});
    s->branches.push_back({std::move(test), std::move(body)});
    const std::string next = take().text;
    if (next == "elif") continue;
    if (next == "else") s->otherwise = parse_to_end("endif");
    break;
  }
  --soft_;
  return s;
}

StmtPtr Parser::parse_for(int line) {
  auto s = std::make_unique<ForNode>(line);
  ++for_depth_;
  ++frame_depth_;  // the target belongs to the loop
  s->target = parse_target(false, "in");
  --frame_depth_;
  expect_name("in");
  s->iterable = parse_tuple(false, false, "recursive", false);
  check_names();
  InnerFrame frame(*this, false);
  if (skip_name("if")) {
    s->test = parse_expression();
    check_names();
  }
  s->recursive = skip_name("recursive");
  if (s->recursive) loop_depth_ = 0;
  uses_.push_back({});
  ++loop_depth_;
  s->body = parse_until({"endfor", "else"});
  --loop_depth_;
  s->uses_loop = uses_.back().loop || s->recursive;
  uses_.pop_back();
  if (take().text == "else") s->otherwise = parse_to_end("endfor");
  --for_depth_;
  return s;
}

StmtPtr Parser::parse_set(int line) {
  ++frame_depth_;  // Jinja2 sees the value before the target
  ExprPtr target = parse_target(true, "");
  --frame_depth_;
  if (skip_op("=")) {
    auto s = std::make_unique<SetNode>(line);
    s->target = std::move(target);
    s->value = parse_tuple(false, true, "", false);
    note_targets(*s->target);
    return s;
  }
  note_targets(*target);
  auto s = std::make_unique<SetBlockNode>(line);
  s->target = std::move(target);
  while (skip_op("|")) s->filters.push_back(parse_filter());
  check_names();
  InnerFrame frame(*this, false);
  s->body = parse_to_end("endset");
  return s;
}

void Parser::parse_signature(MacroNode& m) {
  InnerFrame frame(*this, true);
  expect_op("(");
  bool defaults = false;
  while (!peek().is_op(")")) {
    if (!m.params.empty()) expect_op(",");
    const int line = peek().line;
    MacroNode::Param p;
    p.name = expect_identifier();
    p.symbol = symbol(p.name);
    for (const MacroNode::Param& other : m.params) {
      if (other.name == p.name) fail_at(line, cat("duplicate argument '", printable(p.name, 40), "'"));
    }
    if (skip_op("=")) {
      p.fallback = parse_expression();
      defaults = true;
    } else if (defaults) {
      fail("non-default argument follows default argument");
    }
    m.params.push_back(std::move(p));
  }
  expect_op(")");
  check_names();
}

void Parser::parse_macro_body(MacroNode& m, std::string_view end) {
  InnerFrame frame(*this, true);
  uses_.push_back({});
  m.body = parse_to_end(end);
  const NameUse use = uses_.back();
  uses_.pop_back();
  const auto param = [&](std::string_view name) {
    return std::find_if(m.params.begin(), m.params.end(), [&](const auto& p) { return p.name == name; });
  };
  const auto caller = param("caller");
  if (use.caller && caller != m.params.end() && !caller->fallback) {
    fail_at(m.line, "the special \"caller\" argument must be omitted or be given a default");
  }
  m.uses_caller = use.caller;
  m.uses_kwargs = use.kwargs && param("kwargs") == m.params.end();
  m.uses_varargs = use.varargs && param("varargs") == m.params.end();
}

StmtPtr Parser::parse_macro(int line) {
  auto s = std::make_unique<MacroNode>(line);
  s->name = expect_identifier();
  if (s->name == "loop" && for_depth_ > 0) fail_at(line, "can't assign to special loop variable in for-loop target");
  s->symbol = symbol(s->name);
  note_store(s->name);
  parse_signature(*s);
  parse_macro_body(*s, "endmacro");
  return s;
}

StmtPtr Parser::parse_call_block(int line) {
  auto s = std::make_unique<CallBlockNode>(line);
  s->caller.line = line;
  if (peek().is_op("(")) parse_signature(s->caller);
  s->call = parse_expression();
  if (s->call->kind != ExprKind::kPostfix || s->call->chain.back().kind != Postfix::Kind::kCall) {
    fail_at(line, "expected call");
  }
  check_names();
  parse_macro_body(s->caller, "endcall");
  return s;
}

StmtPtr Parser::parse_generation(int line) {
  auto s = std::make_unique<CallBlockNode>(line);
  s->caller.line = line;
  parse_macro_body(s->caller, "endgeneration");
  return s;
}

StmtPtr Parser::parse_filter_block(int line) {
  auto s = std::make_unique<FilterBlockNode>(line);
  do {
    s->filters.push_back(parse_filter());
  } while (skip_op("|"));
  check_names();
  InnerFrame frame(*this, false);
  s->body = parse_to_end("endfilter");
  return s;
}

StmtPtr Parser::parse_with(int line) {
  auto s = std::make_unique<WithNode>(line);
  while (peek().type != Tok::kBlockEnd && !peek().is_op(":")) {
    if (!s->bindings.empty()) expect_op(",");
    // Targets of `with` are parameters, so `loop` is allowed here.
    const int loops = std::exchange(for_depth_, 0);
    ++frame_depth_;
    ExprPtr target = parse_tuple(true, true, "", false);
    mark_stored(*target);
    --frame_depth_;
    for_depth_ = loops;
    expect_op("=");
    s->bindings.emplace_back(std::move(target), parse_expression());
  }
  check_names();
  InnerFrame frame(*this, false);
  s->body = parse_to_end("endwith");
  return s;
}

StmtPtr Parser::parse_block(int line) {
  auto s = std::make_unique<WithNode>(line);
  s->top_level_scope = true;
  const std::string name = expect_identifier();
  skip_name("scoped");
  if (peek().is_name("required")) fail("a required block needs a template that extends this one");
  InnerFrame frame(*this, true);
  s->body = parse_to_end("endblock");
  skip_name(name);
  return s;
}

StmtPtr Parser::parse_autoescape(int line) {
  auto s = std::make_unique<WithNode>(line);
  const ExprPtr e = parse_expression();
  if (e->kind != ExprKind::kConst || !e->constant.is(Kind::kBool) || e->constant.as_bool()) {
    fail_at(line, "only 'autoescape false' is supported: chat templates write plain text");
  }
  s->body = parse_to_end("endautoescape");
  return s;
}

StmtPtr Parser::parse_print(int line) {
  auto s = std::make_unique<OutputNode>(line);
  while (peek().type != Tok::kBlockEnd) {
    if (!s->parts.empty()) expect_op(",");
    s->parts.push_back({"", parse_expression()});
  }
  return s;
}

StmtPtr Parser::parse_loop_control(int line, bool is_break) {
  if (loop_depth_ == 0) fail_at(line, cat("'", is_break ? "break" : "continue", "' outside a loop"));
  return std::make_unique<Stmt>(is_break ? StmtKind::kBreak : StmtKind::kContinue, line);
}

}  // namespace mainspring::jinja
