// The two ways Python formats strings, as far as chat templates go; anything else is named and refused.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {
namespace {

constexpr int64_t kMaxWidth = 4096;  // of a padded field, and of digits after the point

struct Spec {
  char fill = ' ';
  char align = '\0';  // < > ^, or none
  int64_t width = 0;
  int64_t precision = -1;
  char type = 's';
};

Error refused(std::string_view what) {
  return {ErrorCode::kUnsupported, "the format '" + std::string(what) + "' is not supported"};
}

// Reads digits at *at; false when there are too many.
bool read_number(std::string_view s, size_t* at, int64_t* out) {
  *out = 0;
  while (*at < s.size() && s[*at] >= '0' && s[*at] <= '9') {
    *out = *out * 10 + (s[(*at)++] - '0');
    if (*out > kMaxWidth) return false;
  }
  return true;
}

std::string fixed(double d, int64_t precision) {
  if (!std::isfinite(d)) return float_repr(d);
  std::string out(static_cast<size_t>(precision) + 330, '\0');
  const int n = std::snprintf(out.data(), out.size(), "%.*f", static_cast<int>(precision), d);
  out.resize(n < 0 ? 0 : static_cast<size_t>(n));
  return out;
}

Text padded(const Text& body, const Spec& spec, char default_align) {
  const auto length = static_cast<int64_t>(count_chars(body.view()));
  if (length >= spec.width) return body;
  const auto gap = static_cast<size_t>(spec.width - length);
  const char align = spec.align == '\0' ? default_align : spec.align;
  const size_t left = align == '>' || align == '=' ? gap : align == '^' ? gap / 2 : 0;
  Text out;
  const bool sign = align == '=' && !body.empty() && body.bytes()[0] == '-';
  if (sign) out.append_slice(body, 0, 1);
  out.append(std::string(left, spec.fill));
  out.append_slice(body, sign ? 1 : 0, body.size());
  out.append(std::string(gap - left, spec.fill));
  return out;
}

Result<Text> one(Heap& heap, const Value& v, const Spec& spec) {
  if (spec.type == 'd' || spec.type == 'i') {
    if (!v.is_number()) return type_error(std::string("the format needs a number, not '") + v.type_name() + "'");
    const int64_t i =
        v.is_integral() ? v.as_int() : static_cast<int64_t>(std::clamp(std::trunc(v.as_double()), -9e18, 9e18));
    return padded(Text(std::to_string(i)), spec, '>');
  }
  if (spec.type == 'f') {
    if (!v.is_number()) return type_error(std::string("the format needs a number, not '") + v.type_name() + "'");
    return padded(Text(fixed(v.as_double(), spec.precision < 0 ? 6 : spec.precision)), spec, '>');
  }
  KEDGE_ASSIGN(text, spec.type == 'r' ? repr(heap, v) : to_text(heap, v));
  if (spec.precision >= 0) text = text.slice(0, byte_offset(text.view(), static_cast<size_t>(spec.precision)));
  return padded(text, spec, v.is_number() ? '>' : '<');
}

Result<Spec> brace_spec(std::string_view s, const Value& v) {
  Spec spec;
  size_t at = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^'; };
  if (s.size() > 1 && is_align(s[1])) {
    spec.fill = s[0];
    spec.align = s[1];
    at = 2;
  } else if (!s.empty() && is_align(s[0])) {
    spec.align = s[0];
    at = 1;
  }
  if (at < s.size() && s[at] == '0') {
    spec.fill = spec.align == '\0' ? '0' : spec.fill;
    if (spec.align == '\0') spec.align = '=';
    ++at;
  }
  if (!read_number(s, &at, &spec.width)) return refused(s);
  if (at < s.size() && s[at] == '.') {
    ++at;
    if (!read_number(s, &at, &spec.precision)) return refused(s);
  }
  if (at < s.size()) spec.type = s[at++];
  const bool known =
      spec.type == 's' ? !v.is_number() || s.find('.') == std::string_view::npos : spec.type == 'd' || spec.type == 'f';
  if (at != s.size() || !known || static_cast<unsigned char>(spec.fill) >= 0x80) return refused(s);
  if (spec.type == 's' && spec.align == '=' && !v.is_number()) return refused(s);
  return spec;
}

}  // namespace

