// What templates can name without defining it. A name that is not there is an error when it is used, as in Jinja:
// templates name filters of other programs in branches that are never taken.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/jinja/value.h"

namespace kedge::tokenizer::jinja {

class Interpreter;

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// `subject` is what stands left of | or of the dot; undefined for functions.
using Native = Result<Value> (*)(Interpreter& in, const Value& subject, const Args& args);

struct Builtin {
  std::string_view name;
  Native call = nullptr;  // null: known to Jinja, refused here (a method that changes its object)
};

const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_function(std::string_view name);
// Methods of strings, lists, dicts and loops; null when the type has no such method.
const Builtin* find_method(const Value& self, std::string_view name);

// A method of a string, with what markup asks for: a safe string's arguments are escaped and its results are safe.
Result<Value> call_string_method(Interpreter& in, const Value& self, const Builtin& method, const Args& args);
Text escape_html(Heap& heap, const Text& text);
void escape_arguments(Heap& heap, Args* args);

// index, first, last, previtem ... of a loop; none for other names.
std::optional<Value> loop_attribute(const Value& loop, std::string_view name);

std::span<const Builtin> text_filters();
std::span<const Builtin> list_filters();
std::span<const Builtin> string_methods();

// Arguments put in their parameters' places; null where none was given. Points into `args`.
using Bound = std::vector<const Value*>;
Result<Bound> bind(const Args& args, std::initializer_list<std::string_view> parameters, size_t required = 0);
// The int, bool or string that an argument must be.
Result<int64_t> int_argument(const Value* v, int64_t fallback, std::string_view name);
Result<Text> text_argument(const Value* v, std::string_view fallback, std::string_view name);
inline bool flag_argument(const Value* v, bool fallback) { return v == nullptr ? fallback : truthy(*v); }

}  // namespace kedge::tokenizer::jinja
