#include "engine/chat_read/literal_reader.h"

#include <charconv>
#include <cmath>

#include "engine/chat_read/events.h"
#include "engine/chat_read/tool_schema.h"

namespace kedge::engine::chat_read {
namespace {

constexpr std::string_view kGemmaQuote = "<|\"|>";
constexpr size_t kMaxDepth = base::kMaxJsonDepth;

Error problem(const std::string& text) { return {ErrorCode::kInvalidArgument, text}; }

// A word that is no string: as JSON.
std::string word_as_json(std::string_view word) {
  if (word == "True" || word == "true") return "true";
  if (word == "False" || word == "false") return "false";
  if (word == "None" || word == "null") return "null";
  if (const auto value = base::parse_json(word, "value"); value.ok() && value->is_number()) return std::string(word);
  double number = 0;  // as Python has it: 1., .5, +1
  const std::string_view digits = word.starts_with('+') ? word.substr(1) : word;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = read.ec == std::errc() && read.ptr == digits.data() + digits.size();
  return whole && std::isfinite(number) ? base::Json(number).dump() : quoted(word);
}

void append_utf8(uint32_t c, std::string& out) {
  const auto byte = [&](uint32_t b) { out += static_cast<char>(b); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xc0 | c >> 6);
    byte(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    byte(0xe0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3f));
    byte(0x80 | (c & 0x3f));
  } else {
    byte(0xf0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3f));
    byte(0x80 | (c >> 6 & 0x3f));
    byte(0x80 | (c & 0x3f));
  }
}

}  // namespace

LiteralReader::LiteralReader(Dialect dialect) : dialect_(dialect) {
  open_.push_back({.close = dialect == Dialect::kPython ? ')' : '}', .members = true});
}

std::string LiteralReader::closers() const {
  std::string out = at_ == At::kString ? quote_ : "";
  for (size_t i = open_.size(); i-- > 0;) out += open_[i].close;
  return out;
}

Status LiteralReader::read(std::string_view& text, bool last, std::string& out) {
  if (!started_) out += '{';
  started_ = true;
  while (!done() && !text.empty()) {
    KEDGE_ASSIGN(step, this->step(text, last, out));
    if (step == Step::kMore) break;
  }
  return {};
}

Result<LiteralReader::Step> LiteralReader::step(std::string_view& text, bool last, std::string& out) {
  if (at_ != At::kString && at_ != At::kWord) {
    text = without_leading_spaces(text);
    if (text.empty()) return Step::kMore;
  }
  switch (at_) {
    case At::kKey: {
      if (text[0] == open_.back().close) {
        close(out);
        text.remove_prefix(1);
        return Step::kOn;
      }
      bool begun = false;
      KEDGE_ASSIGN(step, begin_string(text, last, begun));
      if (begun) {
        begin_item(out);
        key_ = true;
        out += '"';
      }
      if (begun || step == Step::kMore) return step;
      return read_key(text, out);
    }
    case At::kSeparator:
      if (text[0] != separator())
        return problem("has no '" + std::string(1, separator()) + "' behind an argument's name");
      text.remove_prefix(1);
      out += ": ";
      at_ = At::kValue;
      return Step::kOn;
    case At::kValue:
      return begin_value(text, last, out);
    case At::kString:
      return read_string(text, last, out);
    case At::kWord:
      return read_word(text, out);
    default:
      return read_next(text, out);
  }
}

void LiteralReader::open(char close, bool members, std::string& out) {
  out += members ? '{' : '[';
  open_.push_back({.close = close, .members = members});
  at_ = members ? At::kKey : At::kValue;
}

void LiteralReader::close(std::string& out) {
  out += open_.back().members ? '}' : ']';
  open_.pop_back();
  at_ = At::kNext;
}

void LiteralReader::begin_item(std::string& out) {
  if (!open_.back().first) out += ", ";
  open_.back().first = false;
}

Result<LiteralReader::Step> LiteralReader::read_key(std::string_view& text, std::string& out) {
  const size_t n = text.find_first_of("=:,(){}[]\"'");
  if (n == text.npos) return Step::kMore;
  const std::string_view key = without_spaces(text.substr(0, n));
  if (key.empty() || text[n] != separator()) {
    return problem("has '" + std::string(text.substr(0, n + 1)) + "' where an argument's name and '" + separator() +
                   "' belong");
  }
  begin_item(out);
  out += quoted(key);
  text.remove_prefix(n);
  at_ = At::kSeparator;
  return Step::kOn;
}

Result<LiteralReader::Step> LiteralReader::begin_string(std::string_view& text, bool last, bool& begun) {
  quote_.clear();
  if (dialect_ == Dialect::kGemma) {
    if (may_become(text, kGemmaQuote) && !last) return Step::kMore;
    if (text.starts_with(kGemmaQuote)) quote_ = kGemmaQuote;
  }
  const char c = text[0];
  if (c == '"' || (c == '\'' && dialect_ == Dialect::kPython)) {
    quote_ = c;
    if (dialect_ == Dialect::kPython) {
      const std::string three(3, c);
      if (may_become(text, three) && !last) return Step::kMore;
      if (text.starts_with(three)) quote_ = three;
    }
  }
  begun = !quote_.empty();
  if (begun) {
    text.remove_prefix(quote_.size());
    at_ = At::kString;
  }
  return Step::kOn;
}

