#include "tokenizer/jinja/builtins.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {
namespace {

const Builtin* find_in(std::span<const Builtin> table, std::string_view name) {
  const auto it = std::find_if(table.begin(), table.end(), [&](const Builtin& b) { return b.name == name; });
  return it == table.end() ? nullptr : &*it;
}

// --- global functions

Result<Value> fn_range(Interpreter& in, const Value&, const Args& args) {
  constexpr int64_t kMaxRange = 100000;  // as in Jinja's sandbox
  KEDGE_ASSIGN(b, bind(args, {"start", "stop", "step"}, 1));
  KEDGE_ASSIGN(first, int_argument(b[0], 0, "start"));
  KEDGE_ASSIGN(second, int_argument(b[1], first, "stop"));
  KEDGE_ASSIGN(step, int_argument(b[2], 1, "step"));
  const int64_t start = b[1] == nullptr ? 0 : first;
  if (step == 0) return type_error("the step of range must not be zero");
  const double count =
      std::max(0.0, (static_cast<double>(second) - static_cast<double>(start)) / static_cast<double>(step));
  if (count > kMaxRange) {
    return Error{ErrorCode::kCapacity, "range of more than " + std::to_string(kMaxRange) + " numbers"};
  }
  List out;
  for (int64_t i = start; step > 0 ? i < second : i > second;) {
    out.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return in.heap().list(std::move(out));
}

// dict(a_dict, name=value ...)
Result<Dict> make_dict(Interpreter& in, const Args& args, const char* who) {
  Dict dict;
  if (args.positional.size() > 1) return type_error(std::string(who) + " takes one positional argument at most");
  if (!args.positional.empty()) {
    const Value& first = args.positional[0];
    if (first.is_dict()) {
      dict = first.dict();
    } else {
      KEDGE_ASSIGN(pairs, to_list(in.heap(), first));
      for (const Value& pair : pairs.items()) {
        KEDGE_ASSIGN(kv, to_list(in.heap(), pair));
        if (kv.items().size() != 2 || !Dict::hashable(kv.items()[0]))
          return type_error(std::string(who) + " needs pairs of key and value");
        dict.set(kv.items()[0], kv.items()[1]);
      }
    }
  }
  for (const auto& [name, v] : args.named) dict.set(Value::literal(name), v);
  return dict;
}

Result<Value> fn_dict(Interpreter& in, const Value&, const Args& args) {
  KEDGE_ASSIGN(dict, make_dict(in, args, "dict"));
  return in.heap().dict(std::move(dict));
}

Result<Value> fn_namespace(Interpreter& in, const Value&, const Args& args) {
  KEDGE_ASSIGN(dict, make_dict(in, args, "namespace"));
  for (const auto& entry : dict.entries()) {
    if (!entry.first.is_string()) return type_error("a namespace's attributes need names");
  }
  return in.new_namespace(std::move(dict));
}

Result<Value> fn_raise_exception(Interpreter& in, const Value&, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"message"}, 1));
  KEDGE_ASSIGN(text, to_text(in.heap(), *b[0]));
  return Error{ErrorCode::kInvalidArgument, "the template refuses: " + text.bytes()};
}

Result<Value> fn_strftime_now(Interpreter& in, const Value&, const Args& args) {
  constexpr size_t kMaxFormat = 256;
  KEDGE_ASSIGN(b, bind(args, {"format"}, 1));
  KEDGE_ASSIGN(format, text_argument(b[0], "", "format"));
  if (format.empty()) return in.heap().string("");
  if (format.size() > kMaxFormat) {
    return Error{ErrorCode::kCapacity,
                 "the format of strftime_now is longer than " + std::to_string(kMaxFormat) + " bytes"};
  }
  const std::time_t now = in.now() ? static_cast<std::time_t>(*in.now()) : std::time(nullptr);
  std::tm parts{};
  if (localtime_r(&now, &parts) == nullptr) return type_error("the time cannot be shown");
  std::array<char, 32 * kMaxFormat> buffer;         // no conversion is longer than that
  const std::string padded = format.bytes() + "|";  // so that an empty result is told from a failure
  const size_t n = std::strftime(buffer.data(), buffer.size(), padded.c_str(), &parts);
  if (n == 0) return type_error("the time cannot be shown in this format");
  return in.heap().string(Text(std::string_view(buffer.data(), n - 1), format.any_input()));
}

constexpr Builtin kFunctions[] = {
    {"range", fn_range},
    {"dict", fn_dict},
    {"namespace", fn_namespace},
    {"raise_exception", fn_raise_exception},
    {"strftime_now", fn_strftime_now},
};

// --- methods of dicts, lists and loops; those of strings are in string_methods.cc

Result<Value> dict_get(Interpreter&, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"key", "default"}, 1));
  if (const Value* v = self.dict().find(*b[0])) return *v;
  return b[1] != nullptr ? *b[1] : Value::none();
}
Result<Value> dict_items(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  List out;
  for (const auto& [k, v] : self.dict().entries()) out.push_back(in.heap().tuple({k, v}));
  return in.heap().list(std::move(out));
}
Result<Value> dict_keys(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return to_list(in.heap(), self);
}
Result<Value> dict_values(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  List out;
  for (const auto& entry : self.dict().entries()) out.push_back(entry.second);
  return in.heap().list(std::move(out));
}
Result<Value> same_value(Interpreter&, const Value& self, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  return self;
}

