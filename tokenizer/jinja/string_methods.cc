// Python's string methods. Input marks follow every byte; where a result is new text, it is input if its source was.
#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {
namespace {

template <bool kLeft, bool kRight>
Result<Value> str_strip(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"chars"}));
  if (b[0] == nullptr || b[0]->is_none()) return in.heap().string(strip(self.text(), "", kLeft, kRight));
  KEDGE_ASSIGN(chars, text_argument(b[0], "", "chars"));
  if (chars.empty()) return self;
  in.heap().work(self.text().size() * chars.size() / 64);
  return in.heap().string(strip(self.text(), chars.view(), kLeft, kRight));
}

template <bool kFromRight>
Result<Value> str_split(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"sep", "maxsplit"}));
  KEDGE_ASSIGN(max, int_argument(b[1], -1, "maxsplit"));
  Text sep;
  if (b[0] != nullptr && !b[0]->is_none()) {
    KEDGE_ASSIGN(given, text_argument(b[0], "", "sep"));
    if (given.empty()) return type_error("the separator is empty");
    sep = std::move(given);
  }
  Heap& heap = in.heap();
  // Each piece costs far more than its bytes.
  const size_t pieces = max >= 0 ? std::min(static_cast<size_t>(max), self.text().size()) : self.text().size();
  if (!heap.fits(std::min(pieces, sep.empty() ? pieces : count_matches(self.text().view(), sep.view())) * 160))
    return Error(heap.error());
  if (!heap.work(self.text().size() / 8 + (kFromRight ? self.text().size() * sep.size() / 64 : 0)))
    return Error(heap.error());
  List out;
  for (Text& t : split(self.text(), sep.view(), max, kFromRight)) out.push_back(heap.string(std::move(t)));
  return heap.list(std::move(out));
}

Result<Value> str_splitlines(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"keepends"}));
  Heap& heap = in.heap();
  if (!heap.work(self.text().size() / 4)) return Error(heap.error());
  List out;
  for (Text& t : split_lines(self.text(), flag_argument(b[0], false))) out.push_back(heap.string(std::move(t)));
  return heap.list(std::move(out));
}

template <bool kRight>
Result<Value> str_partition(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"sep"}, 1));
  KEDGE_ASSIGN(sep, text_argument(b[0], "", "sep"));
  if (sep.empty()) return type_error("the separator is empty");
  const Text& t = self.text();
  in.heap().work(t.size() / 16 + (kRight ? t.size() * sep.size() / 64 : 0));
  const size_t at = kRight ? t.view().rfind(sep.view()) : find_text(t.view(), sep.view());
  Heap& heap = in.heap();
  if (at == std::string_view::npos) {
    const Value none = heap.string("");
    return kRight ? heap.tuple({none, none, self}) : heap.tuple({self, none, none});
  }
  return heap.tuple({heap.string(t.slice(0, at)), *b[0], heap.string(t.slice(at + sep.size(), t.size()))});
}

// startswith and endswith take one string or a tuple of them.
template <bool kStart>
Result<Value> str_affix(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"affix"}, 1));
  const auto has = [&](const Value& v) {
    in.heap().work(1 + v.text().size() / 64);
    return kStart ? self.text().view().starts_with(v.text().view()) : self.text().view().ends_with(v.text().view());
  };
  if (b[0]->is_string()) return Value::boolean(has(*b[0]));
  if (!b[0]->is_tuple())
    return type_error(std::string("it needs a string or a tuple of strings, not '") + b[0]->type_name() + "'");
  for (const Value& v : b[0]->items()) {
    if (!v.is_string()) return type_error("it needs a tuple of strings");
    if (has(v)) return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <bool kPrefix>
Result<Value> str_remove(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"affix"}, 1));
  KEDGE_ASSIGN(affix, text_argument(b[0], "", "affix"));
  const Text& t = self.text();
  if (!(kPrefix ? t.view().starts_with(affix.view()) : t.view().ends_with(affix.view()))) return self;
  return in.heap().string(kPrefix ? t.slice(affix.size(), t.size()) : t.slice(0, t.size() - affix.size()));
}

template <Case kCase>
Result<Value> str_case(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  in.heap().work(self.text().size() / 4);
  return in.heap().string(map_chars(self.text(), [](char32_t c, std::string* out) { append_cased(c, kCase, out); }));
}

