// Filters on strings and single values.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {
namespace {

Result<Value> as_string(Interpreter& in, const Value& v) {
  if (v.is_string()) return v;
  KEDGE_ASSIGN(text, to_text(in.heap(), v));
  return in.heap().string(std::move(text));
}

// The string method of the same meaning, on whatever the subject prints as.
Result<Value> by_method(Interpreter& in, const Value& subject, std::string_view method, const Args& args) {
  KEDGE_ASSIGN(text, as_string(in, subject));
  return call_string_method(in, text, *find_method(text, method), args);
}

Result<Value> f_trim(Interpreter& in, const Value& subject, const Args& args) {
  return by_method(in, subject, "strip", args);
}
Result<Value> f_upper(Interpreter& in, const Value& subject, const Args& args) {
  return by_method(in, subject, "upper", args);
}
Result<Value> f_lower(Interpreter& in, const Value& subject, const Args& args) {
  return by_method(in, subject, "lower", args);
}
Result<Value> f_capitalize(Interpreter& in, const Value& subject, const Args& args) {
  return by_method(in, subject, "capitalize", args);
}

// Jinja's own rule: words begin at the start and after - white space ( { [ <
Result<Value> f_title(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  KEDGE_ASSIGN(v, as_string(in, subject));
  in.heap().work(v.text().size() / 4);
  bool inside = false;
  return in.heap().string(map_chars(v.text(), [&](char32_t c, std::string* out) {
    append_cased(c, inside ? Case::kLower : Case::kUpper, out);
    inside = !(is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<');
  }));
}

Result<Value> f_replace(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"old", "new", "count"}, 2));
  Args as_text;
  for (size_t i = 0; i < 2; ++i) {
    KEDGE_ASSIGN(v, as_string(in, *b[i]));
    as_text.positional.push_back(std::move(v));
  }
  if (b[2] != nullptr && !b[2]->is_none()) as_text.positional.push_back(*b[2]);
  KEDGE_ASSIGN(plain, to_text(in.heap(), subject));  // forgets that the subject was safe, as Jinja's does
  return by_method(in, in.heap().string(std::move(plain)), "replace", as_text);
}

Result<Value> f_string(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return as_string(in, subject);
}

Result<Value> f_safe(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  KEDGE_ASSIGN(v, as_string(in, subject));
  return in.heap().string(v.text(), true);
}

Result<Value> f_forceescape(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  KEDGE_ASSIGN(v, as_string(in, subject));
  return in.heap().string(escape_html(in.heap(), v.text()), true);
}

Result<Value> f_escape(Interpreter& in, const Value& subject, const Args& args) {
  return subject.is_safe() ? f_string(in, subject, args) : f_forceescape(in, subject, args);
}

Result<Value> f_indent(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"width", "first", "blank"}));
  const bool first = flag_argument(b[1], false);
  const bool blank = flag_argument(b[2], false);
  KEDGE_ASSIGN(v, as_string(in, subject));
  Heap& heap = in.heap();
  Text margin;
  if (b[0] != nullptr && b[0]->is_string()) {
    margin = b[0]->text();
  } else {
    KEDGE_ASSIGN(width, int_argument(b[0], 4, "width"));
    const auto n = static_cast<size_t>(std::max<int64_t>(0, width));
    if (!heap.fits(n)) return Error(heap.error());
    margin = Text(std::string(n, ' '));
  }
  Text with_end = v.text();
  with_end.append("\n");
  heap.work(with_end.size() / 4);
  const std::vector<Text> lines = split_lines(with_end, false);
  Text out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!heap.work(1) || !heap.fits(out.memory() + lines[i].size() + margin.memory())) return Error(heap.error());
    if (i > 0) out.append("\n");
    if (i == 0 ? first : blank || !lines[i].empty()) out.append(margin);
    out.append(lines[i]);
  }
  return heap.string(std::move(out), v.is_safe());
}

