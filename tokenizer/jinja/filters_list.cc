// Filters on lists and dicts.
#include <algorithm>
#include <charconv>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/print.h"

namespace kedge::tokenizer::jinja {
namespace {

// attribute="a.b.0": each part a member, or an index when it is a number. None: the item itself.
Result<Value> path(Interpreter& in, const Value& item, const Value* attribute) {
  if (attribute == nullptr || attribute->is_none()) return item;
  if (attribute->is_integral()) return in.get_item(item, *attribute);
  KEDGE_ASSIGN(text, text_argument(attribute, "", "attribute"));
  Value v = item;
  for (const Text& part : split(text, ".", -1, false)) {
    int64_t index = 0;
    const char* end = part.bytes().data() + part.size();
    const auto r = std::from_chars(part.bytes().data(), end, index);
    const bool number = r.ec == std::errc() && r.ptr == end && index >= 0 && !part.empty();
    KEDGE_ASSIGN(next, in.get_item(v, number ? Value::integer(index) : in.heap().string(part)));
    v = std::move(next);
  }
  return v;
}

// What sorting and comparing filters look at: strings without their case unless asked.
Result<Value> sort_key(Interpreter& in, const Value& item, const Value* attribute, bool case_sensitive) {
  KEDGE_ASSIGN(v, path(in, item, attribute));
  if (case_sensitive || !v.is_string()) return v;
  return find_method(v, "lower")->call(in, v, {});
}

struct Keyed {
  Value item;
  List keys;
};

Result<int> order_keys(Heap& heap, const List& a, const List& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    KEDGE_ASSIGN(sign, order(heap, a[i], b[i]));
    if (sign != 0) return sign;
  }
  return 0;
}

// A merge sort of our own: comparing may fail, which std::sort could not survive.
Status merge_sort(Heap& heap, std::vector<Keyed>* items, bool reverse) {
  std::vector<Keyed> other(items->size());
  for (size_t width = 1; width < items->size(); width *= 2) {
    for (size_t begin = 0; begin < items->size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, items->size());
      const size_t end = std::min(begin + 2 * width, items->size());
      size_t a = begin;
      size_t b = middle;
      for (size_t k = begin; k < end; ++k) {
        bool take_a = b == end;
        if (a < middle && b < end) {
          KEDGE_ASSIGN(sign, order_keys(heap, (*items)[a].keys, (*items)[b].keys));
          if (heap.failed()) return Error(heap.error());
          take_a = reverse ? sign >= 0 : sign <= 0;
        }
        other[k] = std::move((*items)[take_a ? a++ : b++]);
      }
    }
    items->swap(other);
  }
  return {};
}

Value unkeyed(Heap& heap, std::vector<Keyed> items) {
  List out;
  for (Keyed& k : items) out.push_back(std::move(k.item));
  return heap.list(std::move(out));
}

Result<Value> f_length(Interpreter&, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  KEDGE_ASSIGN(n, length(subject));
  return Value::integer(n);
}

Result<Value> f_join(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"d", "attribute"}));
  Text separator;
  if (b[0] != nullptr) {
    KEDGE_ASSIGN(given, to_text(in.heap(), *b[0]));
    separator = std::move(given);
  }
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  Text out;
  for (size_t i = 0; i < list.items().size(); ++i) {
    KEDGE_ASSIGN(v, path(in, list.items()[i], b[1]));
    KEDGE_ASSIGN(text, to_text(in.heap(), v));
    if (!in.heap().work(1) || !in.heap().fits(out.memory() + text.size() + separator.size()))
      return Error(in.heap().error());
    if (i > 0) out.append(separator);
    out.append(text);
  }
  return in.heap().string(std::move(out));
}

Result<Value> f_first(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  if (subject.is_string() && !subject.text().empty()) return in.get_item(subject, Value::integer(int64_t{0}));
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  return list.items().empty() ? Value::undefined("there is no first item in an empty list") : list.items().front();
}
Result<Value> f_last(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  if (subject.is_string() && !subject.text().empty()) return in.get_item(subject, Value::integer(int64_t{-1}));
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  return list.items().empty() ? Value::undefined("there is no last item in an empty list") : list.items().back();
}