constexpr Builtin kDictMethods[] = {
    {"get", dict_get}, {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"copy", same_value},
    {"pop", nullptr},  {"update", nullptr},   {"clear", nullptr},  {"popitem", nullptr},    {"setdefault", nullptr},
};

Result<Value> list_index(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"value"}, 1));
  for (size_t i = 0; i < self.items().size(); ++i) {
    if (equal(in.heap(), self.items()[i], *b[0])) return Value::integer(i);
  }
  return type_error("the value is not in the list");
}
Result<Value> list_count(Interpreter& in, const Value& self, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"value"}, 1));
  size_t n = 0;
  for (const Value& v : self.items()) n += equal(in.heap(), v, *b[0]) ? 1 : 0;
  return Value::integer(n);
}

constexpr Builtin kListMethods[] = {
    {"index", list_index}, {"count", list_count}, {"copy", same_value}, {"append", nullptr},
    {"extend", nullptr},   {"insert", nullptr},   {"pop", nullptr},     {"remove", nullptr},
    {"clear", nullptr},    {"reverse", nullptr},  {"sort", nullptr},
};

Result<Value> loop_cycle(Interpreter&, const Value& self, const Args& args) {
  if (args.positional.empty() || !args.named.empty()) return type_error("loop.cycle needs values");
  return args.positional[self.loop().index0 % args.positional.size()];
}
Result<Value> loop_changed(Interpreter& in, const Value& self, const Args& args) {
  LoopRep& loop = self.loop();
  // Not the value itself, which might hold the loop: a circle would never be freed.
  for (const Value& v : args.positional) {
    if (v.kind() >= Kind::kNamespace)
      return type_error(std::string("loop.changed does not work on a ") + v.type_name());
  }
  const Value now = in.heap().tuple(args.positional);
  const bool changed = !loop.has_changed || !equal(in.heap(), loop.last_changed, now);
  loop.has_changed = true;
  loop.last_changed = now;
  return Value::boolean(changed);
}

constexpr Builtin kLoopMethods[] = {{"cycle", loop_cycle}, {"changed", loop_changed}};

}  // namespace

const Builtin* find_function(std::string_view name) { return find_in(kFunctions, name); }

const Builtin* find_filter(std::string_view name) {
  const Builtin* b = find_in(text_filters(), name);
  return b != nullptr ? b : find_in(list_filters(), name);
}

const Builtin* find_method(const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::kString:
      return find_in(string_methods(), name);
    case Kind::kList:
      return find_in(kListMethods, name);
    case Kind::kDict:
      return find_in(kDictMethods, name);
    case Kind::kLoop:
      return find_in(kLoopMethods, name);
    default:
      return nullptr;
  }
}

std::optional<Value> loop_attribute(const Value& self, std::string_view name) {
  const LoopRep& loop = self.loop();
  const List& items = loop.list.items();
  const size_t i = loop.index0;
  if (name == "index") return Value::integer(i + 1);
  if (name == "index0") return Value::integer(i);
  if (name == "first") return Value::boolean(i == 0);
  if (name == "last") return Value::boolean(i + 1 == items.size());
  if (name == "length") return Value::integer(items.size());
  if (name == "revindex") return Value::integer(items.size() - i);
  if (name == "revindex0") return Value::integer(items.size() - i - 1);
  if (name == "depth") return Value::integer(int64_t{loop.depth});
  if (name == "depth0") return Value::integer(int64_t{loop.depth} - 1);
  if (name == "previtem") return i > 0 ? items[i - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem") return i + 1 < items.size() ? items[i + 1] : Value::undefined("there is no next item");
  return std::nullopt;
}

Result<Bound> bind(const Args& args, std::initializer_list<std::string_view> parameters, size_t required) {
  Bound out(parameters.size(), nullptr);
  if (args.positional.size() > parameters.size()) {
    return type_error("it takes not more than " + std::to_string(parameters.size()) + " arguments, got " +
                      std::to_string(args.positional.size()));
  }
  for (size_t i = 0; i < args.positional.size(); ++i) out[i] = &args.positional[i];
  for (const auto& [name, v] : args.named) {
    const auto it = std::find(parameters.begin(), parameters.end(), name);
    if (it == parameters.end()) return type_error("it takes no argument '" + name + "'");
    const Value*& slot = out[static_cast<size_t>(it - parameters.begin())];
    if (slot != nullptr) return type_error("two values for the argument '" + name + "'");
    slot = &v;
  }
  for (size_t i = 0; i < required; ++i) {
    if (out[i] == nullptr) return type_error("the argument '" + std::string(parameters.begin()[i]) + "' is missing");
  }
  return out;
}

Result<int64_t> int_argument(const Value* v, int64_t fallback, std::string_view name) {
  if (v == nullptr) return fallback;
  if (!v->is_integral())
    return type_error("the argument '" + std::string(name) + "' must be an integer, not '" + v->type_name() + "'");
  return v->as_int();
}

Result<Text> text_argument(const Value* v, std::string_view fallback, std::string_view name) {
  if (v == nullptr) return Text(fallback);
  if (!v->is_string())
    return type_error("the argument '" + std::string(name) + "' must be a string, not '" + v->type_name() + "'");
  return v->text();
}

}  // namespace kedge::tokenizer::jinja
