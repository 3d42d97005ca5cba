#include "tokenizer/jinja/parser.h"

#include <algorithm>

namespace kedge::tokenizer::jinja {
namespace {

std::unique_ptr<Stmt> make_stmt(StmtKind kind, Position pos) {
  auto s = std::make_unique<Stmt>();
  s->kind = kind;
  s->pos = pos;
  return s;
}

std::string describe(const Token& t) {
  switch (t.kind) {
    case TokenKind::kText:
      return "text";
    case TokenKind::kBlockBegin:
      return "'{%'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kOutputBegin:
      return "'{{'";
    case TokenKind::kOutputEnd:
      return "'}}'";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kEnd:
      return "the end of the template";
    default:
      return "'" + t.text + "'";
  }
}

}  // namespace

bool Parser::take_op(std::string_view op) {
  if (!is_op(op)) return false;
  next();
  return true;
}

bool Parser::take_name(std::string_view name) {
  if (!is_name(name)) return false;
  next();
  return true;
}

Status Parser::expect_op(std::string_view op) {
  if (take_op(op)) return {};
  return unexpected("'" + std::string(op) + "'");
}

Result<std::string> Parser::expect_name(std::string_view what) {
  if (peek().kind != TokenKind::kName) return unexpected(what);
  return next().text;
}

Error Parser::unexpected(std::string_view wanted) const {
  return syntax_error(peek().pos, "expected " + std::string(wanted) + ", found " + describe(peek()));
}

Error Parser::too_deep(Position pos) const {
  return syntax_error(pos, "nested more than " + std::to_string(limits_.max_depth) + " deep (limit max_depth)",
                      ErrorCode::kCapacity);
}

Status Parser::end_block() {
  if (peek().kind != TokenKind::kBlockEnd) return unexpected("'%}'");
  next();
  return {};
}

Result<Body> Parser::parse() {
  Body body;
  while (peek().kind != TokenKind::kEnd) KEDGE_TRY(body_part(&body));
  return body;
}

// Reads up to the tag that starts with one of `ends` and stops at that name.
Result<Body> Parser::body_until(Names ends, std::string_view opener, Position opened) {
  const Nested nested(this);
  if (nested.too_deep()) return too_deep(opened);
  Body body;
  while (true) {
    if (peek().kind == TokenKind::kEnd) {
      return syntax_error(opened,
                          "'" + std::string(opener) + "' is not closed by '" + std::string(*(ends.end() - 1)) + "'");
    }
    if (peek().kind == TokenKind::kBlockBegin && peek(1).kind == TokenKind::kName &&
        std::find(ends.begin(), ends.end(), peek(1).text) != ends.end()) {
      next();
      return body;
    }
    KEDGE_TRY(body_part(&body));
  }
}

Status Parser::body_part(Body* out) {
  const Token& t = next();
  if (t.kind == TokenKind::kText) {
    out->push_back(make_stmt(StmtKind::kText, t.pos));
    out->back()->text = t.text;
    return {};
  }
  if (t.kind == TokenKind::kOutputBegin) {
    out->push_back(make_stmt(StmtKind::kOutput, t.pos));
    KEDGE_ASSIGN(e, tuple(true, {}));
    out->back()->expr = std::move(e);
    if (peek().kind != TokenKind::kOutputEnd) return unexpected("'}}'");
    next();
    return {};
  }
  if (is_name("generation")) return generation(out);
  KEDGE_ASSIGN(s, statement());
  out->push_back(std::move(s));
  return {};
}

// Hugging Face marks what a model wrote, for training; when rendering it is only its body.
Status Parser::generation(Body* out) {
  const Position pos = next().pos;
  KEDGE_TRY(end_block());
  KEDGE_ASSIGN(body, body_until({"endgeneration"}, "generation", pos));
  for (auto& s : body) out->push_back(std::move(s));
  next();
  return end_block();
}

Result<std::unique_ptr<Stmt>> Parser::statement() {
  const Position pos = peek().pos;
  KEDGE_ASSIGN(name, expect_name("the name of a tag"));
  if (name == "if") return if_statement(pos);
  if (name == "for") return for_statement(pos);
  if (name == "set") return set_statement(pos);
  if (name == "macro") return macro_statement(pos);
  if (name == "call") return call_statement(pos);
  if (name == "filter") return filter_statement(pos);
  if (name == "with") return with_statement(pos);
  if (name == "print") {
    auto s = make_stmt(StmtKind::kOutput, pos);
    auto all = make(ExprKind::kConcat, pos);
    do {
      KEDGE_ASSIGN(e, expression());
      all->args.push_back(std::move(e));
    } while (take_op(","));
    KEDGE_ASSIGN(joined, finish(std::move(all)));
    s->expr = std::move(joined);
    KEDGE_TRY(end_block());
    return s;
  }
  if (name == "break" || name == "continue") {
    if (loops_.empty() || loops_.back() == nullptr) return syntax_error(pos, "'" + name + "' outside a loop");
    KEDGE_TRY(end_block());
    return make_stmt(name == "break" ? StmtKind::kBreak : StmtKind::kContinue, pos);
  }
  static constexpr std::string_view kEnds[] = {"else",    "elif",      "endif",   "endfor", "endset",       "endmacro",
                                               "endcall", "endfilter", "endwith", "endraw", "endgeneration"};
  if (std::find(std::begin(kEnds), std::end(kEnds), name) != std::end(kEnds))
    return syntax_error(pos, "'" + name + "' closes nothing here");
  return syntax_error(pos, "the tag '" + name + "' is not supported", ErrorCode::kUnsupported);
}

Result<std::unique_ptr<Stmt>> Parser::if_statement(Position pos) {
  auto s = make_stmt(StmtKind::kIf, pos);
  while (true) {
    KEDGE_ASSIGN(condition, tuple(false, {}));
    KEDGE_TRY(end_block());
    KEDGE_ASSIGN(body, body_until({"elif", "else", "endif"}, "if", pos));
    s->branches.push_back({std::move(condition), std::move(body)});
    const std::string end = next().text;
    if (end == "elif") continue;
    if (end == "else") {
      KEDGE_TRY(end_block());
      KEDGE_ASSIGN(else_body, body_until({"endif"}, "if", pos));
      s->branches.push_back({nullptr, std::move(else_body)});
      next();
    }
    KEDGE_TRY(end_block());
    return s;
  }
}

Result<std::unique_ptr<Stmt>> Parser::for_statement(Position pos) {
  auto s = make_stmt(StmtKind::kFor, pos);
  KEDGE_ASSIGN(names, target(false));
  s->target = std::move(names);
  if (!take_name("in")) return unexpected("'in'");
  KEDGE_ASSIGN(iterated, tuple(false, {"recursive"}));
  s->expr = std::move(iterated);
  if (take_name("if")) {
    KEDGE_ASSIGN(condition, expression());
    s->condition = std::move(condition);
  }
  if (is_name("recursive"))
    return syntax_error(peek().pos, "'recursive' loops are not supported", ErrorCode::kUnsupported);
  KEDGE_TRY(end_block());
  loops_.push_back(s.get());
  auto body = body_until({"else", "endfor"}, "for", pos);
  loops_.pop_back();
  if (!body.ok()) return std::move(body).error();
  s->body = std::move(*body);
  if (next().text == "else") {
    KEDGE_TRY(end_block());
    KEDGE_ASSIGN(else_body, body_until({"endfor"}, "for", pos));
    s->else_body = std::move(else_body);
    next();
  }
  KEDGE_TRY(end_block());
  return s;
}

Result<std::unique_ptr<Stmt>> Parser::set_statement(Position pos) {
  auto s = make_stmt(StmtKind::kSet, pos);
  KEDGE_ASSIGN(names, target(true));
  s->target = std::move(names);
  if (take_op("=")) {
    KEDGE_ASSIGN(value, tuple(true, {}));
    s->expr = std::move(value);
    KEDGE_TRY(end_block());
    return s;
  }
  s->kind = StmtKind::kSetBlock;
  if (s->target->kind == ExprKind::kTuple) return unexpected("'='");
  if (is_op("|")) {
    KEDGE_ASSIGN(chain, filters(make(ExprKind::kBody, peek().pos)));
    s->expr = std::move(chain);
  }
  KEDGE_TRY(end_block());
  KEDGE_ASSIGN(body, body_until({"endset"}, "set", pos));
  s->body = std::move(body);
  next();
  KEDGE_TRY(end_block());
  return s;
}

Result<std::vector<Parameter>> Parser::parameters() {
  std::vector<Parameter> out;
  KEDGE_TRY(expect_op("("));
  while (!is_op(")")) {
    if (!out.empty()) KEDGE_TRY(expect_op(","));
    if (is_op(")")) break;
    Parameter p;
    KEDGE_ASSIGN(name, expect_name("a parameter's name"));
    p.name = std::move(name);
    if (take_op("=")) {
      KEDGE_ASSIGN(fallback, expression());
      p.fallback = std::move(fallback);
    } else if (!out.empty() && out.back().fallback) {
      return syntax_error(peek().pos, "a parameter without a default follows one with a default");
    }
    out.push_back(std::move(p));
  }
  next();
  return out;
}

Result<Body> Parser::macro_body(Stmt* macro, std::string_view end, std::string_view opener) {
  macros_.push_back(macro);
  loops_.push_back(nullptr);
  auto body = body_until({end}, opener, macro->pos);
  loops_.pop_back();
  macros_.pop_back();
  return body;
}

Result<std::unique_ptr<Stmt>> Parser::macro_statement(Position pos) {
  auto s = make_stmt(StmtKind::kMacro, pos);
  KEDGE_ASSIGN(name, expect_name("the macro's name"));
  s->name = std::move(name);
  KEDGE_ASSIGN(params, parameters());
  s->parameters = std::move(params);
  KEDGE_TRY(end_block());
  KEDGE_ASSIGN(body, macro_body(s.get(), "endmacro", "macro"));
  s->body = std::move(body);
  next();
  if (peek().kind == TokenKind::kName) next();  // {% endmacro name %}
  KEDGE_TRY(end_block());
  return s;
}

Result<std::unique_ptr<Stmt>> Parser::call_statement(Position pos) {
  auto s = make_stmt(StmtKind::kCallBlock, pos);
  s->name = "caller";
  if (is_op("(")) {
    KEDGE_ASSIGN(params, parameters());
    s->parameters = std::move(params);
  }
  KEDGE_ASSIGN(call, expression());
  if (call->kind != ExprKind::kCall) return syntax_error(call->pos, "'call' needs a call of a macro");
  s->expr = std::move(call);
  KEDGE_TRY(end_block());
  KEDGE_ASSIGN(body, macro_body(s.get(), "endcall", "call"));
  s->body = std::move(body);
  next();
  KEDGE_TRY(end_block());
  return s;
}

Result<std::unique_ptr<Stmt>> Parser::filter_statement(Position pos) {
  auto s = make_stmt(StmtKind::kFilterBlock, pos);
  KEDGE_ASSIGN(first, filter(make(ExprKind::kBody, pos)));
  KEDGE_ASSIGN(chain, filters(std::move(first)));
  s->expr = std::move(chain);
  KEDGE_TRY(end_block());
  KEDGE_ASSIGN(body, body_until({"endfilter"}, "filter", pos));
  s->body = std::move(body);
  next();
  KEDGE_TRY(end_block());
  return s;
}

Result<std::unique_ptr<Stmt>> Parser::with_statement(Position pos) {
  auto s = make_stmt(StmtKind::kWith, pos);
  while (peek().kind != TokenKind::kBlockEnd) {
    if (!s->parameters.empty()) KEDGE_TRY(expect_op(","));
    Parameter p;
    KEDGE_ASSIGN(name, expect_name("a variable's name"));
    p.name = std::move(name);
    KEDGE_TRY(expect_op("="));
    KEDGE_ASSIGN(value, expression());
    p.fallback = std::move(value);
    s->parameters.push_back(std::move(p));
  }
  KEDGE_TRY(end_block());
  KEDGE_ASSIGN(body, body_until({"endwith"}, "with", pos));
  s->body = std::move(body);
  next();
  KEDGE_TRY(end_block());
  return s;
}

Result<ExprPtr> Parser::target(bool namespaces) {
  const Position pos = peek().pos;
  KEDGE_ASSIGN(first, target_item(namespaces));
  if (!is_op(",")) return first;
  auto all = make(ExprKind::kTuple, pos);
  all->args.push_back(std::move(first));
  while (take_op(",")) {
    if (peek().kind != TokenKind::kName && !is_op("(")) break;
    if (is_name("in")) break;
    KEDGE_ASSIGN(item, target_item(namespaces));
    all->args.push_back(std::move(item));
  }
  return finish(std::move(all));
}

Result<ExprPtr> Parser::target_item(bool namespaces) {
  const Nested nested(this);
  if (nested.too_deep()) return too_deep(peek().pos);
  const Position pos = peek().pos;
  if (take_op("(")) {
    KEDGE_ASSIGN(inner, target(namespaces));
    KEDGE_TRY(expect_op(")"));
    return inner;
  }
  KEDGE_ASSIGN(name, expect_name("a variable's name"));
  static constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None", "not",
                                                   "and",  "or",    "if",   "else", "in",    "is"};
  if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved)) {
    return syntax_error(pos, "'" + name + "' cannot be assigned to");
  }
  auto variable = make(ExprKind::kName, pos, std::move(name));
  if (!namespaces || !take_op(".")) return variable;
  KEDGE_ASSIGN(field, expect_name("an attribute's name"));
  auto e = make(ExprKind::kAttr, pos, std::move(field));
  e->args.push_back(std::move(variable));
  return finish(std::move(e));
}

}  // namespace kedge::tokenizer::jinja
