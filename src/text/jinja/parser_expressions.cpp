// Expressions: one function per level of precedence, chains kept flat.
#include <algorithm>
#include <array>

#include "text/jinja/ops.h"
#include "text/jinja/parser.h"
#include "text/jinja/parser_depth.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

ExprPtr Parser::make(ExprKind kind, int line) { return std::make_unique<Expr>(kind, line); }

// Sets the height and refuses trees that would nest too deep when they run.
ExprPtr Parser::finish(ExprPtr e) const {
  int height = 0;
  const auto see = [&](const ExprPtr& p) {
    if (p) height = std::max(height, p->height);
  };
  std::for_each(e->kids.begin(), e->kids.end(), see);
  for (const Postfix& p : e->chain) {
    std::for_each(p.index.begin(), p.index.end(), see);
    std::for_each(p.call.pos.begin(), p.call.pos.end(), see);
    for (const auto& [name, value] : p.call.kw) see(value);
    see(p.call.star);
    see(p.call.double_star);
  }
  e->height = height + 1;
  if (e->height > kMaxSyntaxDepth) fail_at(e->line, "the expression is nested too deep");
  return e;
}

ExprPtr Parser::parse_expression(bool with_condition) {
  Deeper deeper(*this);
  return with_condition ? parse_condition() : parse_or();
}

ExprPtr Parser::parse_condition() {
  const int line = peek().line;
  const size_t unknown = unknown_.size();
  ExprPtr e = parse_or();
  while (skip_name("if")) {
    ExprPtr c = make(ExprKind::kCondition, line);
    c->kids.push_back(std::move(e));
    c->kids.push_back(parse_or());
    if (skip_name("else")) {
      Deeper deeper(*this);
      c->kids.push_back(parse_condition());
    }
    e = finish(std::move(c));
    unknown_.resize(unknown);  // names inside an inline if are looked up when they run
  }
  return e;
}

ExprPtr Parser::parse_or() {
  ExprPtr first = parse_and();
  if (!peek().is_name("or")) return first;
  ExprPtr e = make(ExprKind::kOr, first->line);
  e->kids.push_back(std::move(first));
  while (skip_name("or")) e->kids.push_back(parse_and());
  return finish(std::move(e));
}

ExprPtr Parser::parse_and() {
  ExprPtr first = parse_not();
  if (!peek().is_name("and")) return first;
  ExprPtr e = make(ExprKind::kAnd, first->line);
  e->kids.push_back(std::move(first));
  while (skip_name("and")) e->kids.push_back(parse_not());
  return finish(std::move(e));
}

ExprPtr Parser::parse_not() {
  if (!peek().is_name("not")) return parse_compare();
  Deeper deeper(*this);
  ExprPtr e = make(ExprKind::kNot, take().line);
  e->kids.push_back(parse_not());
  return finish(std::move(e));
}

ExprPtr Parser::parse_compare() {
  static constexpr std::array<std::pair<std::string_view, CompareOp>, 6> kOps = {{{"==", CompareOp::kEq},
                                                                                {"!=", CompareOp::kNe},
                                                                                {"<", CompareOp::kLt},
                                                                                {"<=", CompareOp::kLe},
                                                                                {">", CompareOp::kGt},
                                                                                {">=", CompareOp::kGe}}};
  ExprPtr first = parse_sum();
  ExprPtr e;
  while (true) {
    CompareOp op;
    const auto it = std::find_if(kOps.begin(), kOps.end(), [&](const auto& o) { return peek().is_op(o.first); });
    if (it != kOps.end()) {
      op = it->second;
      take();
    } else if (skip_name("in")) {
      op = CompareOp::kIn;
    } else if (peek().is_name("not") && peek(1).is_name("in")) {
      op = CompareOp::kNotIn;
      take();
      take();
    } else {
      break;
    }
    if (!e) {
      e = make(ExprKind::kCompare, first->line);
      e->kids.push_back(std::move(first));
    }
    e->ops.push_back(static_cast<uint8_t>(op));
    e->kids.push_back(parse_sum());
  }
  return e ? finish(std::move(e)) : std::move(first);
}

