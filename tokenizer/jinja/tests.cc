// What may stand behind `is`.
#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"

namespace kedge::tokenizer::jinja {
namespace {

// A test without arguments is a function of its subject alone.
template <bool (*kTest)(const Value&)>
Result<Value> plain(Interpreter&, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return Value::boolean(kTest(subject));
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_string(const Value& v) { return v.is_string(); }
bool is_mapping(const Value& v) { return v.is_dict(); }
bool is_sequence(const Value& v) { return v.is_string() || v.is_list() || v.is_dict() || v.is_undefined(); }
bool is_iterable(const Value& v) { return is_sequence(v) || v.is(Kind::kLoop); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_integer(const Value& v) { return v.is(Kind::kInt); }
bool is_float(const Value& v) { return v.is(Kind::kFloat); }
bool is_boolean(const Value& v) { return v.is(Kind::kBool); }
bool is_true(const Value& v) { return v.is(Kind::kBool) && v.as_int() == 1; }
bool is_false(const Value& v) { return v.is(Kind::kBool) && v.as_int() == 0; }
bool is_callable(const Value& v) { return v.is(Kind::kMacro) || v.is(Kind::kFunction) || v.is_undefined(); }

bool all_cased(const Value& v, bool (*wanted)(char32_t), bool (*other)(char32_t)) {
  if (!v.is_string()) return false;
  bool any = false;
  const std::string_view s = v.text().view();
  for (size_t at = 0; at < s.size();) {
    const Char c = char_at(s, at);
    if (other(c.code)) return false;
    any = any || wanted(c.code);
    at += c.size;
  }
  return any;
}
bool is_lower_text(const Value& v) { return all_cased(v, is_lower, is_upper); }
bool is_upper_text(const Value& v) { return all_cased(v, is_upper, is_lower); }

template <Op kOp>
Result<Value> compare(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"other"}, 1));
  if (kOp == Op::kEq || kOp == Op::kNe) return Value::boolean(equal(in.heap(), subject, *b[0]) == (kOp == Op::kEq));
  if (kOp == Op::kIn) {
    KEDGE_ASSIGN(in_it, contains(in.heap(), *b[0], subject));
    return Value::boolean(in_it);
  }
  KEDGE_ASSIGN(sign, order(in.heap(), subject, *b[0]));
  return Value::boolean(kOp == Op::kLt ? sign < 0 : kOp == Op::kLe ? sign <= 0 : kOp == Op::kGt ? sign > 0 : sign >= 0);
}

Result<Value> test_sameas(Interpreter&, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"other"}, 1));
  return Value::boolean(subject.same_object(*b[0]));
}

Result<Value> remainder_is(Interpreter& in, const Value& subject, int64_t divisor, int64_t wanted) {
  KEDGE_ASSIGN(r, binary_operation(in.heap(), Op::kMod, subject, Value::integer(divisor)));
  return Value::boolean(r.is_number() && r.as_double() == static_cast<double>(wanted));
}
Result<Value> test_divisibleby(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"num"}, 1));
  KEDGE_ASSIGN(divisor, int_argument(b[0], 0, "num"));
  return remainder_is(in, subject, divisor, 0);
}
Result<Value> test_odd(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return remainder_is(in, subject, 2, 1);
}
Result<Value> test_even(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return remainder_is(in, subject, 2, 0);
}

Result<Value> test_filter(Interpreter&, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return Value::boolean(subject.is_string() && find_filter(subject.text().view()) != nullptr);
}
Result<Value> test_test(Interpreter&, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return Value::boolean(subject.is_string() && find_test(subject.text().view()) != nullptr);
}

constexpr Builtin kTests[] = {
    {"defined", plain<is_defined>},
    {"undefined", plain<is_undefined>},
    {"none", plain<is_none>},
    {"string", plain<is_string>},
    {"mapping", plain<is_mapping>},
    {"sequence", plain<is_sequence>},
    {"iterable", plain<is_iterable>},
    {"number", plain<is_number>},
    {"integer", plain<is_integer>},
    {"float", plain<is_float>},
    {"boolean", plain<is_boolean>},
    {"true", plain<is_true>},
    {"false", plain<is_false>},
    {"callable", plain<is_callable>},
    {"lower", plain<is_lower_text>},
    {"upper", plain<is_upper_text>},
    {"equalto", compare<Op::kEq>},
    {"eq", compare<Op::kEq>},
    {"==", compare<Op::kEq>},
    {"ne", compare<Op::kNe>},
    {"!=", compare<Op::kNe>},
    {"lt", compare<Op::kLt>},
    {"lessthan", compare<Op::kLt>},
    {"<", compare<Op::kLt>},
    {"le", compare<Op::kLe>},
    {"<=", compare<Op::kLe>},
    {"gt", compare<Op::kGt>},
    {"greaterthan", compare<Op::kGt>},
    {">", compare<Op::kGt>},
    {"ge", compare<Op::kGe>},
    {">=", compare<Op::kGe>},
    {"in", compare<Op::kIn>},
    {"sameas", test_sameas},
    {"divisibleby", test_divisibleby},
    {"odd", test_odd},
    {"even", test_even},
    {"filter", test_filter},
    {"test", test_test},
};

}  // namespace

const Builtin* find_test(std::string_view name) {
  const auto* const it =
      std::find_if(std::begin(kTests), std::end(kTests), [&](const Builtin& b) { return b.name == name; });
  return it == std::end(kTests) ? nullptr : it;
}

}  // namespace kedge::tokenizer::jinja
