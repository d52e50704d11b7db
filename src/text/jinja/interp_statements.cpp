// Statements.
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/registry.h"
#include "text/jinja/scope_guard.h"

namespace mainspring::jinja {

Interp::Flow Interp::run_block(const std::vector<StmtPtr>& body) {
  for (const StmtPtr& s : body) {
    const Flow flow = run_statement(*s);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interp::Flow Interp::run_statement(const Stmt& s) {
  step();
  line_ = s.line;
  Nested nested(*this, 1);
  switch (s.kind) {
    case StmtKind::kOutput: run_output(static_cast<const OutputNode&>(s)); break;
    case StmtKind::kIf: return run_if(static_cast<const IfNode&>(s));
    case StmtKind::kFor: return run_for(static_cast<const ForNode&>(s));
    case StmtKind::kSet: run_set(static_cast<const SetNode&>(s)); break;
    case StmtKind::kSetBlock: return run_set_block(static_cast<const SetBlockNode&>(s));
    case StmtKind::kMacro: {
      const auto& m = static_cast<const MacroNode&>(s);
      scope_->set(m.symbol, make_macro(m));
      break;
    }
    case StmtKind::kCallBlock: run_call_block(static_cast<const CallBlockNode&>(s)); break;
    case StmtKind::kFilterBlock: return run_filter_block(static_cast<const FilterBlockNode&>(s));
    case StmtKind::kWith: return run_with(static_cast<const WithNode&>(s));
    case StmtKind::kBreak: return Flow::kBreak;
    case StmtKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

void Interp::run_output(const OutputNode& s) {
  for (const OutputNode::Part& part : s.parts) {
    if (!part.expr) {
      emit(part.text);
      continue;
    }
    std::string hold;
    const Value v = eval(*part.expr);
    emit(text_of(*this, v, hold));
  }
}

Interp::Flow Interp::run_if(const IfNode& s) {
  for (const IfNode::Branch& branch : s.branches) {
    if (truth(*this, eval(*branch.test))) return run_block(branch.body);
  }
  return run_block(s.otherwise);
}

Interp::Flow Interp::run_for(const ForNode& s) {
  const Value iterable = eval(*s.iterable);
  return run_loop(s, iterable, 0);
}

// The items of the loop, those failing the loop's own `if` left out. The test runs when the item is asked for.
Next Interp::loop_source(const ForNode& s, const Value& iterable) {
  auto it = std::make_shared<Iter>(*this, iterable);
  if (!s.test) {
    return [it](Interp&, Value& out) { return it->next(out); };
  }
  return [it, &s, parent = scope_](Interp& in, Value& out) {
    Value item;
    while (it->next(item)) {
      ScopeGuard guard(in, parent);
      in.assign(*s.target, item);
      if (!truth(in, in.eval(*s.test))) continue;
      // Jinja2 rebuilds the item from the target's variables: a list that was unpacked arrives as a tuple.
      out = s.target->kind == ExprKind::kTuple ? in.tuple(to_vector(in, item)) : item;
      return true;
    }
    return false;
  };
}

Value Interp::make_loop(const ForNode& s, const Value& iterable, Next next, int64_t depth0) {
  auto loop = std::make_shared<LoopObj>();
  loop->iterable = iterable;
  loop->next = std::move(next);
  loop->depth0 = depth0;
  if (!s.test) loop->length = known_length(iterable);
  if (s.recursive) loop->recursive = &s;
  loop->closure = scope_;
  return make(Kind::kLoop, std::move(loop), 0);
}

Interp::Flow Interp::run_loop(const ForNode& s, const Value& iterable, int64_t depth0) {
  Next next = loop_source(s, iterable);
  Value loop;
  if (s.uses_loop) loop = make_loop(s, iterable, next, depth0);
  bool finished_one = false;  // as Jinja2 compiles it: an iteration left by break or continue does not count for `else`
  {
    ScopeGuard guard(*this);
    const std::shared_ptr<Scope> inside = guard.scope();
    while (true) {
      Value item;
      scope_ = guard.outer();  // a test in the loop's header must not see the loop's variables
      const bool more = s.uses_loop ? loop_advance(loop.as<LoopObj>(), item) : next(*this, item);
      scope_ = inside;
      if (!more) break;
      step();
      inside->vars.clear();
      if (s.uses_loop) inside->set(program_.loop, loop);
      assign(*s.target, item);
      const Flow flow = run_block(s.body);
      if (flow == Flow::kBreak) break;
      if (flow == Flow::kNormal) finished_one = true;
    }
  }
  if (s.otherwise.empty() || finished_one) return Flow::kNormal;
  ScopeGuard guard(*this);
  return run_block(s.otherwise);
}

void Interp::run_set(const SetNode& s) {
  const Value v = eval(*s.value);
  assign(*s.target, v);
}

void Interp::assign(const Expr& target, const Value& value) {
  switch (target.kind) {
    case ExprKind::kName:
      scope_->set(target.symbol, value);
      return;
    case ExprKind::kAttributeTarget: {
      const Value ns = lookup(target.symbol);
      if (!ns.is(Kind::kNamespace)) fault("cannot assign attribute on non-namespace object");
      if (target.name.starts_with('_')) {
        fault("a namespace cannot have an attribute that starts with an underscore: ", printable(target.name, 40));
      }
      ns.as<NamespaceObj>().attributes.set(*this, str(target.name), value);
      return;
    }
    default: {
      const std::vector<Value> items = to_vector(*this, value);
      if (items.size() != target.kids.size()) {
        fault("cannot unpack ", items.size(), " values into ", target.kids.size(), " names");
      }
      for (size_t i = 0; i < items.size(); ++i) assign(*target.kids[i], items[i]);
    }
  }
}

Value Interp::filtered(Value v, const std::vector<Postfix>& filters) {
  for (const Postfix& f : filters) v = apply_postfix(f, v);
  return v;
}

Interp::Flow Interp::run_set_block(const SetBlockNode& s) {
  const size_t from = out_.size();
  Value v;
  {
    ScopeGuard guard(*this);
    const Flow flow = run_block(s.body);
    std::string text = take_output(from);
    if (flow != Flow::kNormal) return flow;
    v = filtered(str(std::move(text)), s.filters);
  }
  assign(*s.target, v);
  return Flow::kNormal;
}

Interp::Flow Interp::run_filter_block(const FilterBlockNode& s) {
  const size_t from = out_.size();
  ScopeGuard guard(*this);
  const Flow flow = run_block(s.body);
  std::string text = take_output(from);
  if (flow != Flow::kNormal) return flow;
  emit(need_string(filtered(str(std::move(text)), s.filters), "what a filter block prints"));
  return Flow::kNormal;
}

void Interp::run_call_block(const CallBlockNode& s) {
  const Value caller = make_macro(s.caller);
  Value result;
  if (!s.call) {  // generation: prints its body
    Args none;
    result = call(caller, none);
  } else {
    const Value callee = eval_chain(*s.call, s.call->chain.size() - 1);
    const CallSyntax& syntax = s.call->chain.back().call;
    Args args = eval_args(syntax);
    args.kw.insert(args.kw.begin() + static_cast<ptrdiff_t>(syntax.kw.size()),
                   {"caller", caller});  // before those of **
    result = call(callee, args);
  }
  emit(need_string(result, "what a call block prints"));
}

Interp::Flow Interp::run_with(const WithNode& s) {
  std::vector<Value> values;  // all are evaluated outside the new scope
  for (const auto& [target, value] : s.bindings) values.push_back(eval(*value));
  std::shared_ptr<Scope> parent = scope_;
  if (s.top_level_scope) {
    while (parent->parent) parent = parent->parent;
  }
  ScopeGuard guard(*this, parent);
  for (size_t i = 0; i < values.size(); ++i) assign(*s.bindings[i].first, values[i]);
  return run_block(s.body);
}

}  // namespace mainspring::jinja
