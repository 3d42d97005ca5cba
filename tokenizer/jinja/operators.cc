// Arithmetic with Python's rules, on 64-bit integers: an overflow is an error, not a wrong number.
#include <cmath>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {
namespace {

constexpr const char* kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};

Error overflow(Op op) {
  return type_error(std::string("the result of '") + kSigns[static_cast<size_t>(op)] + "' does not fit 64 bits");
}

Result<Value> int_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return type_error("zero cannot be raised to a negative power");
    return Value::number(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow(Op::kPow);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return overflow(Op::kPow);
  }
  return Value::integer(result);
}

Result<Value> int_operation(Op op, int64_t a, int64_t b) {
  int64_t r = 0;
  const bool divides = op == Op::kDiv || op == Op::kFloorDiv || op == Op::kMod;
  if (divides && b == 0) return type_error("division by zero");
  switch (op) {
    case Op::kAdd:
      return __builtin_add_overflow(a, b, &r) ? Result<Value>(overflow(op)) : Value::integer(r);
    case Op::kSub:
      return __builtin_sub_overflow(a, b, &r) ? Result<Value>(overflow(op)) : Value::integer(r);
    case Op::kMul:
      return __builtin_mul_overflow(a, b, &r) ? Result<Value>(overflow(op)) : Value::integer(r);
    case Op::kDiv:
      return Value::number(static_cast<double>(a) / static_cast<double>(b));
    case Op::kFloorDiv:
      if (b == -1) return __builtin_sub_overflow(int64_t{0}, a, &r) ? Result<Value>(overflow(op)) : Value::integer(r);
      return Value::integer(a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0));
    case Op::kMod:
      if (b == -1) return Value::integer(int64_t{0});
      r = a % b;
      return Value::integer(r != 0 && (r < 0) != (b < 0) ? r + b : r);
    default:
      return int_power(a, b);
  }
}

Result<Value> float_operation(Op op, double a, double b) {
  const bool divides = op == Op::kDiv || op == Op::kFloorDiv || op == Op::kMod;
  if (divides && b == 0) return type_error("division by zero");
  switch (op) {
    case Op::kAdd:
      return Value::number(a + b);
    case Op::kSub:
      return Value::number(a - b);
    case Op::kMul:
      return Value::number(a * b);
    case Op::kDiv:
      return Value::number(a / b);
    case Op::kFloorDiv:
      return Value::number(std::floor(a / b));
    case Op::kMod: {
      const double r = std::fmod(a, b);
      return Value::number(r != 0 && (r < 0) != (b < 0) ? r + b : r);
    }
    default:
      return Value::number(std::pow(a, b));
  }
}

Result<Value> repeat(Heap& heap, const Value& v, int64_t times) {
  const size_t n = times < 0 ? 0 : static_cast<size_t>(times);
  const size_t unit = v.is_string() ? v.text().memory() : v.items().size() * sizeof(Value);
  if (unit != 0 && n > heap.limits().max_memory_bytes / unit) {
    heap.fits(heap.limits().max_memory_bytes + 1);
    return Error(heap.error());
  }
  if (!heap.fits(unit * n) || !heap.work(unit * n / 16)) return Error(heap.error());
  if (v.is_string()) {
    Text out;
    for (size_t i = 0; i < n && !v.text().empty(); ++i) out.append(v.text());
    return heap.string(std::move(out), v.is_safe());
  }
  List out;
  for (size_t i = 0; i < n && !v.items().empty(); ++i) out.insert(out.end(), v.items().begin(), v.items().end());
  return heap.list(std::move(out), v.is_tuple());
}

Result<Value> add_sequences(Heap& heap, const Value& a, const Value& b) {
  if (a.is_string()) {
    if (!heap.fits(a.text().memory() + b.text().memory())) return Error(heap.error());
    const bool safe = a.is_safe() || b.is_safe();
    Text out;
    out.reserve(a.text().size() + b.text().size());
    out.append(safe && !a.is_safe() ? escape_html(heap, a.text()) : a.text());
    out.append(safe && !b.is_safe() ? escape_html(heap, b.text()) : b.text());
    return heap.string(std::move(out), safe);
  }
  if (!heap.fits((a.items().size() + b.items().size()) * sizeof(Value))) return Error(heap.error());
  List out = a.items();
  out.insert(out.end(), b.items().begin(), b.items().end());
  return heap.list(std::move(out), a.is_tuple());
}

}  // namespace

Result<Value> binary_operation(Heap& heap, Op op, const Value& a, const Value& b) {
  if (a.is_undefined()) return type_error(a.why_undefined());
  if (op == Op::kMod && a.is_string()) {
    Args args;
    args.positional = b.is_tuple() ? b.items() : List{b};
    if (b.is_dict()) return Error{ErrorCode::kUnsupported, "'%' with a dict is not supported"};
    if (a.is_safe()) escape_arguments(heap, &args);
    KEDGE_ASSIGN(text, percent_format(heap, a.text(), args));
    return heap.string(std::move(text), a.is_safe());
  }
  if (b.is_undefined()) return type_error(b.why_undefined());
  if (a.is_integral() && b.is_integral()) return int_operation(op, a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) return float_operation(op, a.as_double(), b.as_double());
  const bool strings = a.is_string() && b.is_string();
  const bool lists = a.is_list() && b.is_list() && a.is_tuple() == b.is_tuple();
  if (op == Op::kAdd && (strings || lists)) return add_sequences(heap, a, b);
  if (op == Op::kMul && (a.is_string() || a.is_list()) && b.is_integral()) return repeat(heap, a, b.as_int());
  if (op == Op::kMul && (b.is_string() || b.is_list()) && a.is_integral()) return repeat(heap, b, a.as_int());
  return type_error(std::string("'") + kSigns[static_cast<size_t>(op)] + "' does not work on '" + a.type_name() +
                    "' and '" + b.type_name() + "'");
}

Result<Value> negate(const Value& v) {
  if (v.is(Kind::kFloat)) return Value::number(-v.as_double());
  if (v.is_integral() && v.as_int() != INT64_MIN) return Value::integer(-v.as_int());
  if (v.is_undefined()) return type_error(v.why_undefined());
  return type_error(std::string("unary - does not work on '") + v.type_name() + "'");
}

}  // namespace kedge::tokenizer::jinja
