// Syntax tree of a template. It is immutable after parsing and shared by concurrent renders.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/jinja/value.h"

namespace mainspring::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;
struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
struct FilterEntry;
struct TestEntry;

struct CallSyntax {
  std::vector<ExprPtr> pos;
  std::vector<std::pair<std::string, ExprPtr>> kw;
  ExprPtr star, double_star;
};

// One step of a chain a.b[c](d)|f is t; chains are flat so that long ones do not nest.
struct Postfix {
  enum class Kind : uint8_t { kAttribute, kItem, kSlice, kCall, kFilter, kTest, kNot };
  Kind kind = Kind::kAttribute;
  int line = 0;
  std::string name;              // attribute, filter or test
  std::vector<ExprPtr> index;    // kItem: 1; kSlice: start, stop, step (null when absent)
  CallSyntax call;               // kCall, kFilter, kTest
  const FilterEntry* filter = nullptr;  // null for a name that does not exist (an error only when it runs)
  const TestEntry* test = nullptr;
};

enum class ExprKind : uint8_t {
  kConst,
  kName,
  kAttributeTarget,  // ns.attribute as an assignment target
  kList,
  kTuple,
  kDict,        // key, value, key, value ...
  kArithmetic,  // kids[0] ops[0] kids[1] ops[1] ... from the left
  kCompare,
  kConcat,
  kAnd,
  kOr,
  kNot,
  kNegative,
  kPositive,
  kCondition,  // then, test, [else]
  kPostfix,
};

enum class CompareOp : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Expr {
  Expr(ExprKind k, int l) : kind(k), line(l) {}
  ExprKind kind;
  int line;
  int height = 1;
  int symbol = -1;            // kName, kAttributeTarget
  Value constant;             // kConst
  std::string name;           // kName; attribute of kAttributeTarget
  std::vector<ExprPtr> kids;
  std::vector<uint8_t> ops;   // BinaryOp or CompareOp
  std::vector<Postfix> chain;
};

enum class StmtKind : uint8_t {
  kOutput,
  kIf,
  kFor,
  kSet,
  kSetBlock,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kWith,
  kBreak,
  kContinue,
};

struct Stmt {
  Stmt(StmtKind k, int l) : kind(k), line(l) {}
  virtual ~Stmt() = default;
  StmtKind kind;
  int line;
};
using Body = std::vector<StmtPtr>;

struct OutputNode : Stmt {
  explicit OutputNode(int l) : Stmt(StmtKind::kOutput, l) {}
  struct Part {
    std::string text;
    ExprPtr expr;  // null for plain text
  };
  std::vector<Part> parts;
};

struct IfNode : Stmt {
  explicit IfNode(int l) : Stmt(StmtKind::kIf, l) {}
  struct Branch {
    ExprPtr test;
    Body body;
  };
  std::vector<Branch> branches;
  Body otherwise;
};

struct ForNode : Stmt {
  explicit ForNode(int l) : Stmt(StmtKind::kFor, l) {}
  ExprPtr target, iterable, test;
  bool recursive = false;
  bool uses_loop = false;  // the body mentions `loop`
  Body body, otherwise;
};

struct SetNode : Stmt {
  explicit SetNode(int l) : Stmt(StmtKind::kSet, l) {}
  ExprPtr target, value;
};

struct SetBlockNode : Stmt {
  explicit SetBlockNode(int l) : Stmt(StmtKind::kSetBlock, l) {}
  ExprPtr target;
  std::vector<Postfix> filters;
  Body body;
};

struct MacroNode : Stmt {
  explicit MacroNode(int l) : Stmt(StmtKind::kMacro, l) {}
  std::string name;  // empty for call blocks
  int symbol = -1;
  struct Param {
    std::string name;
    int symbol;
    ExprPtr fallback;  // null when the parameter has no default
  };
  std::vector<Param> params;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
  Body body;
};

// {% call %}, and {% generation %} which has no call and prints its body.
struct CallBlockNode : Stmt {
  explicit CallBlockNode(int l) : Stmt(StmtKind::kCallBlock, l) {}
  ExprPtr call;
  MacroNode caller{0};
};

struct FilterBlockNode : Stmt {
  explicit FilterBlockNode(int l) : Stmt(StmtKind::kFilterBlock, l) {}
  std::vector<Postfix> filters;
  Body body;
};

// {% with %}, {% block %} and {% autoescape false %}.
struct WithNode : Stmt {
  explicit WithNode(int l) : Stmt(StmtKind::kWith, l) {}
  std::vector<std::pair<ExprPtr, ExprPtr>> bindings;
  bool top_level_scope = false;  // a block sees the template's variables only
  Body body;
};

struct Program {
  Body body;
  std::vector<std::string> symbols;  // names, by symbol number
  // Names the template sets before it reads them at its top level: a variable of the caller with that name is never
  // seen, not even by a loop body that runs before the assignment.
  std::vector<bool> local;
  int loop = 0, caller = 0, kwargs = 0, varargs = 0;
};

// Parses and checks; throws Fault whose message names the line.
Program parse_template(std::string_view source);

}  // namespace mainspring::jinja