Result<LiteralReader::Step> LiteralReader::begin_value(std::string_view& text, bool last, std::string& out) {
  Level& level = open_.back();
  const char c = text[0];
  if (!level.members && c == level.close) {
    close(out);
    text.remove_prefix(1);
    return Step::kOn;
  }
  bool begun = false;
  KEDGE_ASSIGN(step, begin_string(text, last, begun));
  if (!begun && step == Step::kMore) return step;
  if (!level.members) begin_item(out);
  if (begun) {
    key_ = false;
    out += '"';
    return Step::kOn;
  }
  const bool tuple = c == '(' && dialect_ == Dialect::kPython;
  if (c == '{' || c == '[' || tuple) {
    if (open_.size() == kMaxDepth) return problem("has values nested too deep (limit 64)");
    text.remove_prefix(1);
    open(c == '{' ? '}' : tuple ? ')' : ']', c == '{', out);
    return Step::kOn;
  }
  at_ = At::kWord;
  return Step::kOn;
}

// Whether the mark ends the string: `rest` stands behind it. Models write apostrophes as they are, so it does where
// what may stand behind a string follows.
bool LiteralReader::ends_string(std::string_view rest, bool last, bool& unsure) const {
  rest = without_leading_spaces(rest);
  unsure = rest.empty() && !last;
  if (rest.empty()) return true;
  return key_ ? rest[0] == separator() : std::string_view(",)]}").find(rest[0]) != std::string_view::npos;
}

Result<LiteralReader::Step> LiteralReader::read_string(std::string_view& text, bool last, std::string& out) {
  const bool escapes = dialect_ == Dialect::kPython || quote_ != kGemmaQuote;
  while (!text.empty()) {
    if (escapes && text[0] == '\\') {
      KEDGE_ASSIGN(step, read_escape(text, out));
      if (step == Step::kMore) return step;
      continue;
    }
    if (text.starts_with(quote_)) {
      bool unsure = false;
      const std::string_view rest = text.substr(quote_.size());
      const bool ends = ends_string(rest, last, unsure);
      if (unsure) return Step::kMore;
      if (ends) {
        text = rest;
        out += '"';
        at_ = key_ ? At::kSeparator : At::kNext;
        return Step::kOn;
      }
    } else if (may_become(text, quote_)) {
      return Step::kMore;
    }
    const std::string_view character = first_character(text);
    out += escaped(character);
    text.remove_prefix(character.size());
  }
  return Step::kMore;
}

Result<LiteralReader::Step> LiteralReader::read_escape(std::string_view& text, std::string& out) {
  if (text.size() < 2) return Step::kMore;
  constexpr std::string_view kNames = "\"\\/'bfnrt";
  constexpr std::string_view kMeant = "\"\\/'\b\f\n\r\t";
  const char c = text[1];
  const size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : c == 'x' ? 2 : 0;
  if (digits == 0) {
    const size_t named = kNames.find(c);
    if (named != kNames.npos) out += escaped(kMeant.substr(named, 1));
    if (named == kNames.npos && c != '\n') out += "\\\\";  // no escape: Python keeps both characters
    text.remove_prefix(named != kNames.npos || c == '\n' ? 2 : 1);
    return Step::kOn;
  }
  const auto hex = [&](size_t at, uint32_t& code) {
    const char* end = text.data() + at + digits;
    return std::from_chars(text.data() + at, end, code, 16).ptr == end;
  };
  if (text.size() < 2 + digits) return Step::kMore;
  uint32_t code = 0;
  size_t used = 2 + digits;
  bool good = hex(2, code);
  if (good && code >= 0xd800 && code < 0xdc00) {  // JSON's pairs
    if (text.size() < used + 6) return Step::kMore;
    uint32_t low = 0;
    good = text.substr(used, 2) == "\\u" && hex(used + 2, low) && low >= 0xdc00 && low < 0xe000;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    used += 6;
  }
  if (!good || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    return problem("has an escape that is no character");
  std::string character;
  append_utf8(code, character);
  out += escaped(character);
  text.remove_prefix(used);
  return Step::kOn;
}

Result<LiteralReader::Step> LiteralReader::read_word(std::string_view& text, std::string& out) {
  const size_t n = text.find_first_of(",)]}");
  if (n == text.npos) return Step::kMore;
  const std::string_view word = without_spaces(text.substr(0, n));
  if (word.empty()) return problem("has no value for an argument");
  out += word_as_json(word);
  text.remove_prefix(n);
  at_ = At::kNext;
  return Step::kOn;
}

Result<LiteralReader::Step> LiteralReader::read_next(std::string_view& text, std::string& out) {
  const Level& level = open_.back();
  if (text[0] == level.close) {
    close(out);
  } else if (text[0] == ',') {
    at_ = level.members ? At::kKey : At::kValue;
  } else {
    return problem("has '" + std::string(first_character(text)) + "' where ',' or '" + level.close + "' belongs");
  }
  text.remove_prefix(1);
  return Step::kOn;
}

}  // namespace kedge::engine::chat_read
