#include <algorithm>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {
namespace {

// Python's rules for the bounds of a slice over `n` items.
struct SliceBounds {
  int64_t start = 0;
  int64_t stop = 0;
  int64_t step = 1;
};

SliceBounds resolve(const Value* start, const Value* stop, int64_t step, int64_t n) {
  const auto clip = [&](const Value* v, int64_t otherwise) {
    if (v == nullptr) return otherwise;
    int64_t i = v->as_int();
    if (i < 0) i = i < -n ? -1 : i + n;
    return step > 0 ? std::clamp<int64_t>(i, 0, n) : std::clamp<int64_t>(i, -1, n - 1);
  };
  SliceBounds b;
  b.step = step;
  b.start = clip(start, step > 0 ? 0 : n - 1);
  b.stop = clip(stop, step > 0 ? n : -1);
  return b;
}

Value slice_text(Heap& heap, const Value& v, const SliceBounds& b) {
  const Text& t = v.text();
  const auto n = static_cast<int64_t>(v.char_count());
  if (b.step == 1 && v.char_count() == t.size()) {
    return heap.string(t.slice(static_cast<size_t>(b.start), static_cast<size_t>(std::max(b.start, b.stop))),
                       v.is_safe());
  }
  heap.work(t.size() / 16);
  if (b.step == 1) {
    const size_t from = byte_offset(t.view(), static_cast<size_t>(b.start));
    const size_t count = static_cast<size_t>(std::max<int64_t>(0, b.stop - b.start));
    const size_t to = b.stop >= n ? t.size() : from + byte_offset(t.view().substr(from), count);
    return heap.string(t.slice(from, to), v.is_safe());
  }
  heap.work(v.char_count());
  std::vector<size_t> offsets;
  for (size_t at = 0; at < t.size(); at += char_at(t.view(), at).size) offsets.push_back(at);
  offsets.push_back(t.size());
  Text out;
  for (int64_t i = b.start; b.step > 0 ? i < b.stop : i > b.stop; i += b.step) {
    out.append_slice(t, offsets[static_cast<size_t>(i)], offsets[static_cast<size_t>(i) + 1]);
  }
  return heap.string(std::move(out), v.is_safe());
}

}  // namespace

Result<Value> Interpreter::eval(const Expr& e) {
  if (e.kind == ExprKind::kConst) return e.value;
  if (++eval_depth_ > heap_.limits().max_eval_depth) {
    return locate(e.pos, {ErrorCode::kCapacity, "evaluation is nested more than " +
                                                    std::to_string(heap_.limits().max_eval_depth) +
                                                    " deep (limit max_eval_depth)"});
  }
  heap_.work(1);
  auto result = eval_node(e);
  --eval_depth_;
  if (!result.ok()) return locate(e.pos, std::move(result).error());
  if (heap_.failed()) return locate(e.pos, heap_.error());
  return result;
}

Result<Value> Interpreter::eval_node(const Expr& e) {
  switch (e.kind) {
    case ExprKind::kConst:
      return e.value;
    case ExprKind::kName:
      return eval_name(e);
    case ExprKind::kBody:
      return body_value_;
    case ExprKind::kTuple:
    case ExprKind::kList:
      return eval_list(e);
    case ExprKind::kDict:
      return eval_dict(e);
    case ExprKind::kAttr: {
      KEDGE_ASSIGN(object, eval(*e.args[0]));
      return get_attribute(object, e.name, e.value);
    }
    case ExprKind::kItem: {
      KEDGE_ASSIGN(object, eval(*e.args[0]));
      KEDGE_ASSIGN(key, eval(*e.args[1]));
      return get_item(object, key);
    }
    case ExprKind::kSlice:
      return eval_slice(e);
    case ExprKind::kCall:
      return eval_call(e);
    case ExprKind::kFilter:
    case ExprKind::kTest:
      return eval_builtin(e);
    case ExprKind::kNegate:
    case ExprKind::kPlus:
    case ExprKind::kNot: {
      KEDGE_ASSIGN(v, eval(*e.args[0]));
      if (e.kind == ExprKind::kNot) return Value::boolean(!truthy(v));
      if (e.kind == ExprKind::kNegate) return negate(v);
      if (!v.is_number()) return type_error(std::string("unary + does not work on '") + v.type_name() + "'");
      return v.is(Kind::kFloat) ? std::move(v) : Value::integer(v.as_int());
    }
    case ExprKind::kBinary:
      return eval_binary(e);
    case ExprKind::kConcat:
      return eval_concat(e);
    case ExprKind::kCompare:
      return eval_compare(e);
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      KEDGE_ASSIGN(left, eval(*e.args[0]));
      if (truthy(left) == (e.kind == ExprKind::kOr)) return left;
      return eval(*e.args[1]);
    }
    case ExprKind::kCond:
      return eval_condition(e);
  }
  return Error{ErrorCode::kInternal, "unknown expression"};
}