Result<Value> f_list(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  return list.is_tuple() ? in.heap().list(list.items()) : std::move(list);
}

Result<Value> f_items(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  if (subject.is_undefined()) return in.heap().list({});
  if (!subject.is_dict()) return type_error(std::string("items needs a dict, not '") + subject.type_name() + "'");
  return find_method(subject, "items")->call(in, subject, {});
}

Result<Value> f_dictsort(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"case_sensitive", "by", "reverse"}));
  KEDGE_ASSIGN(by, text_argument(b[1], "key", "by"));
  if (by.view() != "key" && by.view() != "value") return type_error("dictsort sorts by 'key' or 'value'");
  if (!subject.is_dict()) return type_error(std::string("dictsort needs a dict, not '") + subject.type_name() + "'");
  std::vector<Keyed> items;
  for (const auto& [k, v] : subject.dict().entries()) {
    KEDGE_ASSIGN(key, sort_key(in, by.view() == "key" ? k : v, nullptr, flag_argument(b[0], false)));
    items.push_back({in.heap().tuple({k, v}), {std::move(key)}});
  }
  KEDGE_TRY(merge_sort(in.heap(), &items, flag_argument(b[2], false)));
  return unkeyed(in.heap(), std::move(items));
}

Result<Value> f_sort(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"reverse", "case_sensitive", "attribute"}));
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  List attributes;  // "a,b": by a, then by b
  if (b[2] != nullptr && b[2]->is_string()) {
    for (Text& part : split(b[2]->text(), ",", -1, false)) attributes.push_back(in.heap().string(std::move(part)));
  } else {
    attributes.push_back(b[2] != nullptr ? *b[2] : Value::none());
  }
  std::vector<Keyed> items;
  for (const Value& item : list.items()) {
    Keyed keyed{item, {}};
    for (const Value& a : attributes) {
      KEDGE_ASSIGN(key, sort_key(in, item, &a, flag_argument(b[1], false)));
      keyed.keys.push_back(std::move(key));
    }
    if (!in.heap().work(attributes.size())) return Error(in.heap().error());
    items.push_back(std::move(keyed));
  }
  KEDGE_TRY(merge_sort(in.heap(), &items, flag_argument(b[0], false)));
  return unkeyed(in.heap(), std::move(items));
}

Result<Value> f_unique(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"case_sensitive", "attribute"}));
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  Dict seen;
  List out;
  for (const Value& item : list.items()) {
    KEDGE_ASSIGN(key, sort_key(in, item, b[1], flag_argument(b[0], false)));
    if (!Dict::hashable(key))
      return type_error(std::string("unique does not work on items of type '") + key.type_name() + "'");
    if (!in.heap().work(1) || seen.find(key) != nullptr) continue;
    seen.set(key, Value::none());
    out.push_back(item);
  }
  return in.heap().list(std::move(out));
}

template <bool kMax>
Result<Value> f_extreme(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"case_sensitive", "attribute"}));
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  if (list.items().empty()) return Value::undefined("there is no item in an empty list");
  Value best = list.items().front();
  KEDGE_ASSIGN(best_key, sort_key(in, best, b[1], flag_argument(b[0], false)));
  for (const Value& item : list.items()) {
    KEDGE_ASSIGN(key, sort_key(in, item, b[1], flag_argument(b[0], false)));
    KEDGE_ASSIGN(sign, order(in.heap(), key, best_key));
    if (kMax ? sign <= 0 : sign >= 0) continue;
    best = item;
    best_key = std::move(key);
  }
  return best;
}

Result<Value> f_sum(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(b, bind(args, {"attribute", "start"}));
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  Value total = b[1] != nullptr ? *b[1] : Value::integer(int64_t{0});
  if (total.is_string()) return type_error("sum does not work on strings; use join");
  for (const Value& item : list.items()) {
    KEDGE_ASSIGN(v, path(in, item, b[0]));
    KEDGE_ASSIGN(next, binary_operation(in.heap(), Op::kAdd, total, v));
    if (!in.heap().work(1)) return Error(in.heap().error());
    total = std::move(next);
  }
  return total;
}

