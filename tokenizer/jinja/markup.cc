// Jinja's "safe" strings (Markup). Templates use |safe as if it did nothing, but + with a safe string escapes the other
// side even where nothing else is escaped, and prompts were trained that way.
#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"

namespace kedge::tokenizer::jinja {
namespace {

Value escaped(Heap& heap, const Value& v) {
  return v.is_string() && !v.is_safe() ? heap.string(escape_html(heap, v.text()), true) : v;
}

Value made_safe(Heap& heap, const Value& v) {
  if (v.is_string()) return heap.string(v.text(), true);
  if (!v.is_list()) return v;
  List out;
  for (const Value& item : v.items()) out.push_back(made_safe(heap, item));
  return heap.list(std::move(out), v.is_tuple());
}

constexpr std::string_view kEscapesArguments[] = {"strip",  "lstrip", "rstrip", "replace",      "ljust",       "rjust",
                                                  "center", "zfill",  "format", "removeprefix", "removesuffix"};

}  // namespace

Text escape_html(Heap& heap, const Text& text) {
  heap.work(text.size() / 4);
  if (!heap.fits(text.memory() * 2)) return {};
  return map_chars(text, [](char32_t c, std::string* out) {
    switch (c) {
      case '&':
        *out += "&amp;";
        break;
      case '<':
        *out += "&lt;";
        break;
      case '>':
        *out += "&gt;";
        break;
      case '\'':
        *out += "&#39;";
        break;
      case '"':
        *out += "&#34;";
        break;
      default:
        append_char(c, out);
    }
  });
}

void escape_arguments(Heap& heap, Args* args) {
  for (Value& v : args->positional) v = escaped(heap, v);
  for (auto& named : args->named) named.second = escaped(heap, named.second);
}

Result<Value> call_string_method(Interpreter& in, const Value& self, const Builtin& method, const Args& args) {
  if (!self.is_safe()) return method.call(in, self, args);
  Heap& heap = in.heap();
  Args given = args;
  if (std::find(std::begin(kEscapesArguments), std::end(kEscapesArguments), method.name) !=
      std::end(kEscapesArguments)) {
    escape_arguments(heap, &given);
  } else if (method.name == "join" && !given.positional.empty()) {
    KEDGE_ASSIGN(list, to_list(heap, given.positional[0]));
    List items;
    for (const Value& v : list.items()) items.push_back(escaped(heap, v));
    given.positional[0] = heap.list(std::move(items));
  }
  KEDGE_ASSIGN(result, method.call(in, self, given));
  return made_safe(heap, result);
}

}  // namespace kedge::tokenizer::jinja