Result<Value> Interpreter::eval_name(const Expr& e) {
  for (const Scope* s = scope_.get(); s != nullptr; s = s->parent.get()) {
    const auto it = s->variables.find(e.name);
    if (it != s->variables.end()) return it->second;
  }
  if (const Builtin* f = find_function(e.name)) return heap_.function(Value(), f);
  return e.value;
}

Result<Value> Interpreter::eval_list(const Expr& e) {
  List items;
  items.reserve(e.args.size());
  for (const auto& a : e.args) {
    KEDGE_ASSIGN(v, eval(*a));
    items.push_back(std::move(v));
  }
  return heap_.list(std::move(items), e.kind == ExprKind::kTuple);
}

Result<Value> Interpreter::eval_dict(const Expr& e) {
  Dict dict;
  for (size_t i = 0; i < e.args.size(); i += 2) {
    KEDGE_ASSIGN(key, eval(*e.args[i]));
    KEDGE_ASSIGN(v, eval(*e.args[i + 1]));
    if (!Dict::hashable(key)) return type_error(std::string("a '") + key.type_name() + "' cannot be the key of a dict");
    dict.set(key, std::move(v));
  }
  return heap_.dict(std::move(dict));
}

Result<Value> Interpreter::get_attribute(const Value& object, std::string_view name, const Value& otherwise) {
  switch (object.kind()) {
    case Kind::kUndefined:
      return type_error(object.why_undefined() + ", and so it has no attribute '" + std::string(name) + "'");
    case Kind::kNamespace: {
      const auto it = object.name_space().attributes.find(std::string(name));
      return it == object.name_space().attributes.end() ? otherwise : it->second;
    }
    case Kind::kLoop:
      if (auto v = loop_attribute(object, name)) return *v;
      break;
    case Kind::kMacro:
      if (name == "name") return heap_.string(object.macro().definition->name);
      break;
    default:
      break;
  }
  if (const Builtin* m = find_method(object, name)) return heap_.function(object, m);
  if (object.is_dict()) {
    if (const Value* v = object.dict().find(name)) return *v;
  }
  return otherwise;
}

Result<Value> Interpreter::get_item(const Value& object, const Value& key) {
  static const Value kMissing = Value::undefined("there is no such element");
  if (object.is_undefined()) {
    std::string shown = key.is_string()      ? "'" + key.text().bytes().substr(0, 80) + "'"
                        : key.is(Kind::kInt) ? std::to_string(key.as_int())
                                             : "that";
    return type_error(object.why_undefined() + ", and so it has no element " + shown);
  }
  if (object.is_dict()) {
    if (const Value* v = object.dict().find(key)) return *v;
  } else if ((object.is_list() || object.is_string()) && key.is_integral()) {
    const auto n = static_cast<int64_t>(object.is_list() ? object.items().size() : object.char_count());
    const int64_t i = key.as_int() < 0 ? key.as_int() + n : key.as_int();
    if (i < 0 || i >= n) return kMissing;
    if (object.is_list()) return object.items()[static_cast<size_t>(i)];
    return slice_text(heap_, object, {i, i + 1, 1});
  }
  if (key.is_string()) return get_attribute(object, key.text().view(), kMissing);
  return kMissing;
}

