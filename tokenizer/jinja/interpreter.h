// Runs a parsed template once. One interpreter per rendering, on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/value.h"

namespace kedge::tokenizer::jinja {

// The variables of one block, loop round or call; lookups go on in the parent. Keys point into the AST.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::unordered_map<std::string_view, Value> variables;
  bool kept = false;  // a macro defined in here may outlive the block
};

struct MacroRep {
  const Stmt* definition = nullptr;
  std::shared_ptr<Scope> scope;
  Held held;
};

class Interpreter {
 public:
  // `now`: what strftime_now() shows, in seconds since 1970; none: the clock.
  Interpreter(const Limits& limits, std::optional<int64_t> now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Heap& heap() { return heap_; }
  std::optional<int64_t> now() const { return now_; }
  // `name` must outlive the interpreter.
  void define(std::string_view name, Value v) { root_->variables[name] = std::move(v); }
  Result<Text> run(const Body& body);

  // For builtins.
  Result<Value> call(const Value& callee, const Args& args);
  Result<Value> get_item(const Value& object, const Value& key);
  Result<Value> get_attribute(const Value& object, std::string_view name, const Value& otherwise);
  Value new_namespace(Dict attributes);

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  // statements (interpreter.cc)
  Result<Flow> exec(const Body& body);
  Result<Flow> exec_one(const Stmt& s);
  Result<Flow> exec_if(const Stmt& s);
  Result<Flow> exec_for(const Stmt& s);
  Result<Flow> exec_round(const Stmt& s, const Value& item, const std::shared_ptr<LoopRep>& loop);
  Result<Flow> exec_set_block(const Stmt& s);
  Result<Flow> exec_captured(const Stmt& s, Text* out);
  Result<Flow> exec_with(const Stmt& s);
  Result<Value> for_items(const Stmt& s);
  Result<bool> passes(const Stmt& s, const Value& item);
  Status exec_call_block(const Stmt& s);
  Status exec_filter_block(const Stmt& s, Flow* flow);
  Status define_macro(const Stmt& s);
  Value make_macro(const Stmt& s);
  Status assign(const Expr& target, const Value& v);
  Status write(const Text& text);

  // calls (interpreter_call.cc)
  Result<Value> call_macro(const MacroRep& macro, const Args& args);
  Status bind_macro(const Stmt& m, const Args& args);
  Status bind_extras(const Stmt& m, const Args& args, size_t n_taken, const std::vector<bool>& named_taken);
  Result<Args> arguments(const Expr& e, size_t first);

  // expressions (interpreter_expr.cc)
  Result<Value> eval(const Expr& e);
  Result<Value> eval_node(const Expr& e);
  Result<Value> eval_name(const Expr& e);
  Result<Value> eval_list(const Expr& e);
  Result<Value> eval_dict(const Expr& e);
  Result<Value> eval_slice(const Expr& e);
  Result<Value> eval_call(const Expr& e);
  Result<Value> eval_builtin(const Expr& e);
  Result<Value> eval_concat(const Expr& e);
  Result<Value> eval_compare(const Expr& e);
  Result<Value> eval_binary(const Expr& e);
  Result<Value> eval_condition(const Expr& e);
  Error locate(Position pos, Error e);

  // A scope for as long as it lives.
  class InScope {
   public:
    InScope(Interpreter* in, std::shared_ptr<Scope> parent);
    ~InScope();
    InScope(const InScope&) = delete;
    InScope& operator=(const InScope&) = delete;

   private:
    Interpreter* in_;
    std::shared_ptr<Scope> before_;
  };

  Heap heap_;  // first: outlives every value below
  std::optional<int64_t> now_;
  std::shared_ptr<Scope> root_;
  std::shared_ptr<Scope> scope_;
  Text* out_ = nullptr;
  Value body_value_;  // what ExprKind::kBody stands for
  size_t eval_depth_ = 0;
  size_t call_depth_ = 0;
  int loop_depth_ = 0;
  bool located_ = false;  // the error on its way already says where it arose
  // Namespaces and the scopes of macros can refer to each other in circles; they live until the end and are then
  // emptied one by one.
  std::vector<std::shared_ptr<NamespaceRep>> namespaces_;
  std::vector<std::shared_ptr<Scope>> kept_scopes_;
};

// a op b for numbers, strings and lists (operators.cc).
Result<Value> binary_operation(Heap& heap, Op op, const Value& a, const Value& b);
Result<Value> negate(const Value& v);

}  // namespace kedge::tokenizer::jinja
