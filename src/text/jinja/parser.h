// Recursive-descent parser of the template language (grammar of Jinja2 3.1).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace mainspring::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens);
  Program parse();

 private:
  // Where a name is used decides whether a macro takes caller, kwargs and varargs and a loop needs `loop`.
  struct NameUse {
    bool macro = false;  // else a loop
    bool loop = false, caller = false, kwargs = false, varargs = false;
    bool caller_set = false, kwargs_set = false, varargs_set = false;
  };
  using Ends = std::vector<std::string_view>;

  [[noreturn]] void fail(std::string_view what) const { fail_at(peek().line, what); }
  [[noreturn]] static void fail_at(int line, std::string_view what) { fault("line ", line, ": ", what); }
  const Token& peek(size_t ahead = 0) const;
  Token take();
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  std::string expect_identifier();
  void expect_block_end();
  std::string describe(const Token& t) const;
  int symbol(std::string_view name);

  // statements (parser_statements.cpp)
  Body parse_body(const Ends& ends);
  OutputNode& output_of(Body& body, int line);
  StmtPtr parse_statement();
  StmtPtr parse_tag(const std::string& tag, int line);
  Body parse_until(const Ends& ends);
  Body parse_to_end(std::string_view end);
  StmtPtr parse_if(int line);
  StmtPtr parse_for(int line);
  StmtPtr parse_set(int line);
  StmtPtr parse_macro(int line);
  StmtPtr parse_call_block(int line);
  StmtPtr parse_generation(int line);
  StmtPtr parse_filter_block(int line);
  StmtPtr parse_with(int line);
  StmtPtr parse_block(int line);
  StmtPtr parse_autoescape(int line);
  StmtPtr parse_print(int line);
  StmtPtr parse_loop_control(int line, bool is_break);
  void parse_signature(MacroNode& m);
  void parse_macro_body(MacroNode& m, std::string_view end);

  // expressions (parser_expressions.cpp)
  ExprPtr parse_expression(bool with_condition = true);
  ExprPtr parse_condition();
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filters = true);
  ExprPtr parse_primary(bool with_namespace = false);
  ExprPtr parse_name(bool with_namespace);
  ExprPtr parse_tuple(bool simple, bool with_condition, std::string_view extra_end, bool parenthesised,
                      bool with_namespace = false);
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_target(bool with_namespace, std::string_view extra_end);
  void mark_stored(const Expr& target);
  void note_targets(const Expr& target);
  ExprPtr parse_postfix(ExprPtr base, bool with_filters);
  void parse_subscript(Postfix& p);
  ExprPtr parse_index_part();
  void parse_call_args(CallSyntax& call);
  void parse_call_argument(CallSyntax& call, int line);
  Postfix parse_filter();
  void parse_test(std::vector<Postfix>& chain);
  ExprPtr make(ExprKind kind, int line);
  ExprPtr finish(ExprPtr e) const;
  using Level = ExprPtr (Parser::*)();
  ExprPtr parse_arithmetic(Level next, std::initializer_list<std::pair<std::string_view, uint8_t>> ops);
  void note_load(std::string_view name);
  void note_store(std::string_view name);
  void note_root(std::string_view name, bool store);
  void check_names();
  void note_unknown(int line, std::string_view what, std::string_view name);
  struct InnerFrame;

  class Deeper;
  std::vector<Token> tokens_;
  size_t pos_ = 0;
  int depth_ = 0;       // nesting of syntax
  int soft_ = 0;        // inside if: unknown filters fail only when they run
  int for_depth_ = 0;   // enclosing for statements, for the rule about assigning to `loop`
  int frame_depth_ = 0;  // 0: the template's own frame, which Jinja2 analyses as a whole before the inner ones
  std::vector<bool> root_seen_;  // by symbol
  int loop_depth_ = 0;  // enclosing loops of this macro, for break and continue
  Program program_;
  std::map<std::string, int, std::less<>> symbols_;
  std::vector<NameUse> uses_;
  std::vector<std::string> open_tags_;
  std::vector<std::pair<int, std::string>> unknown_;  // filters and tests without a definition, not yet judged
};

}  // namespace mainspring::jinja
