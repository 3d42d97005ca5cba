// The values a template computes with. A Value is small and copied freely; strings, lists and dicts are immutable and
// shared. Only namespaces change, and they are compared and printed by nobody, so values never contain a visible cycle.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/base/result.h"
#include "tokenizer/jinja/limits.h"
#include "tokenizer/jinja/text.h"

namespace kedge::tokenizer::jinja {

class Heap;
class Value;
class Interpreter;
struct Builtin;
struct StringRep;
struct ListRep;
struct DictRep;
struct NamespaceRep;
struct LoopRep;
struct MacroRep;
struct FunctionRep;
using List = std::vector<Value>;

enum class Kind { kUndefined, kNone, kBool, kInt, kFloat, kString, kList, kDict, kNamespace, kLoop, kMacro, kFunction };

class Value {
 public:
  Value() = default;                        // undefined, without a name
  static Value undefined(std::string why);  // `why` completes the error when it is used: "'x' is undefined"
  static Value none() { return Value(Data(std::in_place_index<1>)); }
  static Value boolean(bool b) { return Value(Data(std::in_place_index<2>, b)); }
  static Value integer(int64_t i) { return Value(Data(std::in_place_index<3>, i)); }
  static Value integer(size_t i) { return integer(static_cast<int64_t>(i)); }
  static Value number(double d) { return Value(Data(std::in_place_index<4>, d)); }
  static Value literal(std::string_view bytes);  // a string of the template itself, outside any heap
  template <class Rep>
  static Value of(std::shared_ptr<Rep> rep) {
    return Value(Data(std::move(rep)));
  }

  Kind kind() const { return static_cast<Kind>(v_.index()); }
  bool is(Kind k) const { return kind() == k; }
  bool is_undefined() const { return is(Kind::kUndefined); }
  bool is_none() const { return is(Kind::kNone); }
  bool is_string() const { return is(Kind::kString); }
  bool is_safe() const;  // a string that |safe or |escape made: joined by + to another, that one is escaped
  bool is_list() const { return is(Kind::kList); }  // list or tuple
  bool is_tuple() const;
  bool is_dict() const { return is(Kind::kDict); }
  bool is_number() const { return is(Kind::kBool) || is(Kind::kInt) || is(Kind::kFloat); }
  bool is_integral() const { return is(Kind::kBool) || is(Kind::kInt); }

  // Each needs the matching kind.
  int64_t as_int() const;     // bool or int
  double as_double() const;   // any number
  const Text& text() const;   // string
  size_t char_count() const;  // string
  const List& items() const;  // list or tuple
  const class Dict& dict() const;
  NamespaceRep& name_space() const { return *std::get<8>(v_); }
  LoopRep& loop() const { return *std::get<9>(v_); }
  const MacroRep& macro() const { return *std::get<10>(v_); }
  const FunctionRep& function() const { return *std::get<11>(v_); }
  std::string why_undefined() const;

  const char* type_name() const;  // Python's
  int depth() const;              // 0 for scalars, else 1 + that of the deepest member
  bool same_object(const Value& other) const;

 private:
  using Data = std::variant<std::shared_ptr<const std::string>, std::monostate, bool, int64_t, double,
                            std::shared_ptr<const StringRep>, std::shared_ptr<const ListRep>,
                            std::shared_ptr<const DictRep>, std::shared_ptr<NamespaceRep>, std::shared_ptr<LoopRep>,
                            std::shared_ptr<const MacroRep>, std::shared_ptr<const FunctionRep>>;
  explicit Value(Data d) : v_(std::move(d)) {}
  Data v_;
};

// Insertion-ordered. Keys are strings, numbers or none, equal as in Python (1 == 1.0 == true).
class Dict {
 public:
  const std::vector<std::pair<Value, Value>>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(const Value& key, Value value);  // key must be hashable()
  static bool hashable(const Value& key);

 private:
  const Value* find_canonical(const std::string& key) const;
  std::vector<std::pair<Value, Value>> entries_;
  std::unordered_map<std::string, size_t> index_;
};

// Counts what one rendering costs. A limit that is exceeded is remembered and reported at the next evaluation step;
// until then operations go on with empty results. Outlives every value it made.
class Heap {
 public:
  explicit Heap(const Limits& limits) : limits_(limits) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  Value string(Text text, bool safe = false);
  Value string(std::string_view bytes) { return string(Text(bytes)); }
  Value list(List items, bool tuple = false);
  Value tuple(List items) { return list(std::move(items), true); }
  Value dict(Dict dict);
  Value function(const Value& self, const Builtin* builtin);

  // Pays for `n` elementary operations; false once a limit has been exceeded.
  bool work(uint64_t n);
  // False (and failed) if `bytes` more would exceed the memory limit. Ask before an operation that can grow its input.
  bool fits(size_t bytes);
  void hold(size_t bytes);
  void release(size_t bytes) { held_ -= bytes; }
  void fail(ErrorCode code, std::string message);
  bool failed() const { return failed_; }
  const Error& error() const { return error_; }
  const Limits& limits() const { return limits_; }
  uint64_t steps() const { return steps_; }

 private:
  Limits limits_;
  uint64_t steps_ = 0;
  size_t held_ = 0;
  bool failed_ = false;
  Error error_;
};

// Bytes counted for as long as this object lives.
class Held {
 public:
  Held() = default;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (heap_ != nullptr) heap_->release(bytes_);
  }
  void take(Heap* heap, size_t bytes) {
    heap_ = heap;
    bytes_ = bytes;
    heap->hold(bytes);
  }

 private:
  Heap* heap_ = nullptr;
  size_t bytes_ = 0;
};

struct NamespaceRep {
  std::unordered_map<std::string, Value> attributes;
};

struct LoopRep {
  Value list;  // all items, after the loop's own filter
  size_t index0 = 0;
  int depth = 1;
  Value last_changed;
  bool has_changed = false;
  Held held;
};

// A builtin, with the value it is a method of (undefined for a global function).
struct FunctionRep {
  Value self;
  const Builtin* builtin = nullptr;
  Held held;
};

bool truthy(const Value& v);
// Python's ==; work is charged to the heap.
bool equal(Heap& heap, const Value& a, const Value& b);
// <0, 0, >0; an error for types without an order.
Result<int> order(Heap& heap, const Value& a, const Value& b, std::string_view op = "<");
// `needle in haystack`
Result<bool> contains(Heap& heap, const Value& haystack, const Value& needle);
// The items of anything a for statement accepts, as a list value: characters of a string, keys of a dict.
Result<Value> to_list(Heap& heap, const Value& v);
Result<size_t> length(const Value& v);

// Errors of a template at run time: kInvalidArgument with the message.
Error type_error(std::string message);

}  // namespace kedge::tokenizer::jinja
