#include "tokenizer/jinja/interpreter.h"

#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {

Interpreter::Interpreter(const Limits& limits, std::optional<int64_t> now)
    : heap_(limits), now_(now), root_(std::make_shared<Scope>()), scope_(root_) {}

Interpreter::~Interpreter() {
  root_->variables.clear();
  body_value_ = Value();
  for (auto& n : namespaces_) n->attributes.clear();
  for (auto& s : kept_scopes_) s->variables.clear();
}

Interpreter::InScope::InScope(Interpreter* in, std::shared_ptr<Scope> parent) : in_(in), before_(in->scope_) {
  in_->scope_ = std::make_shared<Scope>();
  in_->scope_->parent = std::move(parent);
}

Interpreter::InScope::~InScope() {
  constexpr size_t kVariableBytes = 128;
  if (in_->scope_->kept) in_->heap_.hold(in_->scope_->variables.size() * kVariableBytes);  // until the end
  in_->scope_ = std::move(before_);
}

Error Interpreter::locate(Position pos, Error e) {
  if (located_) return e;
  located_ = true;
  return syntax_error(pos, e.message, e.code);
}

Result<Text> Interpreter::run(const Body& body) {
  Text out;
  out_ = &out;
  KEDGE_TRY(exec(body));
  if (heap_.failed()) return Error(heap_.error());
  return out;
}

Status Interpreter::write(const Text& text) {
  const size_t limit = heap_.limits().max_output_bytes;
  if (text.size() > limit || out_->size() > limit - text.size()) {
    return Error{ErrorCode::kCapacity,
                 "the output is longer than " + std::to_string(limit) + " bytes (limit max_output_bytes)"};
  }
  heap_.work(text.size() / 16);
  if (!heap_.fits(out_->memory() + text.size())) return Error(heap_.error());
  out_->append(text);
  return {};
}

Result<Interpreter::Flow> Interpreter::exec(const Body& body) {
  for (const auto& s : body) {
    if (!heap_.work(1)) return locate(s->pos, heap_.error());
    if (++eval_depth_ > heap_.limits().max_eval_depth) {
      return locate(s->pos, {ErrorCode::kCapacity, "evaluation is nested more than " +
                                                       std::to_string(heap_.limits().max_eval_depth) +
                                                       " deep (limit max_eval_depth)"});
    }
    auto flow = exec_one(*s);
    --eval_depth_;
    if (!flow.ok()) return locate(s->pos, std::move(flow).error());
    if (heap_.failed()) return locate(s->pos, heap_.error());
    if (*flow != Flow::kNormal) return *flow;
  }
  return Flow::kNormal;
}

