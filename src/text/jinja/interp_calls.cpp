// Calls: macros, recursive loops, methods and built-in functions; attributes of `loop`.
#include <algorithm>

#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/registry.h"
#include "text/jinja/scope_guard.h"

namespace mainspring::jinja {

Value Interp::make_macro(const MacroNode& m) {
  auto macro = std::make_shared<MacroObj>();
  macro->node = &m;
  macro->closure = scope_;
  return make(Kind::kMacro, std::move(macro), 0);
}

Value Interp::call(const Value& callee, Args& args) {
  step();
  struct CallDepth {
    CallDepth(size_t& n, size_t limit) : calls(n) {
      if (calls >= limit) fault("the template nests calls deeper than ", limit);
      ++calls;
    }
    ~CallDepth() { --calls; }
    size_t& calls;
  } depth(calls_, limits_.max_depth);
  switch (callee.kind()) {
    case Kind::kFunction: return callee.builtin()->run(*this, args);
    case Kind::kMethod: {
      const MethodObj& m = callee.as<MethodObj>();
      return m.method->run(*this, m.self, args);
    }
    case Kind::kMacro: return call_macro(callee.as<MacroObj>(), args);
    case Kind::kLoop: return call_loop(callee.as<LoopObj>(), args);
    case Kind::kJoiner: {
      JoinerObj& j = callee.as<JoinerObj>();
      if (!args.pos.empty() || !args.kw.empty()) fault("a joiner takes no arguments");
      return std::exchange(j.used, true) ? j.separator : str("");
    }
    case Kind::kUndefined: fault(callee.as<UndefinedObj>().message);
    default: fault("'", type_name(callee), "' object is not callable");
  }
}

namespace {

// Takes a keyword argument out of `args`; kMissing when it was not given.
Value pop_keyword(Args& args, std::string_view name) {
  const auto it = std::find_if(args.kw.begin(), args.kw.end(), [&](const auto& kw) { return kw.first == name; });
  if (it == args.kw.end()) return Value();
  Value v = std::move(it->second);
  args.kw.erase(it);
  return v;
}

}  // namespace

// Sets the macro's parameters in the current scope.
void Interp::bind_macro(const MacroNode& m, Args& args) {
  std::vector<Value> given(m.params.size());
  bool caller_found = false;
  for (size_t i = 0; i < given.size(); ++i) {
    if (i < args.pos.size()) {
      given[i] = args.pos[i];
    } else {
      given[i] = pop_keyword(args, m.params[i].name);
    }
    caller_found = caller_found || m.params[i].name == "caller";
  }
  if (m.uses_caller && !caller_found) {
    Value caller = pop_keyword(args, "caller");
    scope_->set(program_.caller, caller.is_missing() || caller.is_none() ? undefined("No caller defined") : caller);
  }
  const std::string name = m.name.empty() ? "anonymous" : m.name;
  if (m.uses_kwargs) {
    auto d = std::make_shared<DictObj>();
    for (auto& [key, value] : args.kw) d->set(*this, str(key), std::move(value));
    scope_->set(program_.kwargs, dict(std::move(d)));
  } else if (!args.kw.empty()) {
    fault("macro '", name, "' takes no keyword argument '", printable(args.kw[0].first, 40), "'");
  }
  const size_t extra = args.pos.size() > given.size() ? given.size() : args.pos.size();
  if (m.uses_varargs) {
    scope_->set(program_.varargs,
                tuple(std::vector<Value>(args.pos.begin() + static_cast<ptrdiff_t>(extra), args.pos.end())));
  } else if (args.pos.size() > given.size()) {
    fault("macro '", name, "' takes not more than ", given.size(), " argument(s)");
  }
  // Parameters are visible to the defaults of later ones, and hide outer names even before they are set.
  for (size_t i = 0; i < given.size(); ++i) {
    const MacroNode::Param& p = m.params[i];
    if (!given[i].is_missing()) scope_->set(p.symbol, given[i]);
    else scope_->set(p.symbol, undefined(cat("parameter '", p.name, "' was not provided")));
  }
  for (size_t i = 0; i < given.size(); ++i) {
    const MacroNode::Param& p = m.params[i];
    if (given[i].is_missing() && p.fallback) scope_->set(p.symbol, eval(*p.fallback));
  }
}

Value Interp::call_macro(const MacroObj& macro, Args& args) {
  Nested nested(*this, 1);
  const size_t from = out_.size();
  ScopeGuard guard(*this, macro.closure);
  bind_macro(*macro.node, args);
  run_block(macro.node->body);
  return str(take_output(from));
}

Value Interp::call_loop(const LoopObj& loop, Args& args) {
  if (loop.recursive == nullptr) fault("the loop must have the 'recursive' marker to be called recursively");
  const std::vector<Value> given = bind_args("loop", args, {"iterable"}, 1);
  Nested nested(*this, 1);
  const size_t from = out_.size();
  const ForNode& node = *loop.recursive;
  const int64_t depth = loop.depth0 + 1;
  struct Restore {
    std::shared_ptr<Scope>& place;
    std::shared_ptr<Scope> saved;
    ~Restore() { place = std::move(saved); }
  } restore{scope_, scope_};
  scope_ = loop.closure;
  run_loop(node, given[0], depth);
  return str(take_output(from));
}

bool Interp::loop_advance(LoopObj& loop, Value& out) {
  if (!loop.after.is_missing()) {
    out = std::exchange(loop.after, Value());
  } else if (!pull(loop.next, *this, out)) {
    return false;
  }
  ++loop.index0;
  loop.before = loop.current;
  loop.current = out;
  return true;
}

namespace {

bool peek_next(Interp& in, LoopObj& loop) {
  Value v;
  if (loop.after.is_missing() && pull(loop.next, in, v)) loop.after = std::move(v);
  return !loop.after.is_missing();
}

int64_t loop_length(Interp& in, LoopObj& loop) {
  if (!loop.length) {  // a generator: run it to its end and keep what it gave
    auto rest = std::make_shared<std::vector<Value>>();
    Value v;
    while (pull(loop.next, in, v)) {
      in.step();
      rest->push_back(v);
    }
    loop.length = rest->size() + static_cast<size_t>(loop.index0 + 1) + !loop.after.is_missing();
    loop.next = [rest, i = size_t{0}](Interp&, Value& out) mutable {
      if (i >= rest->size()) return false;
      out = (*rest)[i++];
      return true;
    };
  }
  return static_cast<int64_t>(*loop.length);
}

Value loop_cycle(Interp&, const Value& self, Args& args) {
  if (args.pos.empty()) fault("no items for cycling given");
  return args.pos[static_cast<size_t>(self.as<LoopObj>().index0) % args.pos.size()];
}

Value loop_changed(Interp& in, const Value& self, Args& args) {
  LoopObj& loop = self.as<LoopObj>();
  const Value now = in.tuple(args.pos);
  const bool changed = loop.last_changed.is_missing() || !equal(in, loop.last_changed, now);
  if (changed) loop.last_changed = now;
  return Value::boolean(changed);
}

constexpr Method kLoopMethods[] = {{"cycle", loop_cycle}, {"changed", loop_changed}};

}  // namespace

Value Interp::loop_attribute(const Value& v, std::string_view name) {
  LoopObj& loop = v.as<LoopObj>();
  const int64_t i = loop.index0;
  if (name == "index") return Value::integer(i + 1);
  if (name == "index0") return Value::integer(i);
  if (name == "first") return Value::boolean(i == 0);
  if (name == "last") return Value::boolean(!peek_next(*this, loop));
  if (name == "length") return Value::integer(loop_length(*this, loop));
  if (name == "revindex") return Value::integer(loop_length(*this, loop) - i);
  if (name == "revindex0") return Value::integer(loop_length(*this, loop) - i - 1);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "previtem") return loop.before.is_missing() ? undefined("there is no previous item") : loop.before;
  if (name == "nextitem") return peek_next(*this, loop) ? loop.after : undefined("there is no next item");
  for (const Method& m : kLoopMethods) {
    if (name == m.name) return make(Kind::kMethod, std::make_shared<MethodObj>(v, &m), 0);
  }
  return Value();
}

Value Interp::call_filter(std::string_view name, const Value& subject, Args& args) {
  const FilterEntry* f = find_filter(name);
  if (f == nullptr) fault("no filter named '", printable(name, 40), "'");
  step();
  return f->run(*this, subject, args);
}

bool Interp::call_test(std::string_view name, const Value& subject, Args& args) {
  const TestEntry* t = find_test(name);
  if (t == nullptr) fault("no test named '", printable(name, 40), "'");
  step();
  return t->run(*this, subject, args);
}

}  // namespace mainspring::jinja