Result<Text> percent_format(Heap& heap, const Text& format, const Args& args) {
  Text out;
  size_t used = 0;
  const std::string_view s = format.view();
  for (size_t at = 0; at < s.size();) {
    const size_t percent = std::min(s.find('%', at), s.size());
    out.append_slice(format, at, percent);
    at = percent;
    if (at == s.size()) break;
    const size_t begin = at++;
    Spec spec;
    for (; at < s.size() && (s[at] == '-' || s[at] == '0'); ++at) {
      spec.align = s[at] == '-' ? '<' : '=';
      spec.fill = s[at] == '-' ? ' ' : '0';
    }
    bool ok = read_number(s, &at, &spec.width);
    if (ok && at < s.size() && s[at] == '.') {
      ++at;
      ok = read_number(s, &at, &spec.precision);
    }
    spec.type = at < s.size() ? s[at++] : '\0';
    if (!ok || std::string_view("srdif%").find(spec.type) == std::string_view::npos)
      return refused(s.substr(begin, at - begin));
    if (spec.type == '%') {
      out.append_slice(format, at - 1, at);
      continue;
    }
    if (used >= args.positional.size()) return type_error("the format string needs more arguments");
    if (spec.type == 's' && spec.fill == '0') spec.fill = ' ';
    if ((spec.type == 's' || spec.type == 'r') && spec.align != '<') spec.align = '>';
    KEDGE_ASSIGN(piece, one(heap, args.positional[used++], spec));
    out.append(piece);
    if (!heap.work(1) || !heap.fits(out.memory())) return Error(heap.error());
  }
  if (used < args.positional.size()) return type_error("not all arguments are used by the format string");
  return out;
}

Result<Text> brace_format(Heap& heap, const Text& format, const Args& args) {
  Text out;
  size_t next = 0;
  const std::string_view s = format.view();
  for (size_t at = 0; at < s.size();) {
    const size_t brace = std::min(s.find_first_of("{}", at), s.size());
    out.append_slice(format, at, brace);
    at = brace;
    if (at == s.size()) break;
    if (at + 1 < s.size() && s[at + 1] == s[at]) {
      out.append_slice(format, at, at + 1);
      at += 2;
      continue;
    }
    const size_t close = s.find('}', at);
    if (s[at] == '}' || close == std::string_view::npos) return type_error("a single brace in the format string");
    const std::string_view field = s.substr(at + 1, close - at - 1);
    const std::string_view name = field.substr(0, std::min(field.find(':'), field.size()));
    const std::string_view spec_text = name.size() < field.size() ? field.substr(name.size() + 1) : std::string_view();
    if (name.find_first_of(".[!{") != std::string_view::npos) return refused("{" + std::string(field) + "}");
    const Value* value = nullptr;
    const bool numbered = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    if (name.empty() || numbered) {
      int64_t index = static_cast<int64_t>(next);
      size_t digits = 0;
      if (numbered && !read_number(name, &digits, &index)) return refused(field);
      if (!numbered) ++next;
      if (static_cast<size_t>(index) < args.positional.size()) value = &args.positional[static_cast<size_t>(index)];
    } else {
      for (const auto& [key, v] : args.named) {
        if (key == name) value = &v;
      }
    }
    if (value == nullptr) return type_error("the format string has no argument for '{" + std::string(field) + "}'");
    KEDGE_ASSIGN(spec, brace_spec(spec_text, *value));
    KEDGE_ASSIGN(piece, one(heap, *value, spec));
    out.append(piece);
    at = close + 1;
    if (!heap.work(1) || !heap.fits(out.memory())) return Error(heap.error());
  }
  return out;
}

}  // namespace kedge::tokenizer::jinja
