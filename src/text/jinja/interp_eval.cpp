// Expressions.
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

Value Interp::eval(const Expr& e) {
  step();
  if (e.kind == ExprKind::kConst) return e.constant;
  if (e.kind == ExprKind::kName) return eval_name(e);
  Nested nested(*this, 1);
  return eval_nested(e);
}

Value Interp::eval_nested(const Expr& e) {
  switch (e.kind) {
    case ExprKind::kConst: return e.constant;
    case ExprKind::kName: return eval_name(e);
    case ExprKind::kAttributeTarget: fault("an assignment target is not an expression");
    case ExprKind::kList:
    case ExprKind::kTuple:
    case ExprKind::kDict: return eval_container(e);
    case ExprKind::kArithmetic: return eval_arithmetic(e);
    case ExprKind::kCompare: return eval_compare(e);
    case ExprKind::kConcat: return eval_concat(e);
    case ExprKind::kAnd:
    case ExprKind::kOr:
    case ExprKind::kNot: return eval_logic(e);
    case ExprKind::kNegative: return negate(*this, eval(*e.kids[0]));
    case ExprKind::kPositive: return positive(*this, eval(*e.kids[0]));
    case ExprKind::kCondition:
      if (truth(*this, eval(*e.kids[1]))) return eval(*e.kids[0]);
      if (e.kids.size() > 2) return eval(*e.kids[2]);
      return undefined("the inline if-expression evaluated to false and no else section was defined");
    case ExprKind::kPostfix: return eval_postfix(e);
  }
  return Value::none();
}

Value Interp::eval_name(const Expr& e) {
  Value v = lookup(e.symbol);
  if (v.is_missing()) return undefined(cat("'", e.name, "' is undefined"));
  return v;
}

Value Interp::eval_arithmetic(const Expr& e) {
  Value v = eval(*e.kids[0]);
  for (size_t i = 0; i < e.ops.size(); ++i) {
    const Value right = eval(*e.kids[i + 1]);
    v = binary(*this, static_cast<BinaryOp>(e.ops[i]), v, right);
  }
  return v;
}

Value Interp::eval_compare(const Expr& e) {
  Value left = eval(*e.kids[0]);
  for (size_t i = 0; i < e.ops.size(); ++i) {
    Value right = eval(*e.kids[i + 1]);
    bool holds = false;
    switch (static_cast<CompareOp>(e.ops[i])) {
      case CompareOp::kEq: holds = equal(*this, left, right); break;
      case CompareOp::kNe: holds = !equal(*this, left, right); break;
      case CompareOp::kLt: holds = compare(*this, left, right, Order::kLess); break;
      case CompareOp::kLe: holds = compare(*this, left, right, Order::kLessEqual); break;
      case CompareOp::kGt: holds = compare(*this, left, right, Order::kGreater); break;
      case CompareOp::kGe: holds = compare(*this, left, right, Order::kGreaterEqual); break;
      case CompareOp::kIn: holds = contains(*this, left, right); break;
      case CompareOp::kNotIn: holds = !contains(*this, left, right); break;
    }
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interp::eval_logic(const Expr& e) {
  if (e.kind == ExprKind::kNot) return Value::boolean(!truth(*this, eval(*e.kids[0])));
  const bool stop_on = e.kind == ExprKind::kOr;
  Value v;
  for (const ExprPtr& kid : e.kids) {
    v = eval(*kid);
    if (truth(*this, v) == stop_on) break;
  }
  return v;
}

Value Interp::eval_container(const Expr& e) {
  if (e.kind == ExprKind::kDict) {
    auto d = std::make_shared<DictObj>();
    for (size_t i = 0; i < e.kids.size(); i += 2) {
      Value key = eval(*e.kids[i]);
      d->set(*this, std::move(key), eval(*e.kids[i + 1]));
    }
    return dict(std::move(d));
  }
  std::vector<Value> items;
  items.reserve(e.kids.size());
  for (const ExprPtr& kid : e.kids) items.push_back(eval(*kid));
  return e.kind == ExprKind::kList ? list(std::move(items)) : tuple(std::move(items));
}

Value Interp::eval_concat(const Expr& e) {
  std::string text;
  for (const ExprPtr& kid : e.kids) {
    const Value v = eval(*kid);
    std::string hold;
    const std::string_view piece = text_of(*this, v, hold);
    require_memory(text.size() + piece.size());
    text.append(piece);
  }
  return str(std::move(text));
}

Value Interp::eval_postfix(const Expr& e) { return eval_chain(e, e.chain.size()); }

Value Interp::eval_chain(const Expr& e, size_t count) {
  Value v = eval(*e.kids[0]);
  for (size_t i = 0; i < count; ++i) v = apply_postfix(e.chain[i], v);
  return v;
}

Value Interp::apply_postfix(const Postfix& p, const Value& base) {
  step();
  line_ = p.line;
  switch (p.kind) {
    case Postfix::Kind::kAttribute: return get_attribute(*this, base, p.name);
    case Postfix::Kind::kItem: return get_item(*this, base, eval(*p.index[0]));
    case Postfix::Kind::kSlice: {
      const auto part = [&](size_t i) { return p.index[i] ? eval(*p.index[i]) : Value::none(); };
      const Value start = part(0), stop = part(1), stride = part(2);
      return get_slice(*this, base, start, stop, stride);
    }
    case Postfix::Kind::kCall: {
      Args args = eval_args(p.call);
      return call(base, args);
    }
    case Postfix::Kind::kFilter: {
      Args args = eval_args(p.call);
      if (p.filter == nullptr) fault("no filter named '", printable(p.name, 40), "'");
      return p.filter->run(*this, base, args);
    }
    case Postfix::Kind::kTest: {
      Args args = eval_args(p.call);
      if (p.test == nullptr) fault("no test named '", printable(p.name, 40), "'");
      return Value::boolean(p.test->run(*this, base, args));
    }
    case Postfix::Kind::kNot: return Value::boolean(!truth(*this, base));
  }
  return Value::none();
}

Args Interp::eval_args(const CallSyntax& c) {
  Args args;
  args.pos.reserve(c.pos.size());
  for (const ExprPtr& e : c.pos) args.pos.push_back(eval(*e));
  if (c.star) {
    for (Value& v : to_vector(*this, eval(*c.star))) args.pos.push_back(std::move(v));
  }
  for (const auto& [name, e] : c.kw) args.kw.emplace_back(name, eval(*e));
  if (!c.double_star) return args;
  const Value extra = eval(*c.double_star);
  if (!extra.is(Kind::kDict)) fault("argument after ** must be a mapping, not ", type_name(extra));
  for (const auto& [key, value] : extra.as<DictObj>().items) {
    if (!key.is_string()) fault("keywords must be strings");
    for (const auto& given : args.kw) {
      if (given.first == key.text())
        fault("got multiple values for keyword argument '", printable(key.text(), 40), "'");
    }
    args.kw.emplace_back(key.text(), value);
  }
  return args;
}

}  // namespace mainspring::jinja
