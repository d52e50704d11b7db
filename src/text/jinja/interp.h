// Runs a parsed template: budgets, scopes, statements and expressions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace mainspring::jinja {

// Variables of one block of the template. A scope is cleared when its block ends, which also breaks the cycles that a
// macro stored in the scope it closes over would make.
struct Scope {
  explicit Scope(std::shared_ptr<Scope> p) : parent(std::move(p)) {}
  Value* find(int symbol) noexcept;
  void set(int symbol, Value value);
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<int, Value>> vars;
};

struct MacroObj : Object {
  const MacroNode* node = nullptr;
  std::shared_ptr<Scope> closure;
};

struct LoopObj : Object {
  Value iterable;
  Next next;
  int64_t index0 = -1;
  int64_t depth0 = 0;
  Value after, current, before, last_changed;  // kMissing when there is none
  std::optional<size_t> length;
  const ForNode* recursive = nullptr;  // set for loops marked `recursive`
  std::shared_ptr<Scope> closure;      // scope the loop statement stands in
};

class Interp {
 public:
  Interp(const Program& program, const TemplateLimits& limits, int64_t now);
  ~Interp();
  std::string run(const Json& variables);

  // Budgets. Long operations on text count one step per KiB copied or 32 bytes decoded, on
  // sequences one per 16 items.
  void step(size_t n = 1) {
    steps_ += n;
    if (steps_ > limits_.max_steps) out_of_steps();
  }
  void work(size_t bytes) { step(bytes >> 10); }   // copying and searching
  void scan(size_t bytes) { step(bytes >> 5); }    // work on single characters
  void require_memory(size_t bytes) const { meter_.require(bytes); }
  int64_t now() const noexcept { return now_; }

  // Makers of values, all metered.
  Value str(std::string text, bool markup = false);
  Value list(std::vector<Value> items);
  Value tuple(std::vector<Value> items, bool group = false);
  Value pair(Value a, Value b);
  Value dict(std::shared_ptr<DictObj> d);
  Value undefined(std::string message);
  Value generator(const char* type, Next next);
  template <class T>
  Value make(Kind kind, std::shared_ptr<T> object, size_t bytes) {
    attach(*object, bytes + sizeof(T));
    return Value(kind, std::move(object));
  }
  Value make_namespace(std::shared_ptr<NamespaceObj> object);
  Value from_json(const Json& json);

  Value call(const Value& callee, Args& args);
  Value call_filter(std::string_view name, const Value& subject, Args& args);
  bool call_test(std::string_view name, const Value& subject, Args& args);
  Value loop_attribute(const Value& loop, std::string_view name);
  bool loop_advance(LoopObj& loop, Value& out);

  // Counts nesting of evaluation (C++ stack) and of calls; both are bounded.
  class Nested {
   public:
    Nested(Interp& in, size_t weight);
    ~Nested() { in_.depth_ -= weight_; }

   private:
    Interp& in_;
    size_t weight_;
  };

 private:
  enum class Flow : uint8_t { kNormal, kBreak, kContinue };
  friend class Nested;

  [[noreturn]] void out_of_steps() const;
  void attach(Object& object, size_t bytes);

  Flow run_block(const std::vector<StmtPtr>& body);
  Flow run_statement(const Stmt& s);
  void run_output(const OutputNode& s);
  Flow run_if(const IfNode& s);
  Flow run_for(const ForNode& s);
  void run_set(const SetNode& s);
  Flow run_set_block(const SetBlockNode& s);
  void run_call_block(const CallBlockNode& s);
  Flow run_filter_block(const FilterBlockNode& s);
  Value filtered(Value v, const std::vector<Postfix>& filters);
  Flow run_with(const WithNode& s);
  void emit(std::string_view text);
  std::string take_output(size_t from);
  void assign(const Expr& target, const Value& value);
  Flow run_loop(const ForNode& s, const Value& iterable, int64_t depth0);
  Value make_loop(const ForNode& s, const Value& iterable, Next next, int64_t depth0);
  Value make_macro(const MacroNode& m);
  Next loop_source(const ForNode& s, const Value& iterable);

  Value eval(const Expr& e);
  Value eval_nested(const Expr& e);
  Value eval_name(const Expr& e);
  Value eval_arithmetic(const Expr& e);
  Value eval_compare(const Expr& e);
  Value eval_logic(const Expr& e);
  Value eval_container(const Expr& e);
  Value eval_concat(const Expr& e);
  Value eval_postfix(const Expr& e);
  Value apply_postfix(const Postfix& p, const Value& base);
  Args eval_args(const CallSyntax& c);
  Value eval_chain(const Expr& e, size_t count);
  Value call_macro(const MacroObj& macro, Args& args);
  Value call_loop(const LoopObj& loop, Args& args);
  void bind_macro(const MacroNode& m, Args& args);
  Value lookup(int symbol);
  Value lookup_global(int symbol);

  class ScopeGuard;
  const Program& program_;
  const TemplateLimits& limits_;
  int64_t now_;
  Meter meter_;
  size_t steps_ = 0;
  size_t depth_ = 0;
  size_t calls_ = 0;
  int line_ = 0;
  std::string out_;
  const Json* variables_ = nullptr;
  std::vector<Value> globals_;  // by symbol; kMissing until first used
  std::vector<bool> resolved_;  // by symbol
  std::shared_ptr<Scope> scope_;
  std::vector<std::shared_ptr<NamespaceObj>> namespaces_;  // emptied at the end: a namespace may hold itself
};

}  // namespace mainspring::jinja