// Words begin after anything that is not a letter.
Result<Value> str_title(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  in.heap().work(self.text().size() / 4);
  bool inside = false;
  return in.heap().string(map_chars(self.text(), [&](char32_t c, std::string* out) {
    append_cased(c, inside ? Case::kLower : Case::kTitle, out);
    inside = is_alpha(c);
  }));
}

Result<Value> str_capitalize(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  in.heap().work(self.text().size() / 4);
  bool first = true;
  return in.heap().string(map_chars(self.text(), [&](char32_t c, std::string* out) {
    append_cased(c, first ? Case::kTitle : Case::kLower, out);
    first = false;
  }));
}

Result<Value> str_swapcase(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  in.heap().work(self.text().size() / 4);
  return in.heap().string(map_chars(self.text(), [](char32_t c, std::string* out) {
    append_cased(c, is_upper(c) ? Case::kLower : Case::kUpper, out);
  }));
}

Result<Value> str_replace(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"old", "new", "count"}, 2));
  KEDGE_ASSIGN(from, text_argument(b[0], "", "old"));
  KEDGE_ASSIGN(to, text_argument(b[1], "", "new"));
  KEDGE_ASSIGN(max, int_argument(b[2], -1, "count"));
  const Text& t = self.text();
  const size_t growth = to.memory() > from.size() ? to.memory() - from.size() : 0;
  const size_t hits = count_matches(t.view(), from.view());
  const size_t memory = in.heap().limits().max_memory_bytes;
  const bool enormous = growth != 0 && hits > memory / growth;
  if (!in.heap().fits(enormous ? memory + 1 : t.memory() + hits * growth)) return Error(in.heap().error());
  if (!in.heap().work((t.size() + hits * growth) / 16)) return Error(in.heap().error());
  return in.heap().string(replace(t, from, to, max));
}

Result<Value> str_join(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"iterable"}, 1));
  KEDGE_ASSIGN(list, to_list(in.heap(), *b[0]));
  Text out;
  for (size_t i = 0; i < list.items().size(); ++i) {
    const Value& v = list.items()[i];
    if (!v.is_string()) return type_error(std::string("join needs strings, found '") + v.type_name() + "'");
    if (!in.heap().work(1) || !in.heap().fits(out.memory() + v.text().size() + self.text().size()))
      return Error(in.heap().error());
    if (i > 0) out.append(self.text());
    out.append(v.text());
  }
  return in.heap().string(std::move(out));
}

// find, rfind, index, rindex, count within [start, end), in characters.
enum class Search { kFind, kRfind, kIndex, kRindex, kCount };
template <Search kSearch>
Result<Value> str_search(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"sub", "start", "end"}, 1));
  KEDGE_ASSIGN(sub, text_argument(b[0], "", "sub"));
  const auto n = static_cast<int64_t>(self.char_count());
  KEDGE_ASSIGN(start, int_argument(b[1] != nullptr && b[1]->is_none() ? nullptr : b[1], 0, "start"));
  KEDGE_ASSIGN(end, int_argument(b[2] != nullptr && b[2]->is_none() ? nullptr : b[2], n, "end"));
  const auto clip = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  const std::string_view s = self.text().view();
  const bool backwards = kSearch == Search::kRfind || kSearch == Search::kRindex;
  if (!in.heap().work(s.size() / 16 + (backwards ? s.size() * sub.size() / 64 : 0))) return Error(in.heap().error());
  const int64_t first = clip(start);
  const int64_t last = clip(end);
  const size_t from = byte_offset(s, static_cast<size_t>(first));
  const size_t to = byte_offset(s, static_cast<size_t>(last));
  const bool possible = start <= n && first <= last;
  const std::string_view part = possible ? s.substr(from, to - from) : std::string_view();
  if (kSearch == Search::kCount) return Value::integer(possible ? count_matches(part, sub.view()) : 0);
  const size_t at = !possible   ? std::string_view::npos
                    : backwards ? part.rfind(sub.view())
                                : find_text(part, sub.view());
  if (at != std::string_view::npos)
    return Value::integer(first + static_cast<int64_t>(count_chars(part.substr(0, at))));
  if (kSearch == Search::kIndex || kSearch == Search::kRindex) return type_error("the substring is not found");
  return Value::integer(int64_t{-1});
}

