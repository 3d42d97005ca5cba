// Calls: of macros, of builtins, of call blocks.
#include <algorithm>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {

Result<Args> Interpreter::arguments(const Expr& e, size_t first) {
  Args out;
  for (size_t i = first; i < e.args.size(); ++i) {
    KEDGE_ASSIGN(v, eval(*e.args[i]));
    out.positional.push_back(std::move(v));
  }
  for (const auto& [name, expr] : e.named) {
    KEDGE_ASSIGN(v, eval(*expr));
    out.named.emplace_back(name, std::move(v));
  }
  return out;
}

Result<Value> Interpreter::eval_call(const Expr& e) {
  KEDGE_ASSIGN(callee, eval(*e.args[0]));
  KEDGE_ASSIGN(args, arguments(e, 1));
  return call(callee, args);
}

Result<Value> Interpreter::eval_builtin(const Expr& e) {
  if (e.builtin == nullptr) {
    return Error{ErrorCode::kUnsupported, std::string("the ") + (e.kind == ExprKind::kTest ? "test" : "filter") + " '" +
                                              e.name + "' is not supported"};
  }
  KEDGE_ASSIGN(subject, eval(*e.args[0]));
  KEDGE_ASSIGN(args, arguments(e, 1));
  KEDGE_ASSIGN(result, e.builtin->call(*this, subject, args));
  if (e.negated) return Value::boolean(!truthy(result));
  return result;
}

Result<Value> Interpreter::call(const Value& callee, const Args& args) {
  if (callee.is_undefined()) return type_error(callee.why_undefined() + ", and so it cannot be called");
  if (callee.is(Kind::kMacro)) return call_macro(callee.macro(), args);
  if (!callee.is(Kind::kFunction)) return type_error(std::string("a '") + callee.type_name() + "' cannot be called");
  const FunctionRep& f = callee.function();
  if (f.builtin->call == nullptr) {
    return type_error(std::string("'") + std::string(f.builtin->name) + "' would change a " + f.self.type_name() +
                      "; templates may not change values");
  }
  return f.self.is_string() ? call_string_method(*this, f.self, *f.builtin, args)
                            : f.builtin->call(*this, f.self, args);
}

Result<Value> Interpreter::call_macro(const MacroRep& macro, const Args& args) {
  const Stmt& m = *macro.definition;
  if (call_depth_ >= heap_.limits().max_call_depth) {
    return Error{ErrorCode::kCapacity, "macro calls are nested more than " +
                                           std::to_string(heap_.limits().max_call_depth) +
                                           " deep (limit max_call_depth)"};
  }
  ++call_depth_;
  const InScope scope(this, macro.scope);
  Text text;
  Text* const before = out_;
  const int loops = std::exchange(loop_depth_, 0);
  out_ = &text;
  Status done = bind_macro(m, args);
  if (done.ok()) {
    auto flow = exec(m.body);
    if (!flow.ok()) done = Status(std::move(flow).error());
  }
  out_ = before;
  loop_depth_ = loops;
  --call_depth_;
  if (!done.ok()) return std::move(done).error();
  return heap_.string(std::move(text));
}

Status Interpreter::bind_macro(const Stmt& m, const Args& args) {
  std::vector<bool> named_taken(args.named.size(), false);
  for (size_t i = 0; i < m.parameters.size(); ++i) {
    const Parameter& p = m.parameters[i];
    Value v = Value::undefined("parameter '" + p.name + "' was not provided");
    bool given = i < args.positional.size();
    if (given) v = args.positional[i];
    for (size_t k = 0; k < args.named.size(); ++k) {
      if (args.named[k].first != p.name) continue;
      if (given) return type_error("'" + m.name + "' got two values for '" + p.name + "'");
      v = args.named[k].second;
      given = named_taken[k] = true;
    }
    if (!given && p.fallback) {
      KEDGE_ASSIGN(fallback, eval(*p.fallback));
      v = std::move(fallback);
    }
    scope_->variables[p.name] = std::move(v);
  }
  return bind_extras(m, args, std::min(m.parameters.size(), args.positional.size()), named_taken);
}

// What no parameter took: for a body that names `caller`, `varargs` or `kwargs`, else an error.
Status Interpreter::bind_extras(const Stmt& m, const Args& args, size_t n_taken, const std::vector<bool>& named_taken) {
  List varargs(args.positional.begin() + static_cast<ptrdiff_t>(n_taken), args.positional.end());
  if (!varargs.empty() && !m.uses_varargs) {
    return type_error("'" + m.name + "' takes not more than " + std::to_string(m.parameters.size()) + " arguments");
  }
  Dict kwargs;
  if (m.uses_caller)
    scope_->variables["caller"] =
        Value::undefined("no caller is defined: '" + m.name + "' was not used by a call block");
  for (size_t k = 0; k < args.named.size(); ++k) {
    if (named_taken[k]) continue;
    if (m.uses_caller && args.named[k].first == "caller") {
      scope_->variables["caller"] = args.named[k].second;
    } else if (m.uses_kwargs) {
      kwargs.set(Value::literal(args.named[k].first), args.named[k].second);
    } else {
      return type_error("'" + m.name + "' takes no argument '" + args.named[k].first + "'");
    }
  }
  if (m.uses_varargs) scope_->variables["varargs"] = heap_.tuple(std::move(varargs));
  if (m.uses_kwargs) scope_->variables["kwargs"] = heap_.dict(std::move(kwargs));
  return {};
}

Status Interpreter::exec_call_block(const Stmt& s) {
  const Expr& e = *s.expr;
  KEDGE_ASSIGN(callee, eval(*e.args[0]));
  KEDGE_ASSIGN(args, arguments(e, 1));
  args.named.emplace_back("caller", make_macro(s));
  KEDGE_ASSIGN(result, call(callee, args));
  KEDGE_ASSIGN(text, to_text(heap_, result));
  return write(text);
}

}  // namespace kedge::tokenizer::jinja