Result<Value> f_reverse(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_TRY(bind(args, {}));
  KEDGE_ASSIGN(list, to_list(in.heap(), subject));
  List reversed(list.items().rbegin(), list.items().rend());
  if (!subject.is_string()) return in.heap().list(std::move(reversed));
  Text out;
  for (const Value& v : reversed) out.append(v.text());
  return in.heap().string(std::move(out), subject.is_safe());
}

Args rest(const Args& args, size_t from) {
  Args out;
  for (size_t i = from; i < args.positional.size(); ++i) out.positional.push_back(args.positional[i]);
  out.named = args.named;
  return out;
}

// map, select and reject take anything false for an empty list, as Jinja's do.
Result<Value> to_list_or_empty(Heap& heap, const Value& v) { return truthy(v) ? to_list(heap, v) : heap.list({}); }

// map(attribute="a", default=x) or map("filter", arguments ...)
Result<Value> f_map(Interpreter& in, const Value& subject, const Args& args) {
  KEDGE_ASSIGN(list, to_list_or_empty(in.heap(), subject));
  List out;
  if (args.positional.empty()) {
    KEDGE_ASSIGN(b, bind(args, {"attribute", "default"}, 1));
    for (const Value& item : list.items()) {
      KEDGE_ASSIGN(v, path(in, item, b[0]));
      out.push_back(v.is_undefined() && b[1] != nullptr ? *b[1] : std::move(v));
    }
    return in.heap().list(std::move(out));
  }
  KEDGE_ASSIGN(name, text_argument(&args.positional[0], "", "filter"));
  const Builtin* filter = find_filter(name.view());
  if (filter == nullptr)
    return Error{ErrorCode::kUnsupported, "the filter '" + name.bytes().substr(0, 80) + "' is not supported"};
  const Args arguments = rest(args, 1);
  for (const Value& item : list.items()) {
    if (!in.heap().work(1)) return Error(in.heap().error());
    KEDGE_ASSIGN(v, filter->call(in, item, arguments));
    out.push_back(std::move(v));
  }
  return in.heap().list(std::move(out));
}

// select, reject, selectattr, rejectattr: [attribute,] [test, arguments ...]
template <bool kAttribute, bool kKeep>
Result<Value> f_select(Interpreter& in, const Value& subject, const Args& args) {
  const size_t test_at = kAttribute ? 1 : 0;
  if (args.positional.size() < test_at) return type_error("the attribute's name is missing");
  const Builtin* test = nullptr;
  if (args.positional.size() > test_at) {
    KEDGE_ASSIGN(name, text_argument(&args.positional[test_at], "", "test"));
    test = find_test(name.view());
    if (test == nullptr)
      return Error{ErrorCode::kUnsupported, "the test '" + name.bytes().substr(0, 80) + "' is not supported"};
  }
  const Args arguments = rest(args, test_at + 1);
  KEDGE_ASSIGN(list, to_list_or_empty(in.heap(), subject));
  List out;
  for (const Value& item : list.items()) {
    if (!in.heap().work(1)) return Error(in.heap().error());
    KEDGE_ASSIGN(v, path(in, item, kAttribute ? &args.positional[0] : nullptr));
    bool holds = truthy(v);
    if (test != nullptr) {
      KEDGE_ASSIGN(result, test->call(in, v, arguments));
      holds = truthy(result);
    }
    if (holds == kKeep) out.push_back(item);
  }
  return in.heap().list(std::move(out));
}

constexpr Builtin kListFilters[] = {
    {"length", f_length},
    {"count", f_length},
    {"join", f_join},
    {"first", f_first},
    {"last", f_last},
    {"list", f_list},
    {"items", f_items},
    {"dictsort", f_dictsort},
    {"sort", f_sort},
    {"unique", f_unique},
    {"min", f_extreme<false>},
    {"max", f_extreme<true>},
    {"sum", f_sum},
    {"reverse", f_reverse},
    {"map", f_map},
    {"select", f_select<false, true>},
    {"reject", f_select<false, false>},
    {"selectattr", f_select<true, true>},
    {"rejectattr", f_select<true, false>},
};

}  // namespace

std::span<const Builtin> list_filters() { return kListFilters; }

}  // namespace kedge::tokenizer::jinja