Result<Value> f_tojson(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensure_ascii = flag_argument(b[0], false);
  style.sort_keys = flag_argument(b[3], false);
  if (b[1] != nullptr && !b[1]->is_none()) {
    constexpr int64_t kMaxIndent = 64;
    KEDGE_ASSIGN(indent, int_argument(b[1], 0, "indent"));
    if (indent < 0 || indent > kMaxIndent)
      return type_error("the indent of tojson must be 0 to " + std::to_string(kMaxIndent));
    style.indent = static_cast<int>(indent);
    style.item_separator = ",";
  }
  if (b[2] != nullptr && !b[2]->is_none()) {
    KEDGE_ASSIGN(pair, to_list(in.heap(), *b[2]));
    if (pair.items().size() != 2 || !pair.items()[0].is_string() || !pair.items()[1].is_string()) {
      return type_error("the separators of tojson must be two strings");
    }
    if (pair.items()[0].text().any_input() || pair.items()[1].text().any_input()) {
      return type_error("the separators of tojson must be the template's own");
    }
    style.item_separator = pair.items()[0].text().bytes();
    style.key_separator = pair.items()[1].text().bytes();
  }
  KEDGE_ASSIGN(text, to_json(in.heap(), subject, style));
  return in.heap().string(std::move(text));
}

Result<Value> f_format(Interpreter& in, const Value& subject, const Args& args) {
  if (!args.named.empty())
    return Error{ErrorCode::kUnsupported, "the filter 'format' with named values is not supported"};
  KEDGE_ASSIGN(v, as_string(in, subject));
  return binary_operation(in.heap(), Op::kMod, v, in.heap().tuple(args.positional));
}

Result<Value> f_center(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"width"}));
  Args width;
  width.positional.push_back(b[0] != nullptr ? *b[0] : Value::integer(int64_t{80}));
  return by_method(in, subject, "center", width);
}

Result<Value> f_wordcount(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  KEDGE_ASSIGN(v, as_string(in, subject));
  in.heap().work(v.text().size() / 4);
  const std::string_view s = v.text().view();
  const auto word = [](char32_t c) { return is_alpha(c) || is_digit(c) || c == '_'; };
  size_t n = 0;
  bool inside = false;
  for (size_t at = 0; at < s.size();) {
    const Char c = char_at(s, at);
    n += word(c.code) && !inside ? 1 : 0;
    inside = word(c.code);
    at += c.size;
  }
  return Value::integer(n);
}

Result<Value> f_default(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"default_value", "boolean"}));
  const bool missing = subject.is_undefined() || (flag_argument(b[1], false) && !truthy(subject));
  if (!missing) return subject;
  return b[0] != nullptr ? *b[0] : in.heap().string("");
}

// Python's int(text, base) and float(text): spaces around, one sign, underscores between digits.
std::string number_text(const Value& v) {
  const Text stripped = strip(v.text(), "", true, true);
  std::string out;
  for (size_t i = 0; i < stripped.size(); ++i) {
    const char c = stripped.bytes()[i];
    const auto digit = [&](size_t k) {
      return k < stripped.size() && std::isalnum(static_cast<unsigned char>(stripped.bytes()[k])) != 0;
    };
    if (c == '_' && i > 0 && digit(i - 1) && digit(i + 1)) continue;
    if (c == '+' && i == 0 && digit(1)) continue;
    out.push_back(c);
  }
  return out;
}

template <class T, class... Format>
bool read_all(const std::string& s, T* out, Format... format) {
  const auto r = std::from_chars(s.data(), s.data() + s.size(), *out, format...);
  return r.ec == std::errc() && r.ptr == s.data() + s.size() && !s.empty();
}

bool fits_int(double d) { return std::isfinite(d) && std::fabs(d) < 9.2e18; }

