// Tokens to AST. Recursive descent; nesting is bounded by Limits::max_depth.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/limits.h"

namespace kedge::tokenizer::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, const Limits& limits) : tokens_(std::move(tokens)), limits_(limits) {}
  Result<Body> parse();

 private:
  using Names = std::initializer_list<std::string_view>;

  // statements (parser.cc)
  Result<Body> body_until(Names ends, std::string_view opener, Position opened);
  Status body_part(Body* out);
  Result<std::unique_ptr<Stmt>> statement();
  Result<std::unique_ptr<Stmt>> if_statement(Position pos);
  Result<std::unique_ptr<Stmt>> for_statement(Position pos);
  Result<std::unique_ptr<Stmt>> set_statement(Position pos);
  Result<std::unique_ptr<Stmt>> macro_statement(Position pos);
  Result<std::unique_ptr<Stmt>> call_statement(Position pos);
  Result<std::unique_ptr<Stmt>> filter_statement(Position pos);
  Result<std::unique_ptr<Stmt>> with_statement(Position pos);
  Status generation(Body* out);
  Result<std::vector<Parameter>> parameters();
  Result<Body> macro_body(Stmt* macro, std::string_view end, std::string_view opener);
  Result<ExprPtr> target(bool namespaces);
  Result<ExprPtr> target_item(bool namespaces);
  Status end_block();

  // expressions (parser_expr.cc), loosest binding first
  Result<ExprPtr> expression();
  Result<ExprPtr> no_condition() { return or_expr(); }
  Result<ExprPtr> tuple(bool with_condition, Names ends);
  Result<ExprPtr> or_expr();
  Result<ExprPtr> and_expr();
  Result<ExprPtr> not_expr();
  Result<ExprPtr> compare();
  Result<ExprPtr> sum();
  Result<ExprPtr> concat();
  Result<ExprPtr> product();
  Result<ExprPtr> power();
  Result<ExprPtr> unary(bool with_filter);
  Result<ExprPtr> primary();
  Result<ExprPtr> name_or_constant();
  Result<ExprPtr> number();
  Result<ExprPtr> parenthesized();
  Result<ExprPtr> list_literal();
  Result<ExprPtr> dict_literal();
  void note_name(const std::string& name);

  // what follows an operand (parser_postfix.cc)
  Result<ExprPtr> postfix(ExprPtr e);
  Result<ExprPtr> filters(ExprPtr e);
  Result<ExprPtr> filter(ExprPtr subject);
  Result<ExprPtr> test(ExprPtr subject);
  Result<ExprPtr> attribute(ExprPtr object);
  Result<ExprPtr> subscript(ExprPtr object);
  Status call_arguments(Expr* call);

  // nodes: depth is checked where a node is made, so that no chain can outgrow it either
  ExprPtr make(ExprKind kind, Position pos, std::string name = {}) const;
  Result<ExprPtr> finish(ExprPtr e) const;
  Result<ExprPtr> binary(ExprKind kind, Op op, Position pos, ExprPtr left, ExprPtr right) const;

  // tokens
  const Token& peek(size_t ahead = 0) const {
    return tokens_[at_ + ahead < tokens_.size() ? at_ + ahead : tokens_.size() - 1];
  }
  const Token& next() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_.back(); }
  bool is_op(std::string_view op) const { return peek().kind == TokenKind::kOperator && peek().text == op; }
  bool is_name(std::string_view name) const { return peek().kind == TokenKind::kName && peek().text == name; }
  bool take_op(std::string_view op);
  bool take_name(std::string_view name);
  Status expect_op(std::string_view op);
  Result<std::string> expect_name(std::string_view what);
  Error unexpected(std::string_view wanted) const;
  Error too_deep(Position pos) const;

  // Counts nesting for as long as it lives.
  class Nested {
   public:
    explicit Nested(Parser* p) : p_(p) { ++p_->nesting_; }
    ~Nested() { --p_->nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    bool too_deep() const { return p_->nesting_ > p_->limits_.max_depth; }

   private:
    Parser* p_;
  };

  std::vector<Token> tokens_;
  Limits limits_;
  size_t at_ = 0;
  size_t nesting_ = 0;
  std::vector<Stmt*> loops_;   // enclosing; null where a macro begins (a loop outside it cannot be left from inside)
  std::vector<Stmt*> macros_;  // enclosing macros and call blocks
};

}  // namespace kedge::tokenizer::jinja
