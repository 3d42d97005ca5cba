#include <charconv>
#include <cmath>

#include "kernels/base/hex.h"
#include "kernels/base/json.h"
#include "kernels/base/utf8.h"

namespace kedge::base {

namespace {

void write_string(std::string_view text, std::string& out) {
  out += '"';
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      bool complete = false;
      const size_t length = utf8_prefix(text, i, &complete);
      out += complete ? text.substr(i, length) : std::string_view("\xef\xbf\xbd");
      i += length == 0 ? 1 : length;
      continue;
    }
    ++i;
    constexpr std::string_view kNamed = "\"\\\b\f\n\r\t";
    if (const size_t named = kNamed.find(static_cast<char>(c)); named != std::string_view::npos) {
      out += '\\';
      out += "\"\\bfnrt"[named];
    } else if (c < 0x20) {
      out += "\\u00";
      out += kHexDigits[c >> 4];
      out += kHexDigits[c & 15];
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

// The shortest digits that read back the same; always with a point or an exponent, so that it stays a double.
void write_double(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  if (std::signbit(value)) out += '-';
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value), std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  std::from_chars(buffer + e + (text[e + 1] == '+' ? 2 : 1), end, exponent);
  const int point = exponent + 1;  // digits before it
  const int k = static_cast<int>(digits.size());
  constexpr int kMostDigits = 15;
  constexpr int kMostZeros = 4;
  if (value == 0) {
    out += "0.0";
  } else if (k <= point && point <= kMostDigits) {
    out += digits.append(static_cast<size_t>(point - k), '0') + ".0";
  } else if (0 < point && point <= kMostDigits) {
    out += digits.insert(static_cast<size_t>(point), 1, '.');
  } else if (-kMostZeros < point && point <= 0) {
    out += "0." + std::string(static_cast<size_t>(-point), '0') + digits;
  } else {
    if (k > 1) digits.insert(1, 1, '.');
    out += digits + (exponent < 0 ? "e-" : "e+") + (std::abs(exponent) < 10 ? "0" : "") +
           std::to_string(std::abs(exponent));
  }
}

void write_break(int indent, int level, std::string& out) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * static_cast<size_t>(level), ' ');
}

void write(const Json& value, int indent, int level, std::string& out) {
  switch (value.type()) {
    case Json::value_t::null:
      out += "null";
      return;
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      return;
    case Json::value_t::number_integer:
      out += std::to_string(value.get<int64_t>());
      return;
    case Json::value_t::number_unsigned:
      out += std::to_string(value.get<uint64_t>());
      return;
    case Json::value_t::number_float:
      return write_double(value.get<double>(), out);
    case Json::value_t::string:
      return write_string(value.get_ref<const std::string&>(), out);
    case Json::value_t::array:
    case Json::value_t::object:
      break;
  }
  const bool object = value.is_object();
  out += object ? '{' : '[';
  for (auto it = value.begin(); it != value.end(); ++it) {
    if (it != value.begin()) out += ',';
    write_break(indent, level + 1, out);
    if (object) {
      write_string(it.key(), out);
      out += indent < 0 ? ":" : ": ";
    }
    write(*it, indent, level + 1, out);
  }
  if (!value.empty()) write_break(indent, level, out);
  out += object ? '}' : ']';
}

}  // namespace

std::string Json::dump(int indent) const {
  std::string out;
  write(*this, indent, 0, out);
  return out;
}

}  // namespace kedge::base