Result<Value> f_int(Interpreter&, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"default", "base"}));
  const Value otherwise = b[0] != nullptr ? *b[0] : Value::integer(int64_t{0});
  KEDGE_ASSIGN(base, int_argument(b[1], 10, "base"));
  if (base < 2 || base > 36) return type_error("the base must be 2 to 36");
  if (subject.is_undefined()) return type_error(subject.why_undefined());
  if (subject.is_integral()) return Value::integer(subject.as_int());
  if (subject.is(Kind::kFloat))
    return fits_int(subject.as_double()) ? Value::integer(static_cast<int64_t>(subject.as_double())) : otherwise;
  if (!subject.is_string()) return otherwise;
  std::string text = number_text(subject);
  if (base == 16 || base == 8 || base == 2) {
    const std::string prefix = base == 16 ? "0x" : base == 8 ? "0o" : "0b";
    if (text.starts_with(prefix)) text.erase(0, 2);
  }
  int64_t i = 0;
  double d = 0;
  if (read_all(text, &i, static_cast<int>(base))) return Value::integer(i);
  if (read_all(text, &d) && fits_int(d)) return Value::integer(static_cast<int64_t>(d));
  return otherwise;
}

Result<Value> f_float(Interpreter&, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"default"}));
  if (subject.is_undefined()) return type_error(subject.why_undefined());
  if (subject.is_number()) return Value::number(subject.as_double());
  double d = 0;
  if (subject.is_string() && read_all(number_text(subject), &d)) return Value::number(d);
  return b[0] != nullptr ? *b[0] : Value::number(0.0);
}

// Python rounds the exact decimal value, half to even: what printf does.
double round_decimal(double d, int64_t precision) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), d);
  double out = d;
  std::from_chars(buffer, buffer + std::char_traits<char>::length(buffer), out);
  return out;
}

Result<Value> f_round(Interpreter&, const Value& subject, const Args& args) {
  constexpr int64_t kMaxPrecision = 20;
  KEDGE_ASSIGN(b, bind(args, {"precision", "method"}));
  KEDGE_ASSIGN(precision, int_argument(b[0], 0, "precision"));
  KEDGE_ASSIGN(method, text_argument(b[1], "common", "method"));
  if (precision < 0 || precision > kMaxPrecision) {
    return Error{ErrorCode::kUnsupported, "round supports a precision of 0 to " + std::to_string(kMaxPrecision)};
  }
  if (!subject.is_number()) return type_error(std::string("round needs a number, not '") + subject.type_name() + "'");
  const std::string& how = method.bytes();
  if (how != "common" && how != "ceil" && how != "floor")
    return type_error("the method of round must be common, ceil or floor");
  if (how == "common") {
    if (subject.is_integral()) return Value::integer(subject.as_int());
    return Value::number(std::isfinite(subject.as_double()) ? round_decimal(subject.as_double(), precision)
                                                            : subject.as_double());
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = subject.as_double() * scale;
  return Value::number((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Result<Value> f_abs(Interpreter&, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  if (subject.is(Kind::kFloat)) return Value::number(std::fabs(subject.as_double()));
  if (!subject.is_integral()) return type_error(std::string("abs needs a number, not '") + subject.type_name() + "'");
  return subject.as_int() < 0 ? negate(subject) : Value::integer(subject.as_int());
}

Result<Value> f_attr(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"name"}, 1));
  KEDGE_ASSIGN(name, text_argument(b[0], "", "name"));
  const Value missing = Value::undefined("there is no attribute '" + name.bytes().substr(0, 80) + "'");
  if (subject.is_dict() && find_method(subject, name.view()) == nullptr)
    return missing;  // attributes only, never items
  return in.get_attribute(subject, name.view(), missing);
}

constexpr Builtin kTextFilters[] = {
    {"trim", f_trim},
    {"upper", f_upper},
    {"lower", f_lower},
    {"capitalize", f_capitalize},
    {"title", f_title},
    {"replace", f_replace},
    {"string", f_string},
    {"safe", f_safe},
    {"escape", f_escape},
    {"e", f_escape},
    {"forceescape", f_forceescape},
    {"indent", f_indent},
    {"tojson", f_tojson},
    {"format", f_format},
    {"center", f_center},
    {"default", f_default},
    {"d", f_default},
    {"wordcount", f_wordcount},
    {"int", f_int},
    {"float", f_float},
    {"round", f_round},
    {"abs", f_abs},
    {"attr", f_attr},
};

}  // namespace

std::span<const Builtin> text_filters() { return kTextFilters; }

}  // namespace kedge::tokenizer::jinja
