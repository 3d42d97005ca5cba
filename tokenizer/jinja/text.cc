#include "tokenizer/jinja/text.h"

#include <algorithm>
#include <cstring>

namespace kedge::tokenizer::jinja {
namespace {

using Range = Text::Range;

// The first range that ends after `at`.
std::vector<Range>::const_iterator first_after(const std::vector<Range>& ranges, size_t at) {
  return std::partition_point(ranges.begin(), ranges.end(), [at](const Range& r) { return r.end <= at; });
}

// What of a range lies in [begin, end).
Range cut(const Range& range, size_t begin, size_t end) {
  Range r = range;
  r.begin = std::max(range.begin, begin);
  r.end = std::min(range.end, end);
  if (range.origin.has_bytes() && range.bytewise()) {
    r.origin.end = range.origin.begin + (r.end - range.begin);
    r.origin.begin = range.origin.begin + (r.begin - range.begin);
  }
  return r;
}

bool in_set(std::string_view set, char32_t code) {
  if (set.empty()) return is_space(code);
  for (size_t at = 0; at < set.size();) {
    const Char c = char_at(set, at);
    if (c.code == code) return true;
    at += c.size;
  }
  return false;
}

// The start of the character that ends before byte `end`.
size_t previous_char(std::string_view s, size_t end) {
  for (size_t back = std::min<size_t>(4, end); back > 1; --back) {
    if (char_at(s, end - back).size == back) return end - back;
  }
  return end - 1;
}

std::vector<Text> split_spaces(const Text& in, long long max) {
  std::vector<Text> out;
  const std::string_view s = in.view();
  size_t at = 0;
  const auto skip = [&](bool spaces) {
    while (at < s.size()) {
      const Char c = char_at(s, at);
      if (is_space(c.code) != spaces) break;
      at += c.size;
    }
  };
  for (skip(true); at < s.size(); skip(true)) {
    const size_t begin = at;
    if (max >= 0 && static_cast<long long>(out.size()) == max) {
      out.push_back(in.slice(begin, s.size()));
      return out;
    }
    skip(false);
    out.push_back(in.slice(begin, at));
  }
  return out;
}

std::vector<Text> rsplit_spaces(const Text& in, long long max) {
  std::vector<Text> out;
  const std::string_view s = in.view();
  size_t end = s.size();
  const auto skip = [&](bool spaces) {
    while (end > 0) {
      const size_t begin = previous_char(s, end);
      if (is_space(char_at(s, begin).code) != spaces) break;
      end = begin;
    }
  };
  for (skip(true); end > 0; skip(true)) {
    const size_t stop = end;
    if (max >= 0 && static_cast<long long>(out.size()) == max) {
      out.push_back(in.slice(0, stop));
      break;
    }
    skip(false);
    out.push_back(in.slice(end, stop));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

bool Text::input_in(size_t begin, size_t end) const {
  const auto it = first_after(input_, begin);
  return it != input_.end() && it->begin < end;
}

void Text::add(const Range& range) {
  if (!input_.empty() && input_.back().end == range.begin) {
    Range& last = input_.back();
    const bool follows =
        !last.origin.has_bytes() || (last.bytewise() && range.bytewise() && last.origin.end == range.origin.begin);
    if (last.origin.same_string(range.origin) && follows) {
      last.end = range.end;
      last.origin.end = range.origin.end;
      return;
    }
  }
  input_.push_back(range);
}

void Text::append(std::string_view bytes, bool from_input) {
  if (from_input) return append(bytes, TextOrigin());
  bytes_ += bytes;
}

void Text::append(std::string_view bytes, const TextOrigin& origin) {
  if (bytes.empty()) return;
  const size_t begin = bytes_.size();
  bytes_ += bytes;
  add({begin, bytes_.size(), origin});
}

void Text::append_changed(std::string_view bytes, const Text& other, size_t begin, size_t end) {
  const auto it = first_after(other.input_, begin);
  if (it == other.input_.end() || it->begin >= end) return append(bytes, false);
  append(bytes, cut(*it, begin, end).origin);
}

void Text::append_slice(const Text& other, size_t begin, size_t end) {
  const size_t base = bytes_.size();
  bytes_.append(other.bytes_, begin, end - begin);
  for (auto it = first_after(other.input_, begin); it != other.input_.end() && it->begin < end; ++it) {
    Range r = cut(*it, begin, end);
    r.begin += base - begin;
    r.end += base - begin;
    add(r);
  }
}

Text Text::slice(size_t begin, size_t end) const {
  Text out;
  if (begin < end) out.append_slice(*this, begin, end);
  return out;
}

Text strip(const Text& in, std::string_view chars, bool left, bool right) {
  const std::string_view s = in.view();
  size_t begin = 0;
  size_t end = s.size();
  while (left && begin < end) {
    const Char c = char_at(s, begin);
    if (!in_set(chars, c.code)) break;
    begin += c.size;
  }
  while (right && begin < end) {
    const size_t last = previous_char(s, end);
    if (!in_set(chars, char_at(s, last).code)) break;
    end = last;
  }
  return in.slice(begin, end);
}

std::vector<Text> split(const Text& in, std::string_view sep, long long max, bool from_right) {
  if (sep.empty()) return from_right ? rsplit_spaces(in, max) : split_spaces(in, max);
  std::vector<Text> out;
  const std::string_view s = in.view();
  const auto full = [&] { return max >= 0 && static_cast<long long>(out.size()) >= max; };
  if (from_right) {
    size_t end = s.size();
    while (!full() && end >= sep.size()) {
      const size_t at = s.rfind(sep, end - sep.size());
      if (at == std::string_view::npos) break;
      out.push_back(in.slice(at + sep.size(), end));
      end = at;
    }
    out.push_back(in.slice(0, end));
    std::reverse(out.begin(), out.end());
    return out;
  }
  size_t begin = 0;
  while (!full()) {
    const size_t at = find_text(s, sep, begin);
    if (at == std::string_view::npos) break;
    out.push_back(in.slice(begin, at));
    begin = at + sep.size();
  }
  out.push_back(in.slice(begin, s.size()));
  return out;
}

std::vector<Text> split_lines(const Text& in, bool keep_ends) {
  std::vector<Text> out;
  const std::string_view s = in.view();
  size_t begin = 0;
  for (size_t at = 0; at < s.size();) {
    const Char c = char_at(s, at);
    const bool ends = (c.code >= 10 && c.code <= 13) || (c.code >= 0x1C && c.code <= 0x1E) || c.code == 0x85 ||
                      c.code == 0x2028 || c.code == 0x2029;
    const size_t stop = at;
    at += c.size;
    if (!ends) continue;
    if (c.code == '\r' && at < s.size() && s[at] == '\n') ++at;
    out.push_back(in.slice(begin, keep_ends ? at : stop));
    begin = at;
  }
  if (begin < s.size()) out.push_back(in.slice(begin, s.size()));
  return out;
}

Text replace(const Text& in, const Text& from, const Text& to, long long max) {
  Text out;
  const std::string_view s = in.view();
  size_t at = 0;
  for (long long n = 0; max < 0 || n < max; ++n) {
    if (from.empty()) {  // Python puts `to` before every character and at the end
      out.append(to);
      if (at == s.size()) return out;
      const size_t next = at + char_at(s, at).size;
      out.append_slice(in, at, next);
      at = next;
      continue;
    }
    const size_t hit = find_text(s, from.view(), at);
    if (hit == std::string_view::npos) break;
    out.append_slice(in, at, hit);
    out.append(to);
    at = hit + from.size();
  }
  out.append_slice(in, at, s.size());
  return out;
}

size_t find_text(std::string_view in, std::string_view what, size_t from) {
  if (from > in.size()) return std::string_view::npos;
  const void* hit = memmem(in.data() + from, in.size() - from, what.data(), what.size());
  return hit == nullptr ? std::string_view::npos : static_cast<size_t>(static_cast<const char*>(hit) - in.data());
}

size_t count_matches(std::string_view in, std::string_view what) {
  if (what.empty()) return count_chars(in) + 1;
  size_t n = 0;
  for (size_t at = find_text(in, what); at != std::string_view::npos; at = find_text(in, what, at + what.size())) ++n;
  return n;
}

}  // namespace kedge::tokenizer::jinja
