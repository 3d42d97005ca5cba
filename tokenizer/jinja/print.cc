#include "tokenizer/jinja/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "kernels/base/hex.h"

namespace kedge::tokenizer::jinja {
namespace {

void append_escape(char kind, char32_t code, int digits, std::string* out) {
  out->push_back('\\');
  out->push_back(kind);
  for (int i = digits - 1; i >= 0; --i) out->push_back(kHexDigits[(code >> (4 * i)) & 0xF]);
}

// Python's quoted form of a string.
void append_quoted(const Text& t, Text* out) {
  const char quote =
      t.view().find('\'') != std::string_view::npos && t.view().find('"') == std::string_view::npos ? '"' : '\'';
  const std::string mark(1, quote);
  out->append(mark);
  out->append(map_chars(t, [&](char32_t c, std::string* to) {
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      to->push_back('\\');
      to->push_back(static_cast<char>(c));
    } else if (c == '\n' || c == '\r' || c == '\t') {
      *to += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      append_char(c, to);
    } else if (c < 0x100) {
      append_escape('x', c, 2, to);
    } else {
      append_escape(c < 0x10000 ? 'u' : 'U', c, c < 0x10000 ? 4 : 8, to);
    }
  }));
  out->append(mark);
}

void append_json_string(const Text& t, bool ascii, Text* out) {
  out->append("\"");
  out->append(map_chars(t, [&](char32_t c, std::string* to) {
    static constexpr std::string_view kFrom = "\"\\\n\r\t\b\f";
    static constexpr std::string_view kTo = "\"\\nrtbf";
    const size_t special = c < 0x80 ? kFrom.find(static_cast<char>(c)) : std::string_view::npos;
    if (special != std::string_view::npos) {
      to->push_back('\\');
      to->push_back(kTo[special]);
    } else if (c < 0x20 || (ascii && c > 0x7F && c < 0x10000)) {
      append_escape('u', c, 4, to);
    } else if (ascii && c >= 0x10000) {
      append_escape('u', 0xD800 + ((c - 0x10000) >> 10), 4, to);
      append_escape('u', 0xDC00 + ((c - 0x10000) & 0x3FF), 4, to);
    } else {
      append_char(c, to);
    }
  }));
  out->append("\"");
}

class Printer {
 public:
  explicit Printer(Heap& heap) : heap_(heap) {}

  Status python(const Value& v) {
    KEDGE_TRY(pay());
    switch (v.kind()) {
      case Kind::kUndefined:
        out.append("Undefined");
        return {};
      case Kind::kNone:
        out.append("None");
        return {};
      case Kind::kBool:
        out.append(v.as_int() != 0 ? "True" : "False");
        return {};
      case Kind::kInt:
        out.append(std::to_string(v.as_int()));
        return {};
      case Kind::kFloat:
        out.append(float_repr(v.as_double()));
        return {};
      case Kind::kString:
        append_quoted(v.text(), &out);
        return {};
      case Kind::kList:
        return python_list(v);
      case Kind::kDict:
        return python_dict(v);
      default:
        return type_error(std::string("a ") + v.type_name() + " cannot be printed");
    }
  }

  Status json(const Value& v, const JsonStyle& style, int level) {
    KEDGE_TRY(pay());
    switch (v.kind()) {
      case Kind::kNone:
        out.append("null");
        return {};
      case Kind::kBool:
        out.append(v.as_int() != 0 ? "true" : "false");
        return {};
      case Kind::kInt:
        out.append(std::to_string(v.as_int()));
        return {};
      case Kind::kFloat:
        out.append(json_float(v.as_double()));
        return {};
      case Kind::kString:
        append_json_string(v.text(), style.ensure_ascii, &out);
        return {};
      case Kind::kList:
        return json_list(v, style, level);
      case Kind::kDict:
        return json_dict(v, style, level);
      case Kind::kUndefined:
        return type_error("tojson of an undefined value: " + v.why_undefined());
      default:
        return type_error(std::string("a ") + v.type_name() + " cannot be written as JSON");
    }
  }