ExprPtr Parser::parse_arithmetic(Level next, std::initializer_list<std::pair<std::string_view, uint8_t>> ops) {
  ExprPtr first = (this->*next)();
  ExprPtr e;
  while (true) {
    const auto it = std::find_if(ops.begin(), ops.end(), [&](const auto& o) { return peek().is_op(o.first); });
    if (it == ops.end()) break;
    if (!e) {
      e = make(ExprKind::kArithmetic, first->line);
      e->kids.push_back(std::move(first));
    }
    take();
    e->ops.push_back(it->second);
    e->kids.push_back((this->*next)());
  }
  return e ? finish(std::move(e)) : std::move(first);
}

namespace {
constexpr uint8_t code(BinaryOp op) { return static_cast<uint8_t>(op); }
}  // namespace

ExprPtr Parser::parse_sum() {
  return parse_arithmetic(&Parser::parse_concat, {{"+", code(BinaryOp::kAdd)}, {"-", code(BinaryOp::kSub)}});
}

ExprPtr Parser::parse_concat() {
  ExprPtr first = parse_product();
  if (!peek().is_op("~")) return first;
  ExprPtr e = make(ExprKind::kConcat, first->line);
  e->kids.push_back(std::move(first));
  while (skip_op("~")) e->kids.push_back(parse_product());
  return finish(std::move(e));
}

ExprPtr Parser::parse_product() {
  return parse_arithmetic(&Parser::parse_power, {{"*", code(BinaryOp::kMul)},
                                                 {"/", code(BinaryOp::kDiv)},
                                                 {"//", code(BinaryOp::kFloorDiv)},
                                                 {"%", code(BinaryOp::kMod)}});
}

ExprPtr Parser::parse_power() {
  const auto next = [](Parser& p) { return p.parse_unary(); };
  ExprPtr first = next(*this);
  if (!peek().is_op("**")) return first;
  ExprPtr e = make(ExprKind::kArithmetic, first->line);
  e->kids.push_back(std::move(first));
  while (skip_op("**")) {
    e->ops.push_back(code(BinaryOp::kPow));
    e->kids.push_back(next(*this));
  }
  return finish(std::move(e));
}

ExprPtr Parser::parse_unary(bool with_filters) {
  ExprPtr e;
  if (peek().is_op("-") || peek().is_op("+")) {
    Deeper deeper(*this);
    const Token sign = take();
    e = make(sign.text == "-" ? ExprKind::kNegative : ExprKind::kPositive, sign.line);
    e->kids.push_back(parse_unary(false));
    e = finish(std::move(e));
  } else {
    e = parse_primary();
  }
  return parse_postfix(std::move(e), with_filters);
}

ExprPtr Parser::parse_name(bool with_namespace) {
  const Token t = take();
  ExprPtr e = make(ExprKind::kConst, t.line);
  if (t.text == "true" || t.text == "True" || t.text == "false" || t.text == "False") {
    e->constant = Value::boolean(t.text == "true" || t.text == "True");
  } else if (t.text == "none" || t.text == "None") {
    e->constant = Value::none();
  } else if (with_namespace && skip_op(".")) {
    e->kind = ExprKind::kAttributeTarget;
      e->name = expect_identifier();
    e->symbol = symbol(t.text);
    note_load(t.text);
  } else {
    e->kind = ExprKind::kName;
      e->name = t.text;
    e->symbol = symbol(t.text);
  }
  return e;
}

ExprPtr Parser::parse_primary(bool with_namespace) {
  const Token& t = peek();
  const int line = t.line;
  if (t.type == Tok::kName) {
    ExprPtr e = parse_name(with_namespace);
    if (e->kind == ExprKind::kName && !with_namespace) note_load(e->name);
    return e;
  }
  if (t.type == Tok::kString) {
    std::string text;
    while (peek().type == Tok::kString) text += take().text;
    ExprPtr e = make(ExprKind::kConst, line);
    auto object = std::make_shared<StrObj>(std::move(text));
    object->count = static_cast<int64_t>(object->length());  // constants are shared by threads: no lazy cache
    e->constant = Value(Kind::kString, std::move(object));
    return e;
  }
  if (t.type == Tok::kInteger || t.type == Tok::kFloat) {
    ExprPtr e = make(ExprKind::kConst, line);
    e->constant = t.type == Tok::kInteger ? Value::integer(t.integer) : Value::real(t.real);
    take();
    return e;
  }
  if (skip_op("(")) {
    Deeper deeper(*this);
    ExprPtr e = parse_tuple(false, true, "", true);
    expect_op(")");
    return e;
  }
  if (t.is_op("[")) return parse_list();
  if (t.is_op("{")) return parse_dict();
  fail(cat("unexpected ", describe(t)));
}

