#include "router/audit/canonical_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/base/hex.h"

namespace kedge::router {

namespace {

constexpr int kMaxDepth = 64;  // of parse_json: what is written can be read again
constexpr int64_t kMaxInteger = int64_t{1} << 53;

// The UTF-16 code units of a UTF-8 text, or nothing when it is none.
std::optional<std::u16string> to_utf16(std::string_view text) {
  std::u16string units;
  units.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (n == 0 || i + n > text.size()) return std::nullopt;
    uint32_t code = n == 1 ? lead : lead & (0x7Fu >> n);
    for (size_t k = 1; k < n; ++k) {
      const auto next = static_cast<uint8_t>(text[i + k]);
      if ((next & 0xC0) != 0x80) return std::nullopt;
      code = code << 6 | (next & 0x3Fu);
    }
    const bool overlong = (n == 3 && code < 0x800) || (n == 4 && code < 0x10000);
    if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return std::nullopt;
    if (code < 0x10000) {
      units.push_back(static_cast<char16_t>(code));
    } else {
      units.push_back(static_cast<char16_t>(0xD800 + ((code - 0x10000) >> 10)));
      units.push_back(static_cast<char16_t>(0xDC00 + ((code - 0x10000) & 0x3FF)));
    }
    i += n;
  }
  return units;
}

void append_string(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<uint8_t>(c) < 0x20) {
          out += "\\u00";
          out += kHexDigits[c >> 4];
          out += kHexDigits[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

// Writes one value; path_ is where it is.
class Canonicalizer {
 public:
  Status write(const Json& value, int depth) {
    if (value.is_structured() && depth >= kMaxDepth) {
      return Error{ErrorCode::kCapacity, at() + "JSON nested deeper than " + std::to_string(kMaxDepth)};
    }
    switch (value.type()) {
      case Json::value_t::null:
        out_ += "null";
        return {};
      case Json::value_t::boolean:
        out_ += value.get<bool>() ? "true" : "false";
        return {};
      case Json::value_t::number_integer:
        return write_integer(value.get<int64_t>());
      case Json::value_t::number_unsigned:
        return write_unsigned(value.get<uint64_t>());
      case Json::value_t::number_float:
        return write_double(value.get<double>());
      case Json::value_t::string:
        return write_string(value.get_ref<const std::string&>());
      case Json::value_t::array:
        return write_array(value, depth);
      case Json::value_t::object:
        return write_object(value, depth);
      default:
        return invalid("bytes that have no form in JSON");
    }
  }
  std::string take() { return std::move(out_); }

 private:
  std::string at() const { return (path_.empty() ? std::string("the JSON value") : path_) + ": "; }
  Error invalid(const std::string& what) const { return {ErrorCode::kInvalidArgument, at() + what}; }

  Status write_integer(int64_t value) {
    if (value > kMaxInteger || value < -kMaxInteger) {
      return invalid("the integer " + std::to_string(value) + " is beyond 2^53, write it as a string");
    }
    out_ += std::to_string(value);
    return {};
  }
  Status write_unsigned(uint64_t value) {
    if (value > static_cast<uint64_t>(kMaxInteger)) {
      return invalid("the integer " + std::to_string(value) + " is beyond 2^53, write it as a string");
    }
    out_ += std::to_string(value);
    return {};
  }
  Status write_double(double value) {
    if (!std::isfinite(value)) return invalid("a number that is not finite");
    out_ += ecmascript_number(value);
    return {};
  }
  Status write_string(const std::string& text) {
    if (!is_utf8(text)) return invalid("a string that is not UTF-8");
    append_string(text, out_);
    return {};
  }

  Status write_array(const Json& value, int depth) {
    out_ += '[';
    const size_t length = path_.size();
    for (size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out_ += ',';
      path_ += "/" + std::to_string(i);
      KEDGE_TRY(write(value[i], depth + 1));
      path_.resize(length);
    }
    out_ += ']';
    return {};
  }

  Status write_object(const Json& value, int depth) {
    struct Member {
      std::u16string order;
      const std::string* key;
      const Json* value;
    };
    std::vector<Member> members;
    for (auto it = value.begin(); it != value.end(); ++it) {
      auto order = to_utf16(it.key());
      if (!order) return invalid("a member's name that is not UTF-8");
      members.push_back({std::move(*order), &it.key(), &it.value()});
    }
    std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.order < b.order; });
    out_ += '{';
    const size_t length = path_.size();
    for (const Member& member : members) {
      if (&member != &members.front()) out_ += ',';
      append_string(*member.key, out_);
      out_ += ':';
      push_key(*member.key);
      KEDGE_TRY(write(*member.value, depth + 1));
      path_.resize(length);
    }
    out_ += '}';
    return {};
  }

  // RFC 6901: '~' and '/' inside of a name are written ~0 and ~1.
  void push_key(const std::string& key) {
    path_ += '/';
    for (const char c : key) {
      if (c == '~') {
        path_ += "~0";
      } else if (c == '/') {
        path_ += "~1";
      } else {
        path_ += c;
      }
    }
  }

  std::string out_;
  std::string path_;
};

}  // namespace

bool is_utf8(std::string_view text) { return to_utf16(text).has_value(); }

std::string ecmascript_number(double value) {
  if (value == 0) return "0";  // -0 too
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, std::abs(value), std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  const size_t exponent_at = e + (text[e + 1] == '+' ? 2 : 1);  // from_chars reads '-', not '+'
  std::from_chars(text.data() + exponent_at, end, exponent);

  // Digits d of length k stand for 0.d * 10^n; ECMAScript lays them out by n.
  const int k = static_cast<int>(digits.size());
  const int n = exponent + 1;
  std::string out = value < 0 ? "-" : "";
  if (k <= n && n <= 21) return out + digits + std::string(static_cast<size_t>(n - k), '0');
  if (0 < n && n <= 21) {
    return out + digits.substr(0, static_cast<size_t>(n)) + "." + digits.substr(static_cast<size_t>(n));
  }
  if (-6 < n && n <= 0) return out + "0." + std::string(static_cast<size_t>(-n), '0') + digits;
  out += digits[0];
  if (k > 1) out += "." + digits.substr(1);
  return out + (n > 0 ? "e+" : "e-") + std::to_string(std::abs(n - 1));
}

Result<std::string> canonical_json(const Json& value) {
  Canonicalizer canonicalizer;
  KEDGE_TRY(canonicalizer.write(value, 0));
  return canonicalizer.take();
}

}  // namespace kedge::router
