#include "router/json_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "kernels/base/utf8.h"
#include "kernels/base/utf8_cut.h"

namespace kedge::router {
namespace {

constexpr size_t kShown = 80;  // bytes of a value in a message

// digits * 10^exponent, no zero at the end of the digits.
struct Decimal {
  bool negative = false;
  uint64_t digits = 0;
  int exponent = 0;
};

// Shortest digits that read back the same, so at most 17 of a double; 20 of an integer.
Decimal decimal_of(const Json& number) {
  Decimal d;
  if (number.is_number_unsigned()) {
    d.digits = number.get<uint64_t>();
  } else if (number.is_number_integer()) {
    const auto value = number.get<int64_t>();
    d.negative = value < 0;
    d.digits = d.negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  } else {
    char text[40];
    const double value = number.get<double>();
    const auto end = std::to_chars(text, text + sizeof(text), std::fabs(value), std::chars_format::scientific).ptr;
    const char* e = std::find(text, end, 'e');
    d.negative = value < 0;
    for (const char* p = text; p < e; ++p) {
      if (*p != '.') d.digits = 10 * d.digits + static_cast<uint64_t>(*p - '0');
    }
    std::from_chars(e + (e + 1 < end && e[1] == '+' ? 2 : 1), end, d.exponent);
    d.exponent -= static_cast<int>(std::max<std::ptrdiff_t>(e - text - 2, 0));  // digits behind the point
  }
  if (d.digits == 0) return {};
  for (; d.digits % 10 == 0; d.digits /= 10) ++d.exponent;
  return d;
}

void append_key(const Json& value, std::string* out) {
  switch (value.type()) {
    case Json::value_t::object: {
      std::vector<std::pair<std::string_view, const Json*>> members;
      for (const auto& [key, member] : value.items()) members.emplace_back(key, &member);
      std::sort(members.begin(), members.end());
      *out += '{';
      for (const auto& [key, member] : members) {
        *out += std::to_string(key.size()) + ":";
        *out += key;
        append_key(*member, out);
      }
      *out += '}';
      return;
    }
    case Json::value_t::array:
      *out += '[';
      for (const Json& element : value) append_key(element, out);
      *out += ']';
      return;
    case Json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      *out += "s" + std::to_string(text.size()) + ":" + text;
      return;
    }
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float: {
      const Decimal d = decimal_of(value);
      *out += (d.negative ? "-" : "+") + std::to_string(d.digits) + "e" + std::to_string(d.exponent) + ";";
      return;
    }
    case Json::value_t::boolean:
      *out += value.get<bool>() ? 't' : 'f';
      return;
    default:
      *out += 'n';
  }
}

}  // namespace

std::string comparison_key(const Json& value) {
  std::string key;
  append_key(value, &key);
  return key;
}

bool is_multiple(const Json& number, const Json& divisor) {
  using Wide = unsigned __int128;
  const Decimal a = decimal_of(number);
  const Decimal b = decimal_of(divisor);
  if (a.digits == 0) return true;
  if (a.exponent < b.exponent) {
    // digits of a have to be a multiple of b's and of as many tens; 20 digits are the most there are
    const int tens = b.exponent - a.exponent;
    if (tens > 19) return false;
    Wide whole = b.digits;
    for (int i = 0; i < tens; ++i) whole *= 10;
    return a.digits % whole == 0;
  }
  Wide rest = a.digits % b.digits;
  for (int i = a.exponent - b.exponent; i > 0 && rest != 0; --i) rest = rest * 10 % b.digits;
  return rest == 0;
}

long double exact_number(const Json& number) {
  if (number.is_number_unsigned()) return static_cast<long double>(number.get<uint64_t>());
  if (number.is_number_integer()) return static_cast<long double>(number.get<int64_t>());
  return static_cast<long double>(number.get<double>());
}

bool is_whole_number(const Json& value) {
  if (value.is_number_integer()) return true;
  return value.is_number_float() && std::isfinite(value.get<double>()) &&
         value.get<double>() == std::floor(value.get<double>());
}

std::string quoted_start(std::string_view text) {
  const std::string_view start = utf8_cut(text, kShown);
  const std::string shown = Json(start).dump();
  return start.size() < text.size() ? shown + "..." : shown;
}

std::string short_text(const Json& value) {
  if (value.is_string()) return quoted_start(value.get_ref<const std::string&>());
  bool small = value.size() <= kShown / 2;
  for (auto it = value.begin(); small && value.is_structured() && it != value.end(); ++it) {
    small = !it->is_structured() && (!it->is_string() || it->get_ref<const std::string&>().size() <= kShown);
  }
  if (small) {
    const std::string text = value.dump();
    if (text.size() <= kShown || !value.is_structured()) return text;
  }
  return (value.is_array() ? "an array of " : "an object of ") + std::to_string(value.size());
}

const char* type_of(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "boolean";
  if (value.is_string()) return "string";
  if (value.is_array()) return "array";
  if (value.is_object()) return "object";
  return is_whole_number(value) ? "integer" : "number";
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string pointer_token(std::string_view key) {
  std::string token = "/";
  for (const char c : key) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

}  // namespace kedge::router