// With `simple` the items are assignment targets: names, tuples of names and (with_namespace) attributes.
ExprPtr Parser::parse_tuple(bool simple, bool with_condition, std::string_view extra_end, bool parenthesised,
                            bool with_namespace) {
  const int line = peek().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_op(",");
    const Token& t = peek();
    if (t.type == Tok::kVariableEnd || t.type == Tok::kBlockEnd || t.is_op(")") ||
        (!extra_end.empty() && t.is_name(extra_end))) {
      break;
    }
    if (simple) {
      Deeper deeper(*this);
      items.push_back(parse_primary(with_namespace));
    } else {
      items.push_back(parse_expression(with_condition));
    }
    if (!peek().is_op(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!parenthesised) fail(cat("expected an expression, got ", describe(peek())));
  }
  ExprPtr e = make(ExprKind::kTuple, line);
  e->kids = std::move(items);
  return finish(std::move(e));
}

ExprPtr Parser::parse_list() {
  Deeper deeper(*this);
  ExprPtr e = make(ExprKind::kList, take().line);
  while (!peek().is_op("]")) {
    if (!e->kids.empty()) expect_op(",");
    if (peek().is_op("]")) break;
    e->kids.push_back(parse_expression());
  }
  expect_op("]");
  return finish(std::move(e));
}

ExprPtr Parser::parse_dict() {
  Deeper deeper(*this);
  ExprPtr e = make(ExprKind::kDict, take().line);
  while (!peek().is_op("}")) {
    if (!e->kids.empty()) expect_op(",");
    if (peek().is_op("}")) break;
    e->kids.push_back(parse_expression());
    expect_op(":");
    e->kids.push_back(parse_expression());
  }
  expect_op("}");
  return finish(std::move(e));
}

ExprPtr Parser::parse_postfix(ExprPtr base, bool with_filters) {
  std::vector<Postfix> chain;
  bool filters_begun = false;  // after a filter or test only filters, tests and calls follow
  while (true) {
    const Token& t = peek();
    if (!filters_begun && (t.is_op(".") || t.is_op("["))) {
      parse_subscript(chain.emplace_back());
    } else if (t.is_op("(")) {
      Postfix& p = chain.emplace_back();
      p.kind = Postfix::Kind::kCall;
      p.line = t.line;
      parse_call_args(p.call);
    } else if (with_filters && t.is_op("|")) {
      filters_begun = true;
      take();
      chain.push_back(parse_filter());
    } else if (with_filters && t.is_name("is")) {
      filters_begun = true;
      parse_test(chain);
    } else {
      break;
    }
    if (chain.size() > 1000) fail("the expression is a chain of more than 1000 parts");
  }
  if (chain.empty()) return base;
  ExprPtr e = make(ExprKind::kPostfix, base->line);
  e->kids.push_back(std::move(base));
  e->chain = std::move(chain);
  return finish(std::move(e));
}

void Parser::parse_subscript(Postfix& p) {
  const Token open = take();
  p.line = open.line;
  if (open.text == ".") {
    const Token t = take();
    if (t.type == Tok::kName) {
      p.kind = Postfix::Kind::kAttribute;
      p.name = t.text;
      return;
    }
    if (t.type != Tok::kInteger) fail_at(t.line, "expected name or number");
    p.kind = Postfix::Kind::kItem;
    p.index.push_back(make(ExprKind::kConst, t.line));
    p.index[0]->constant = Value::integer(t.integer);
    return;
  }
  Deeper deeper(*this);
  p.kind = Postfix::Kind::kItem;
  ExprPtr tuple = make(ExprKind::kTuple, open.line);
  while (!peek().is_op("]")) {
    if (!tuple->kids.empty()) expect_op(",");
    ExprPtr start = peek().is_op(":") ? nullptr : parse_expression();
    if (start && !peek().is_op(":")) {
      tuple->kids.push_back(std::move(start));
      continue;
    }
    expect_op(":");
    p.kind = Postfix::Kind::kSlice;
    p.index.push_back(std::move(start));
    p.index.push_back(parse_index_part());
    p.index.push_back(skip_op(":") ? parse_index_part() : nullptr);
    if (!tuple->kids.empty() || !peek().is_op("]")) fail("a slice must be the only index");
  }
  expect_op("]");
  if (p.kind == Postfix::Kind::kSlice) return;
  if (tuple->kids.size() == 1) {
    p.index.push_back(std::move(tuple->kids[0]));
  } else {
    p.index.push_back(finish(std::move(tuple)));
  }
}