template <bool (*kIs)(char32_t)>
Result<Value> str_all(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  in.heap().work(self.text().size() / 16);
  const std::string_view s = self.text().view();
  for (size_t at = 0; at < s.size(); at += char_at(s, at).size) {
    if (!kIs(char_at(s, at).code)) return Value::boolean(false);
  }
  return Value::boolean(!s.empty());
}
bool is_alnum(char32_t c) { return is_alpha(c) || is_digit(c); }

Result<Value> cased_test(const Value& self, const char* test, Interpreter& in, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return find_test(test)->call(in, self, args);
}
Result<Value> str_isupper(Interpreter& in, const Value& self, const Args& args) {
  return cased_test(self, "upper", in, args);
}
Result<Value> str_islower(Interpreter& in, const Value& self, const Args& args) {
  return cased_test(self, "lower", in, args);
}

// ljust, rjust, center, zfill
enum class Pad { kLeft, kRight, kBoth, kZeros };
template <Pad kPad>
Result<Value> str_pad(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"width", "fillchar"}, 1));
  KEDGE_ASSIGN(width, int_argument(b[0], 0, "width"));
  KEDGE_ASSIGN(fill, text_argument(b[1], kPad == Pad::kZeros ? "0" : " ", "fillchar"));
  if (count_chars(fill.view()) != 1) return type_error("the fill must be one character");
  const auto n = static_cast<int64_t>(self.char_count());
  if (width <= n) return self;
  const auto gap = static_cast<size_t>(width - n);
  if (!in.heap().fits(std::min<size_t>(gap, in.heap().limits().max_memory_bytes) * (fill.memory() + 1)))
    return Error(in.heap().error());
  // Python's center: the odd place goes left when the width is odd.
  const size_t left = kPad == Pad::kLeft   ? 0
                      : kPad == Pad::kBoth ? gap / 2 + (gap & static_cast<size_t>(width) & 1)
                                           : gap;
  const bool sign =
      kPad == Pad::kZeros && !self.text().empty() && (self.text().bytes()[0] == '-' || self.text().bytes()[0] == '+');
  Text out = self.text().slice(0, sign ? 1 : 0);
  for (size_t i = 0; i < left; ++i) out.append(fill);
  out.append_slice(self.text(), sign ? 1 : 0, self.text().size());
  for (size_t i = left; i < gap; ++i) out.append(fill);
  return in.heap().string(std::move(out));
}

Result<Value> str_format(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(text, brace_format(in.heap(), self.text(), args));
  return in.heap().string(std::move(text));
}

constexpr Builtin kStringMethods[] = {
    {"strip", str_strip<true, true>},
    {"lstrip", str_strip<true, false>},
    {"rstrip", str_strip<false, true>},
    {"split", str_split<false>},
    {"rsplit", str_split<true>},
    {"splitlines", str_splitlines},
    {"partition", str_partition<false>},
    {"rpartition", str_partition<true>},
    {"startswith", str_affix<true>},
    {"endswith", str_affix<false>},
    {"removeprefix", str_remove<true>},
    {"removesuffix", str_remove<false>},
    {"upper", str_case<Case::kUpper>},
    {"lower", str_case<Case::kLower>},
    {"title", str_title},
    {"capitalize", str_capitalize},
    {"swapcase", str_swapcase},
    {"replace", str_replace},
    {"join", str_join},
    {"find", str_search<Search::kFind>},
    {"rfind", str_search<Search::kRfind>},
    {"index", str_search<Search::kIndex>},
    {"rindex", str_search<Search::kRindex>},
    {"count", str_search<Search::kCount>},
    {"isdigit", str_all<is_digit>},
    {"isdecimal", str_all<is_digit>},
    {"isalpha", str_all<is_alpha>},
    {"isalnum", str_all<is_alnum>},
    {"isspace", str_all<is_space>},
    {"isupper", str_isupper},
    {"islower", str_islower},
    {"ljust", str_pad<Pad::kLeft>},
    {"rjust", str_pad<Pad::kRight>},
    {"center", str_pad<Pad::kBoth>},
    {"zfill", str_pad<Pad::kZeros>},
    {"format", str_format},
};

}  // namespace

std::span<const Builtin> string_methods() { return kStringMethods; }

}  // namespace kedge::tokenizer::jinja
