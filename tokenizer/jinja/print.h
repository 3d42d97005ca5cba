// Values as text: Python's str() and repr(), JSON as Hugging Face's tojson writes it, and C- and Python-style formats.
// Input marks follow the strings that were printed; punctuation belongs to the template.
#pragma once

#include <string>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/value.h"

namespace kedge::tokenizer::jinja {

// str(value). Undefined is empty; namespaces, macros and functions cannot be printed.
Result<Text> to_text(Heap& heap, const Value& v);
Result<Text> repr(Heap& heap, const Value& v);
// Python's repr of a float: the shortest digits that read back the same.
std::string float_repr(double d);

struct JsonStyle {
  int indent = -1;  // < 0: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ensure_ascii = false;
  bool sort_keys = false;
};
Result<Text> to_json(Heap& heap, const Value& v, const JsonStyle& style);

// '%s and %d' % values. Conversions: s r d i f %, flags '-' '0', width, precision.
Result<Text> percent_format(Heap& heap, const Text& format, const Args& args);
// '{} {0} {name}'.format(...). Specifications: [[fill]<>^][0][width][.precision][s|d|f].
Result<Text> brace_format(Heap& heap, const Text& format, const Args& args);

}  // namespace kedge::tokenizer::jinja
