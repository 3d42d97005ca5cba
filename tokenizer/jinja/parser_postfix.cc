// What follows an operand: members, subscripts, calls, filters and tests.
#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/parser.h"

namespace kedge::tokenizer::jinja {

Result<ExprPtr> Parser::postfix(ExprPtr e) {
  while (true) {
    if (is_op(".")) {
      KEDGE_ASSIGN(parsed, attribute(std::move(e)));
      e = std::move(parsed);
    } else if (is_op("[")) {
      KEDGE_ASSIGN(parsed, subscript(std::move(e)));
      e = std::move(parsed);
    } else if (is_op("(")) {
      auto call = make(ExprKind::kCall, peek().pos);
      call->args.push_back(std::move(e));
      KEDGE_TRY(call_arguments(call.get()));
      KEDGE_ASSIGN(finished, finish(std::move(call)));
      e = std::move(finished);
    } else {
      return e;
    }
  }
}

Result<ExprPtr> Parser::filters(ExprPtr e) {
  while (true) {
    if (take_op("|")) {
      KEDGE_ASSIGN(parsed, filter(std::move(e)));
      e = std::move(parsed);
    } else if (take_name("is")) {
      KEDGE_ASSIGN(parsed, test(std::move(e)));
      e = std::move(parsed);
    } else if (is_op("(")) {
      KEDGE_ASSIGN(parsed, postfix(std::move(e)));
      e = std::move(parsed);
    } else {
      return e;
    }
  }
}

Result<ExprPtr> Parser::filter(ExprPtr subject) {
  const Position pos = peek().pos;
  KEDGE_ASSIGN(name, expect_name("a filter's name"));
  auto e = make(ExprKind::kFilter, pos, name);
  e->builtin = find_filter(name);
  e->args.push_back(std::move(subject));
  if (is_op("(")) KEDGE_TRY(call_arguments(e.get()));
  return finish(std::move(e));
}

Result<ExprPtr> Parser::test(ExprPtr subject) {
  const bool negated = take_name("not");
  const Position pos = peek().pos;
  KEDGE_ASSIGN(name, expect_name("a test's name"));
  auto e = make(ExprKind::kTest, pos, name);
  e->negated = negated;
  e->builtin = find_test(name);
  e->args.push_back(std::move(subject));
  const Token& t = peek();
  static constexpr std::string_view kNoArgument[] = {"else", "or", "and", "if", "in", "not", "is", "recursive"};
  const bool word = t.kind == TokenKind::kName &&
                    std::find(std::begin(kNoArgument), std::end(kNoArgument), t.text) == std::end(kNoArgument);
  if (is_op("(")) {
    KEDGE_TRY(call_arguments(e.get()));
  } else if (word || t.kind == TokenKind::kString || t.kind == TokenKind::kInteger || t.kind == TokenKind::kFloat ||
             is_op("[") || is_op("{")) {
    KEDGE_ASSIGN(first, primary());
    KEDGE_ASSIGN(argument, postfix(std::move(first)));
    e->args.push_back(std::move(argument));
  }
  return finish(std::move(e));
}

Result<ExprPtr> Parser::attribute(ExprPtr object) {
  next();
  const Position pos = peek().pos;
  if (peek().kind == TokenKind::kInteger) {
    KEDGE_ASSIGN(index, number());
    return binary(ExprKind::kItem, Op::kAdd, pos, std::move(object), std::move(index));
  }
  KEDGE_ASSIGN(name, expect_name("an attribute's name"));
  auto e = make(ExprKind::kAttr, pos, std::move(name));
  e->args.push_back(std::move(object));
  return finish(std::move(e));
}

Result<ExprPtr> Parser::subscript(ExprPtr object) {
  const Position pos = next().pos;
  auto slice = make(ExprKind::kSlice, pos);
  slice->args.push_back(std::move(object));
  for (int part = 0; part < 3; ++part) {
    ExprPtr bound;
    if (!is_op(":") && !is_op("]")) {
      KEDGE_ASSIGN(e, expression());
      bound = std::move(e);
    }
    slice->args.push_back(std::move(bound));
    if (part == 0 && is_op(","))
      return syntax_error(peek().pos, "subscripts with several indices are not supported", ErrorCode::kUnsupported);
    if (part == 2 || !take_op(":")) break;
    if (part == 0) slice->negated = true;  // a colon was seen: a slice, not an index
  }
  KEDGE_TRY(expect_op("]"));
  if (slice->negated) {
    slice->args.resize(4);
    return finish(std::move(slice));
  }
  if (!slice->args[1]) return syntax_error(pos, "the subscript is empty");
  slice->kind = ExprKind::kItem;
  return finish(std::move(slice));
}

Status Parser::call_arguments(Expr* call) {
  KEDGE_TRY(expect_op("("));
  for (bool first = true; !is_op(")"); first = false) {
    if (!first) KEDGE_TRY(expect_op(","));
    if (is_op(")")) break;
    if (is_op("*") || is_op("**"))
      return syntax_error(peek().pos, "'" + peek().text + "' arguments are not supported", ErrorCode::kUnsupported);
    if (peek().kind == TokenKind::kName && peek(1).kind == TokenKind::kOperator && peek(1).text == "=") {
      std::string name = next().text;
      next();
      KEDGE_ASSIGN(value, expression());
      call->named.emplace_back(std::move(name), std::move(value));
      continue;
    }
    if (!call->named.empty()) return syntax_error(peek().pos, "a positional argument follows a named one");
    KEDGE_ASSIGN(value, expression());
    call->args.push_back(std::move(value));
  }
  next();
  return {};
}

}  // namespace kedge::tokenizer::jinja
