// Expressions, in Jinja's order of binding: condition, or, and, not, comparison, + -, ~, * / // %, **, unary, postfix
// and filters.
#include <algorithm>
#include <charconv>
#include <optional>

#include "tokenizer/jinja/parser.h"

namespace kedge::tokenizer::jinja {

ExprPtr Parser::make(ExprKind kind, Position pos, std::string name) const {
  auto e = std::make_unique<Expr>();
  e->kind = kind;
  e->pos = pos;
  if (kind == ExprKind::kName) e->value = Value::undefined("'" + name + "' is undefined");
  if (kind == ExprKind::kAttr) e->value = Value::undefined("there is no attribute '" + name + "'");
  e->name = std::move(name);
  return e;
}

Result<ExprPtr> Parser::finish(ExprPtr e) const {
  for (const auto& a : e->args) {
    if (a) e->depth = std::max(e->depth, a->depth + 1);
  }
  for (const auto& [name, a] : e->named) e->depth = std::max(e->depth, a->depth + 1);
  if (e->depth > static_cast<int>(limits_.max_depth)) return too_deep(e->pos);
  return e;
}

Result<ExprPtr> Parser::binary(ExprKind kind, Op op, Position pos, ExprPtr left, ExprPtr right) const {
  auto e = make(kind, pos);
  e->op = op;
  e->args.push_back(std::move(left));
  e->args.push_back(std::move(right));
  return finish(std::move(e));
}

Result<ExprPtr> Parser::expression() {
  const Nested nested(this);
  if (nested.too_deep()) return too_deep(peek().pos);
  KEDGE_ASSIGN(value, or_expr());
  while (is_name("if")) {
    auto e = make(ExprKind::kCond, next().pos);
    KEDGE_ASSIGN(condition, or_expr());
    ExprPtr otherwise;
    if (take_name("else")) {
      KEDGE_ASSIGN(parsed, expression());
      otherwise = std::move(parsed);
    }
    e->args.push_back(std::move(condition));
    e->args.push_back(std::move(value));
    e->args.push_back(std::move(otherwise));
    KEDGE_ASSIGN(finished, finish(std::move(e)));
    value = std::move(finished);
  }
  return value;
}

// One expression, or a tuple without parentheses.
Result<ExprPtr> Parser::tuple(bool with_condition, Names ends) {
  const Position pos = peek().pos;
  KEDGE_ASSIGN(first, with_condition ? expression() : no_condition());
  if (!is_op(",")) return first;
  auto all = make(ExprKind::kTuple, pos);
  all->args.push_back(std::move(first));
  while (take_op(",")) {
    const TokenKind k = peek().kind;
    const bool named_end = k == TokenKind::kName && std::find(ends.begin(), ends.end(), peek().text) != ends.end();
    if (k == TokenKind::kBlockEnd || k == TokenKind::kOutputEnd || is_op(")") || named_end) break;
    KEDGE_ASSIGN(item, with_condition ? expression() : no_condition());
    all->args.push_back(std::move(item));
  }
  return finish(std::move(all));
}

Result<ExprPtr> Parser::or_expr() {
  KEDGE_ASSIGN(left, and_expr());
  while (is_name("or")) {
    const Position pos = next().pos;
    KEDGE_ASSIGN(right, and_expr());
    KEDGE_ASSIGN(e, binary(ExprKind::kOr, Op::kAdd, pos, std::move(left), std::move(right)));
    left = std::move(e);
  }
  return left;
}

Result<ExprPtr> Parser::and_expr() {
  KEDGE_ASSIGN(left, not_expr());
  while (is_name("and")) {
    const Position pos = next().pos;
    KEDGE_ASSIGN(right, not_expr());
    KEDGE_ASSIGN(e, binary(ExprKind::kAnd, Op::kAdd, pos, std::move(left), std::move(right)));
    left = std::move(e);
  }
  return left;
}

Result<ExprPtr> Parser::not_expr() {
  if (!is_name("not")) return compare();
  const Nested nested(this);
  if (nested.too_deep()) return too_deep(peek().pos);
  auto e = make(ExprKind::kNot, next().pos);
  KEDGE_ASSIGN(operand, not_expr());
  e->args.push_back(std::move(operand));
  return finish(std::move(e));
}

Result<ExprPtr> Parser::compare() {
  KEDGE_ASSIGN(first, sum());
  auto e = make(ExprKind::kCompare, peek().pos);
  while (true) {
    static constexpr std::pair<std::string_view, Op> kOps[] = {{"==", Op::kEq}, {"!=", Op::kNe}, {"<", Op::kLt},
                                                               {"<=", Op::kLe}, {">", Op::kGt},  {">=", Op::kGe}};
    const auto found =
        std::find_if(std::begin(kOps), std::end(kOps), [this](const auto& op) { return is_op(op.first); });
    if (found != std::end(kOps)) {
      next();
      e->ops.push_back(found->second);
    } else if (take_name("in")) {
      e->ops.push_back(Op::kIn);
    } else if (is_name("not") && peek(1).kind == TokenKind::kName && peek(1).text == "in") {
      next();
      next();
      e->ops.push_back(Op::kNotIn);
    } else {
      break;
    }
    if (e->args.empty()) e->args.push_back(std::move(first));
    KEDGE_ASSIGN(operand, sum());
    e->args.push_back(std::move(operand));
  }
  if (e->ops.empty()) return first;
  return finish(std::move(e));
}

Result<ExprPtr> Parser::sum() {
  KEDGE_ASSIGN(left, concat());
  while (is_op("+") || is_op("-")) {
    const Op op = is_op("+") ? Op::kAdd : Op::kSub;
    const Position pos = next().pos;
    KEDGE_ASSIGN(right, concat());
    KEDGE_ASSIGN(e, binary(ExprKind::kBinary, op, pos, std::move(left), std::move(right)));
    left = std::move(e);
  }
  return left;
}

Result<ExprPtr> Parser::concat() {
  KEDGE_ASSIGN(first, product());
  if (!is_op("~")) return first;
  auto e = make(ExprKind::kConcat, peek().pos);
  e->args.push_back(std::move(first));
  while (take_op("~")) {
    KEDGE_ASSIGN(operand, product());
    e->args.push_back(std::move(operand));
  }
  return finish(std::move(e));
}

Result<ExprPtr> Parser::product() {
  KEDGE_ASSIGN(left, power());
  while (true) {
    std::optional<Op> op;
    if (is_op("*")) op = Op::kMul;
    if (is_op("/")) op = Op::kDiv;
    if (is_op("//")) op = Op::kFloorDiv;
    if (is_op("%")) op = Op::kMod;
    if (!op) return left;
    const Position pos = next().pos;
    KEDGE_ASSIGN(right, power());
    KEDGE_ASSIGN(e, binary(ExprKind::kBinary, *op, pos, std::move(left), std::move(right)));
    left = std::move(e);
  }
}

Result<ExprPtr> Parser::power() {
  KEDGE_ASSIGN(left, unary(true));
  while (is_op("**")) {
    const Position pos = next().pos;
    KEDGE_ASSIGN(right, unary(true));
    KEDGE_ASSIGN(e, binary(ExprKind::kBinary, Op::kPow, pos, std::move(left), std::move(right)));
    left = std::move(e);
  }
  return left;
}

Result<ExprPtr> Parser::unary(bool with_filter) {
  const Nested nested(this);
  if (nested.too_deep()) return too_deep(peek().pos);
  ExprPtr e;
  if (is_op("-") || is_op("+")) {
    e = make(is_op("-") ? ExprKind::kNegate : ExprKind::kPlus, peek().pos);
    next();
    KEDGE_ASSIGN(operand, unary(false));
    e->args.push_back(std::move(operand));
    KEDGE_ASSIGN(finished, finish(std::move(e)));
    e = std::move(finished);
  } else {
    KEDGE_ASSIGN(operand, primary());
    e = std::move(operand);
  }
  KEDGE_ASSIGN(result, postfix(std::move(e)));
  if (!with_filter) return result;
  return filters(std::move(result));
}

Result<ExprPtr> Parser::primary() {
  const Token& t = peek();
  switch (t.kind) {
    case TokenKind::kName:
      return name_or_constant();
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return number();
    case TokenKind::kString: {
      auto e = make(ExprKind::kConst, t.pos);
      std::string text;  // adjacent strings are one
      while (peek().kind == TokenKind::kString) text += next().text;
      e->value = Value::literal(text);
      return e;
    }
    default:
      if (is_op("(")) return parenthesized();
      if (is_op("[")) return list_literal();
      if (is_op("{")) return dict_literal();
      return unexpected("an expression");
  }
}

// A loop that names `loop` needs its filter to run ahead; a macro that names `caller` may be given one.
void Parser::note_name(const std::string& name) {
  if (name == "loop" && !loops_.empty() && loops_.back() != nullptr) loops_.back()->uses_loop = true;
  if (macros_.empty()) return;
  if (name == "caller") macros_.back()->uses_caller = true;
  if (name == "varargs") macros_.back()->uses_varargs = true;
  if (name == "kwargs") macros_.back()->uses_kwargs = true;
}

Result<ExprPtr> Parser::name_or_constant() {
  const Token& t = next();
  const auto constant = [&](Value v) {
    auto e = make(ExprKind::kConst, t.pos);
    e->value = std::move(v);
    return e;
  };
  if (t.text == "true" || t.text == "True") return constant(Value::boolean(true));
  if (t.text == "false" || t.text == "False") return constant(Value::boolean(false));
  if (t.text == "none" || t.text == "None") return constant(Value::none());
  static constexpr std::string_view kReserved[] = {"if", "else", "elif", "and", "or", "in", "is", "not"};
  if (std::find(std::begin(kReserved), std::end(kReserved), t.text) != std::end(kReserved)) {
    return syntax_error(t.pos, "expected an expression, found '" + t.text + "'");
  }
  note_name(t.text);
  return make(ExprKind::kName, t.pos, t.text);
}

Result<ExprPtr> Parser::number() {
  const Token& t = next();
  auto e = make(ExprKind::kConst, t.pos);
  const char* end = t.text.data() + t.text.size();
  if (t.kind == TokenKind::kInteger) {
    int64_t i = 0;
    const auto r = std::from_chars(t.text.data(), end, i);
    if (r.ec != std::errc() || r.ptr != end)
      return syntax_error(t.pos, "the integer " + t.text + " does not fit 64 bits", ErrorCode::kUnsupported);
    e->value = Value::integer(i);
  } else {
    double d = 0;
    const auto r = std::from_chars(t.text.data(), end, d);
    if (r.ec != std::errc() || r.ptr != end)
      return syntax_error(t.pos, "the number " + t.text + " is out of range", ErrorCode::kUnsupported);
    e->value = Value::number(d);
  }
  return e;
}

Result<ExprPtr> Parser::parenthesized() {
  const Position pos = next().pos;
  if (take_op(")")) return make(ExprKind::kTuple, pos);
  KEDGE_ASSIGN(inner, tuple(true, {}));
  KEDGE_TRY(expect_op(")"));
  return inner;
}

Result<ExprPtr> Parser::list_literal() {
  auto e = make(ExprKind::kList, next().pos);
  while (!is_op("]")) {
    if (!e->args.empty()) KEDGE_TRY(expect_op(","));
    if (is_op("]")) break;
    KEDGE_ASSIGN(item, expression());
    e->args.push_back(std::move(item));
  }
  next();
  return finish(std::move(e));
}

Result<ExprPtr> Parser::dict_literal() {
  auto e = make(ExprKind::kDict, next().pos);
  while (!is_op("}")) {
    if (!e->args.empty()) KEDGE_TRY(expect_op(","));
    if (is_op("}")) break;
    KEDGE_ASSIGN(key, expression());
    KEDGE_TRY(expect_op(":"));
    KEDGE_ASSIGN(value, expression());
    e->args.push_back(std::move(key));
    e->args.push_back(std::move(value));
  }
  next();
  return finish(std::move(e));
}

}  // namespace kedge::tokenizer::jinja