Result<Interpreter::Flow> Interpreter::exec_one(const Stmt& s) {
  switch (s.kind) {
    case StmtKind::kText:
      KEDGE_TRY(write(Text(s.text)));
      return Flow::kNormal;
    case StmtKind::kOutput: {
      KEDGE_ASSIGN(v, eval(*s.expr));
      KEDGE_ASSIGN(text, to_text(heap_, v));
      KEDGE_TRY(write(text));
      return Flow::kNormal;
    }
    case StmtKind::kIf:
      return exec_if(s);
    case StmtKind::kFor:
      return exec_for(s);
    case StmtKind::kSet: {
      KEDGE_ASSIGN(v, eval(*s.expr));
      KEDGE_TRY(assign(*s.target, v));
      return Flow::kNormal;
    }
    case StmtKind::kSetBlock:
      return exec_set_block(s);
    case StmtKind::kMacro:
      KEDGE_TRY(define_macro(s));
      return Flow::kNormal;
    case StmtKind::kCallBlock:
      KEDGE_TRY(exec_call_block(s));
      return Flow::kNormal;
    case StmtKind::kFilterBlock: {
      Flow flow = Flow::kNormal;
      KEDGE_TRY(exec_filter_block(s, &flow));
      return flow;
    }
    case StmtKind::kWith:
      return exec_with(s);
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Error{ErrorCode::kInternal, "unknown statement"};
}

Result<Interpreter::Flow> Interpreter::exec_if(const Stmt& s) {
  for (const Branch& b : s.branches) {
    if (b.condition) {
      KEDGE_ASSIGN(v, eval(*b.condition));
      if (!truthy(v)) continue;
    }
    return exec(b.body);
  }
  return Flow::kNormal;
}

Result<bool> Interpreter::passes(const Stmt& s, const Value& item) {
  const InScope scope(this, scope_);
  KEDGE_TRY(assign(*s.target, item));
  KEDGE_ASSIGN(v, eval(*s.condition));
  return truthy(v);
}

Result<Value> Interpreter::for_items(const Stmt& s) {
  KEDGE_ASSIGN(iterated, eval(*s.expr));
  KEDGE_ASSIGN(all, to_list(heap_, iterated));
  if (!s.condition || !s.uses_loop) return all;
  List chosen;
  for (const Value& item : all.items()) {
    KEDGE_ASSIGN(pass, passes(s, item));
    if (pass) chosen.push_back(item);
  }
  return heap_.list(std::move(chosen));
}

Result<Interpreter::Flow> Interpreter::exec_for(const Stmt& s) {
  KEDGE_ASSIGN(items, for_items(s));
  std::shared_ptr<LoopRep> loop;
  if (s.uses_loop) {
    loop = std::make_shared<LoopRep>();
    loop->list = items;
    loop->depth = loop_depth_ + 1;
    loop->held.take(&heap_, sizeof(LoopRep));
  }
  bool any = false;
  for (size_t i = 0; i < items.items().size(); ++i) {
    const Value& item = items.items()[i];
    // Without `loop`, Jinja decides about an item when its turn comes; the body before may have changed the answer.
    if (s.condition && !s.uses_loop) {
      KEDGE_ASSIGN(pass, passes(s, item));
      if (!pass) continue;
    }
    any = true;
    if (loop) loop->index0 = i;
    ++loop_depth_;
    auto flow = exec_round(s, item, loop);
    --loop_depth_;
    if (!flow.ok()) return flow;
    if (*flow == Flow::kBreak) break;
  }
  if (any) return Flow::kNormal;
  const InScope scope(this, scope_);
  return exec(s.else_body);
}

Result<Interpreter::Flow> Interpreter::exec_round(const Stmt& s, const Value& item,
                                                  const std::shared_ptr<LoopRep>& loop) {
  if (!heap_.work(1)) return Error(heap_.error());
  const InScope scope(this, scope_);
  if (loop) scope_->variables["loop"] = Value::of(loop);
  KEDGE_TRY(assign(*s.target, item));
  return exec(s.body);
}

// Runs the body with its output going to `out`, in a scope of its own.
Result<Interpreter::Flow> Interpreter::exec_captured(const Stmt& s, Text* out) {
  const InScope scope(this, scope_);
  Text* const before = out_;
  out_ = out;
  auto flow = exec(s.body);
  out_ = before;
  return flow;
}

Result<Interpreter::Flow> Interpreter::exec_set_block(const Stmt& s) {
  Text text;
  KEDGE_ASSIGN(flow, exec_captured(s, &text));
  if (flow != Flow::kNormal) return flow;
  Value v = heap_.string(std::move(text));
  if (s.expr) {
    body_value_ = v;
    KEDGE_ASSIGN(filtered, eval(*s.expr));
    v = std::move(filtered);
  }
  KEDGE_TRY(assign(*s.target, v));
  return flow;
}

Status Interpreter::exec_filter_block(const Stmt& s, Flow* flow) {
  Text text;
  KEDGE_ASSIGN(ended, exec_captured(s, &text));
  *flow = ended;
  body_value_ = heap_.string(std::move(text));
  KEDGE_ASSIGN(v, eval(*s.expr));
  KEDGE_ASSIGN(filtered, to_text(heap_, v));
  return write(filtered);
}

Result<Interpreter::Flow> Interpreter::exec_with(const Stmt& s) {
  List values;  // all computed outside the new scope
  for (const Parameter& p : s.parameters) {
    KEDGE_ASSIGN(v, eval(*p.fallback));
    values.push_back(std::move(v));
  }
  const InScope scope(this, scope_);
  for (size_t i = 0; i < values.size(); ++i) scope_->variables[s.parameters[i].name] = values[i];
  return exec(s.body);
}

Status Interpreter::assign(const Expr& target, const Value& v) {
  if (target.kind == ExprKind::kName) {
    scope_->variables[target.name] = v;
    return {};
  }
  if (target.kind == ExprKind::kAttr) {
    KEDGE_ASSIGN(object, eval(*target.args[0]));
    if (!object.is(Kind::kNamespace)) {
      return type_error(std::string("only a namespace's attributes can be set, not those of a '") + object.type_name() +
                        "'");
    }
    auto& attributes = object.name_space().attributes;
    if (attributes.find(target.name) == attributes.end()) heap_.hold(sizeof(Value) + target.name.size() + 64);
    attributes[target.name] = v;
    return {};
  }
  KEDGE_ASSIGN(list, to_list(heap_, v));
  if (list.items().size() != target.args.size()) {
    return type_error("cannot unpack " + std::to_string(list.items().size()) + " values into " +
                      std::to_string(target.args.size()) + " names");
  }
  for (size_t i = 0; i < target.args.size(); ++i) KEDGE_TRY(assign(*target.args[i], list.items()[i]));
  return {};
}

Value Interpreter::make_macro(const Stmt& s) {
  for (auto at = scope_; at && !at->kept; at = at->parent) {
    at->kept = true;
    kept_scopes_.push_back(at);
    heap_.hold(sizeof(Scope) + 64);
  }
  auto rep = std::make_shared<MacroRep>();
  rep->definition = &s;
  rep->scope = scope_;
  rep->held.take(&heap_, sizeof(MacroRep));
  return Value::of(std::shared_ptr<const MacroRep>(std::move(rep)));
}

Status Interpreter::define_macro(const Stmt& s) {
  scope_->variables[s.name] = make_macro(s);
  return {};
}

Value Interpreter::new_namespace(Dict attributes) {
  auto rep = std::make_shared<NamespaceRep>();
  for (const auto& [k, v] : attributes.entries()) rep->attributes[k.text().bytes()] = v;
  heap_.hold(sizeof(NamespaceRep) + rep->attributes.size() * (sizeof(Value) + 96) + 64);  // never given back
  namespaces_.push_back(rep);
  return Value::of(std::move(rep));
}

}  // namespace kedge::tokenizer::jinja