Result<Value> Interpreter::eval_slice(const Expr& e) {
  KEDGE_ASSIGN(object, eval(*e.args[0]));
  Value bounds[3];
  const Value* given[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    if (!e.args[i + 1]) continue;
    KEDGE_ASSIGN(v, eval(*e.args[i + 1]));
    if (v.is_none()) continue;
    if (!v.is_integral())
      return type_error(std::string("the bounds of a slice must be integers, not '") + v.type_name() + "'");
    bounds[i] = std::move(v);
    given[i] = &bounds[i];
  }
  if (object.is_undefined()) return type_error(object.why_undefined() + ", and so it has no slices");
  if (!object.is_list() && !object.is_string())
    return type_error(std::string("a '") + object.type_name() + "' has no slices");
  const auto n = static_cast<int64_t>(object.is_list() ? object.items().size() : object.char_count());
  // A step beyond the length selects one item at most; clipping keeps the loops free of overflow.
  const int64_t step = given[2] == nullptr ? 1 : std::clamp<int64_t>(given[2]->as_int(), -n - 1, n + 1);
  if (step == 0) return type_error("the step of a slice must not be zero");
  const SliceBounds b = resolve(given[0], given[1], step, n);
  if (object.is_string()) return slice_text(heap_, object, b);
  List items;
  for (int64_t i = b.start; b.step > 0 ? i < b.stop : i > b.stop; i += b.step)
    items.push_back(object.items()[static_cast<size_t>(i)]);
  return heap_.list(std::move(items), object.is_tuple());
}

Result<Value> Interpreter::eval_concat(const Expr& e) {
  Text out;
  for (const auto& a : e.args) {
    KEDGE_ASSIGN(v, eval(*a));
    KEDGE_ASSIGN(text, to_text(heap_, v));
    if (!heap_.fits(out.memory() + text.size())) return Error(heap_.error());
    out.append(text);
  }
  return heap_.string(std::move(out));
}

Result<Value> Interpreter::eval_compare(const Expr& e) {
  KEDGE_ASSIGN(left, eval(*e.args[0]));
  for (size_t i = 0; i < e.ops.size(); ++i) {
    KEDGE_ASSIGN(right, eval(*e.args[i + 1]));
    bool holds = false;
    const Op op = e.ops[i];
    if (op == Op::kEq || op == Op::kNe) {
      holds = equal(heap_, left, right) == (op == Op::kEq);
    } else if (op == Op::kIn || op == Op::kNotIn) {
      KEDGE_ASSIGN(in, contains(heap_, right, left));
      holds = in == (op == Op::kIn);
    } else {
      static constexpr std::string_view kSigns[] = {"<", "<=", ">", ">="};
      KEDGE_ASSIGN(sign, order(heap_, left, right, kSigns[static_cast<size_t>(op) - static_cast<size_t>(Op::kLt)]));
      const bool nan = left.is_number() && right.is_number() &&
                       (left.as_double() != left.as_double() || right.as_double() != right.as_double());
      holds = !nan && (op == Op::kLt ? sign < 0 : op == Op::kLe ? sign <= 0 : op == Op::kGt ? sign > 0 : sign >= 0);
    }
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Interpreter::eval_binary(const Expr& e) {
  KEDGE_ASSIGN(left, eval(*e.args[0]));
  KEDGE_ASSIGN(right, eval(*e.args[1]));
  return binary_operation(heap_, e.op, left, right);
}

Result<Value> Interpreter::eval_condition(const Expr& e) {
  KEDGE_ASSIGN(condition, eval(*e.args[0]));
  if (truthy(condition)) return eval(*e.args[1]);
  if (e.args[2]) return eval(*e.args[2]);
  static const Value kNoElse = Value::undefined("the inline if was false and has no else");
  return kNoElse;
}

}  // namespace kedge::tokenizer::jinja