  Text out;

 private:
  // Shared lists can make the text exponentially longer than the value: pay before each piece.
  Status pay() {
    heap_.work(1 + (out.size() - paid_) / 16);
    paid_ = out.size();
    if (!heap_.fits(out.memory())) return Error(heap_.error());
    return {};
  }

  Status python_list(const Value& v) {
    const bool tuple = v.is_tuple();
    out.append(tuple ? "(" : "[");
    for (size_t i = 0; i < v.items().size(); ++i) {
      if (i > 0) out.append(", ");
      KEDGE_TRY(python(v.items()[i]));
    }
    if (tuple && v.items().size() == 1) out.append(",");
    out.append(tuple ? ")" : "]");
    return {};
  }

  Status python_dict(const Value& v) {
    out.append("{");
    bool first = true;
    for (const auto& [key, value] : v.dict().entries()) {
      if (!first) out.append(", ");
      first = false;
      KEDGE_TRY(python(key));
      out.append(": ");
      KEDGE_TRY(python(value));
    }
    out.append("}");
    return {};
  }

  static std::string json_float(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d < 0 ? "-Infinity" : "Infinity";
    return float_repr(d);
  }

  void new_line(const JsonStyle& style, int level) {
    if (style.indent < 0) return;
    out.append("\n" + std::string(static_cast<size_t>(style.indent) * static_cast<size_t>(level), ' '));
  }

  Status json_list(const Value& v, const JsonStyle& style, int level) {
    out.append("[");
    for (size_t i = 0; i < v.items().size(); ++i) {
      if (i > 0) out.append(style.item_separator);
      new_line(style, level + 1);
      KEDGE_TRY(json(v.items()[i], style, level + 1));
    }
    if (!v.items().empty()) new_line(style, level);
    out.append("]");
    return {};
  }

  Status json_dict(const Value& v, const JsonStyle& style, int level) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& e : v.dict().entries()) entries.push_back(&e);
    if (style.sort_keys) {
      for (const auto* e : entries) {
        if (!e->first.is_string()) return type_error("tojson with sort_keys needs keys that are strings");
      }
      heap_.work(entries.size() * 8);
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto* a, const auto* b) { return a->first.text().bytes() < b->first.text().bytes(); });
    }
    out.append("{");
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out.append(style.item_separator);
      new_line(style, level + 1);
      const Value& key = entries[i]->first;
      if (key.is_string()) {
        KEDGE_TRY(json(key, style, level + 1));
      } else {
        out.append("\"");
        KEDGE_TRY(json(key, style, level + 1));
        out.append("\"");
      }
      out.append(style.key_separator);
      KEDGE_TRY(json(entries[i]->second, style, level + 1));
    }
    if (!entries.empty()) new_line(style, level);
    out.append("}");
    return {};
  }

  Heap& heap_;
  size_t paid_ = 0;
};

}  // namespace

std::string float_repr(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto r = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(r.ptr - buffer));
  const bool negative = text[0] == '-';
  if (negative) text.remove_prefix(1);
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, text.data() + text.size(), exponent);
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  std::string out = negative ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += digits.substr(0, 1) + (digits.size() > 1 ? "." + digits.substr(1) : "") + (exponent < 0 ? "e-" : "e+");
    const std::string n = std::to_string(std::abs(exponent));
    return out + (n.size() < 2 ? "0" : "") + n;
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

Result<Text> repr(Heap& heap, const Value& v) {
  Printer p(heap);
  KEDGE_TRY(p.python(v));
  return std::move(p.out);
}

Result<Text> to_text(Heap& heap, const Value& v) {
  if (v.is_string()) return v.text();
  if (v.is_undefined()) return Text();
  return repr(heap, v);
}

Result<Text> to_json(Heap& heap, const Value& v, const JsonStyle& style) {
  Printer p(heap);
  KEDGE_TRY(p.json(v, style, 0));
  return std::move(p.out);
}

}  // namespace kedge::tokenizer::jinja