ExprPtr Parser::parse_index_part() {
  const Token& t = peek();
  return t.is_op(":") || t.is_op("]") || t.is_op(",") ? nullptr : parse_expression();
}

void Parser::parse_call_args(CallSyntax& call) {
  Deeper deeper(*this);
  const int line = peek().line;
  expect_op("(");
  bool comma = false;
  while (!peek().is_op(")")) {
    if (comma) {
      expect_op(",");
      if (peek().is_op(")")) break;
    }
    parse_call_argument(call, line);
    comma = true;
  }
  expect_op(")");
}

void Parser::parse_call_argument(CallSyntax& call, int line) {
  const auto ensure = [&](bool ok) {
    if (!ok) fail_at(line, "invalid syntax for function call expression");
  };
  if (skip_op("*")) {
    ensure(!call.star && !call.double_star);
    call.star = parse_expression();
  } else if (skip_op("**")) {
    ensure(!call.double_star);
    call.double_star = parse_expression();
  } else if (peek().type == Tok::kName && peek(1).is_op("=")) {
    ensure(!call.double_star);
    std::string name = take().text;
    take();
    for (const auto& [other, value] : call.kw) {
      if (other == name) fail_at(line, cat("keyword argument repeated: ", name));
    }
    call.kw.emplace_back(std::move(name), parse_expression());
  } else {
    ensure(!call.star && !call.double_star && call.kw.empty());
    call.pos.push_back(parse_expression());
  }
}

Postfix Parser::parse_filter() {
  Postfix p;
  p.kind = Postfix::Kind::kFilter;
  p.line = peek().line;
  p.name = expect_identifier();
  while (skip_op(".")) p.name += "." + expect_identifier();
  if (peek().is_op("(")) parse_call_args(p.call);
  p.filter = find_filter(p.name);
  if (p.filter == nullptr) note_unknown(p.line, "filter", p.name);
  return p;
}

void Parser::parse_test(std::vector<Postfix>& chain) {
  Postfix p;
  p.kind = Postfix::Kind::kTest;
  p.line = take().line;
  const bool negated = skip_name("not");
  p.name = expect_identifier();
  while (skip_op(".")) p.name += "." + expect_identifier();
  const Token& t = peek();
  if (t.is_op("(")) {
    parse_call_args(p.call);
  } else if ((t.type == Tok::kName && t.text != "else" && t.text != "or" && t.text != "and") ||
             t.type == Tok::kString || t.type == Tok::kInteger || t.type == Tok::kFloat || t.is_op("[") ||
             t.is_op("{")) {
    if (t.is_name("is")) fail("you cannot chain multiple tests with is");
    Deeper deeper(*this);
    p.call.pos.push_back(parse_postfix(parse_primary(), false));
  }
  p.test = find_test(p.name);
  if (p.test == nullptr) note_unknown(p.line, "test", p.name);
  chain.push_back(std::move(p));
  if (!negated) return;
  Postfix& n = chain.emplace_back();
  n.kind = Postfix::Kind::kNot;
  n.line = chain.front().line;
}

ExprPtr Parser::parse_target(bool with_namespace, std::string_view extra_end) {
  ExprPtr e = parse_tuple(true, true, extra_end, false, with_namespace);
  mark_stored(*e);
  return e;
}

void Parser::note_targets(const Expr& target) {
  if (target.kind == ExprKind::kTuple) {
    for (const ExprPtr& kid : target.kids) note_targets(*kid);
  } else {
    note_root(target.kind == ExprKind::kName ? target.name : program_.symbols[static_cast<size_t>(target.symbol)],
              target.kind == ExprKind::kName);
  }
}

void Parser::mark_stored(const Expr& target) {
  switch (target.kind) {
    case ExprKind::kName:
      if (target.name == "loop" && for_depth_ > 0) {
        fail_at(target.line, "can't assign to special loop variable in for-loop target");
      }
      return note_store(target.name);
    case ExprKind::kTuple:
      for (const ExprPtr& kid : target.kids) mark_stored(*kid);
      return;
    case ExprKind::kAttributeTarget:
      return;
    default:
      fail_at(target.line, "can't assign to this expression");
  }
}

}  // namespace mainspring::jinja
