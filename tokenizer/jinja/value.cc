#include "tokenizer/jinja/value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace kedge::tokenizer::jinja {

struct StringRep {
  Text text;
  size_t chars = 0;
  bool safe = false;
  Held held;
  StringRep(Text t, Heap* heap, bool is_safe) : text(std::move(t)), chars(count_chars(text.view())), safe(is_safe) {
    if (heap != nullptr) held.take(heap, sizeof(StringRep) + text.memory());
  }
};

struct ListRep {
  List items;
  bool tuple = false;
  int depth = 1;
  Held held;
};

struct DictRep {
  Dict dict;
  int depth = 1;
  Held held;
};

namespace {

constexpr size_t kEntryBytes = 2 * sizeof(Value) + 96;  // a dict entry with its share of the index
constexpr size_t kIndexedFrom = 9;                      // smaller dicts are searched one by one

std::string canonical_key(std::string_view s) { return "s" + std::string(s); }
std::string canonical_key(const Value& v) {
  if (v.is_string()) return canonical_key(v.text().view());
  if (v.is_none()) return "n";
  const double d = v.as_double();
  if (v.is_integral()) return "i" + std::to_string(v.as_int());
  if (d == std::floor(d) && std::fabs(d) < 9e18) return "i" + std::to_string(static_cast<int64_t>(d));
  return "f" + std::to_string(std::bit_cast<uint64_t>(d));
}

}  // namespace

Value Value::undefined(std::string why) { return Value(Data(std::make_shared<const std::string>(std::move(why)))); }
Value Value::literal(std::string_view bytes) {
  return of(std::shared_ptr<const StringRep>(std::make_shared<StringRep>(Text(bytes), nullptr, false)));
}

bool Value::is_safe() const { return is_string() && std::get<5>(v_)->safe; }
bool Value::is_tuple() const { return is_list() && std::get<6>(v_)->tuple; }
int64_t Value::as_int() const { return is(Kind::kBool) ? int64_t{std::get<2>(v_)} : std::get<3>(v_); }
double Value::as_double() const { return is(Kind::kFloat) ? std::get<4>(v_) : static_cast<double>(as_int()); }
const Text& Value::text() const { return std::get<5>(v_)->text; }
size_t Value::char_count() const { return std::get<5>(v_)->chars; }
const List& Value::items() const { return std::get<6>(v_)->items; }
const Dict& Value::dict() const { return std::get<7>(v_)->dict; }
std::string Value::why_undefined() const {
  const auto& why = std::get<0>(v_);
  return why ? *why : "the value is undefined";
}

const char* Value::type_name() const {
  static constexpr const char* kNames[] = {"Undefined", "NoneType", "bool",      "int",  "float", "str",
                                           "list",      "dict",     "namespace", "loop", "macro", "function"};
  return is_tuple() ? "tuple" : kNames[v_.index()];
}

int Value::depth() const {
  if (is_list()) return std::get<6>(v_)->depth;
  if (is_dict()) return std::get<7>(v_)->depth;
  return 0;
}

bool Value::same_object(const Value& other) const { return v_ == other.v_; }

const Value* Dict::find_canonical(const std::string& key) const {
  const auto it = index_.find(key);
  return it == index_.end() ? nullptr : &entries_[it->second].second;
}

const Value* Dict::find(std::string_view key) const {
  if (!index_.empty()) return find_canonical(canonical_key(key));
  for (const auto& [k, v] : entries_) {
    if (k.is_string() && k.text().view() == key) return &v;
  }
  return nullptr;
}

const Value* Dict::find(const Value& key) const {
  if (!hashable(key)) return nullptr;
  if (key.is_string()) return find(key.text().view());
  const std::string wanted = canonical_key(key);
  if (!index_.empty()) return find_canonical(wanted);
  for (const auto& [k, v] : entries_) {
    if (!k.is_string() && canonical_key(k) == wanted) return &v;
  }
  return nullptr;
}

void Dict::set(const Value& key, Value value) {
  if (const Value* old = find(key)) {
    *const_cast<Value*>(old) = std::move(value);
    return;
  }
  entries_.emplace_back(key, std::move(value));
  if (entries_.size() < kIndexedFrom) return;
  for (size_t i = index_.size(); i < entries_.size(); ++i) index_.emplace(canonical_key(entries_[i].first), i);
}

bool Dict::hashable(const Value& key) { return key.is_string() || key.is_number() || key.is_none(); }

bool Heap::work(uint64_t n) {
  steps_ += n;
  if (steps_ > limits_.max_steps) {
    fail(ErrorCode::kCapacity,
         "the template takes more than " + std::to_string(limits_.max_steps) + " steps (limit max_steps)");
  }
  return !failed_;
}

bool Heap::fits(size_t bytes) {
  if (bytes > limits_.max_memory_bytes || held_ > limits_.max_memory_bytes - bytes) {
    fail(ErrorCode::kCapacity, "the template's values take more than " + std::to_string(limits_.max_memory_bytes) +
                                   " bytes (limit max_memory_bytes)");
  }
  return !failed_;
}

void Heap::hold(size_t bytes) {
  fits(bytes);
  held_ += bytes;
}

void Heap::fail(ErrorCode code, std::string message) {
  if (failed_) return;
  failed_ = true;
  error_ = {code, std::move(message)};
}

Value Heap::string(Text text, bool safe) {
  work(text.size() / 16);
  return Value::of(std::shared_ptr<const StringRep>(std::make_shared<StringRep>(std::move(text), this, safe)));
}

Value Heap::list(List items, bool tuple) {
  work(items.size() / 4);
  auto rep = std::make_shared<ListRep>();
  rep->tuple = tuple;
  rep->items = std::move(items);
  for (const Value& v : rep->items) rep->depth = std::max(rep->depth, v.depth() + 1);
  rep->held.take(this, sizeof(ListRep) + rep->items.capacity() * sizeof(Value));
  if (rep->depth > static_cast<int>(limits_.max_depth)) {
    rep->items.clear();
    fail(ErrorCode::kCapacity,
         "a list is nested more than " + std::to_string(limits_.max_depth) + " deep (limit max_depth)");
  }
  return Value::of(std::shared_ptr<const ListRep>(std::move(rep)));
}

Value Heap::dict(Dict dict) {
  work(dict.size() / 2);
  auto rep = std::make_shared<DictRep>();
  rep->dict = std::move(dict);
  for (const auto& [k, v] : rep->dict.entries()) rep->depth = std::max(rep->depth, v.depth() + 1);
  rep->held.take(this, sizeof(DictRep) + rep->dict.size() * kEntryBytes);
  if (rep->depth > static_cast<int>(limits_.max_depth)) {
    rep->dict = Dict();
    fail(ErrorCode::kCapacity,
         "a dict is nested more than " + std::to_string(limits_.max_depth) + " deep (limit max_depth)");
  }
  return Value::of(std::shared_ptr<const DictRep>(std::move(rep)));
}

Value Heap::function(const Value& self, const Builtin* builtin) {
  auto rep = std::make_shared<FunctionRep>();
  rep->self = self;
  rep->builtin = builtin;
  rep->held.take(this, sizeof(FunctionRep));
  return Value::of(std::shared_ptr<const FunctionRep>(std::move(rep)));
}

bool truthy(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return v.as_int() != 0;
    case Kind::kFloat:
      return v.as_double() != 0;
    case Kind::kString:
      return !v.text().empty();
    case Kind::kList:
      return !v.items().empty();
    case Kind::kDict:
      return v.dict().size() != 0;
    default:
      return true;
  }
}

bool equal(Heap& heap, const Value& a, const Value& b) {
  if (!heap.work(1)) return false;
  if (a.is_number() && b.is_number()) {
    return a.is_integral() && b.is_integral() ? a.as_int() == b.as_int() : a.as_double() == b.as_double();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return heap.work(std::min(a.text().size(), b.text().size()) / 64) && a.text().bytes() == b.text().bytes();
    case Kind::kList: {
      if (a.is_tuple() != b.is_tuple() || a.items().size() != b.items().size()) return false;
      for (size_t i = 0; i < a.items().size(); ++i) {
        if (!equal(heap, a.items()[i], b.items()[i])) return false;
      }
      return true;
    }
    case Kind::kDict: {
      if (a.dict().size() != b.dict().size()) return false;
      for (const auto& [k, v] : a.dict().entries()) {
        const Value* other = b.dict().find(k);
        if (other == nullptr || !equal(heap, v, *other)) return false;
      }
      return true;
    }
    default:
      return a.same_object(b);
  }
}

Result<int> order(Heap& heap, const Value& a, const Value& b, std::string_view op) {
  const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  heap.work(1);
  if (a.is_integral() && b.is_integral()) return sign(a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) return sign(a.as_double(), b.as_double());
  if (a.is_string() && b.is_string()) {
    heap.work(std::min(a.text().size(), b.text().size()) / 64);
    return sign(a.text().view().compare(b.text().view()), 0);
  }
  if (a.is_list() && b.is_list() && a.is_tuple() == b.is_tuple()) {
    const size_t n = std::min(a.items().size(), b.items().size());
    for (size_t i = 0; i < n && !heap.failed(); ++i) {
      if (!equal(heap, a.items()[i], b.items()[i])) return order(heap, a.items()[i], b.items()[i], op);
    }
    return sign(a.items().size(), b.items().size());
  }
  if (a.is_undefined()) return type_error(a.why_undefined());
  if (b.is_undefined()) return type_error(b.why_undefined());
  return type_error("'" + std::string(op) + "' is not supported between '" + a.type_name() + "' and '" + b.type_name() +
                    "'");
}

Result<bool> contains(Heap& heap, const Value& haystack, const Value& needle) {
  switch (haystack.kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (!needle.is_string()) {
        return type_error(std::string("'in <string>' needs a string on its left, not '") + needle.type_name() + "'");
      }
      heap.work(haystack.text().size() / 64);
      return find_text(haystack.text().view(), needle.text().view()) != std::string_view::npos;
    case Kind::kList:
      for (const Value& v : haystack.items()) {
        if (equal(heap, v, needle)) return true;
      }
      return false;
    case Kind::kDict:
      return haystack.dict().find(needle) != nullptr;
    default:
      return type_error(std::string("'in' is not supported on '") + haystack.type_name() + "'");
  }
}

Result<Value> to_list(Heap& heap, const Value& v) {
  List out;
  switch (v.kind()) {
    case Kind::kUndefined:
      return heap.list({});
    case Kind::kList:
      return v;
    case Kind::kString: {
      if (!heap.work(v.char_count()) || !heap.fits(v.char_count() * (sizeof(Value) + sizeof(StringRep))))
        return heap.list({});
      const Text& text = v.text();
      for (size_t at = 0; at < text.size();) {
        const size_t size = char_at(text.view(), at).size;
        out.push_back(heap.string(text.slice(at, at + size)));
        at += size;
      }
      return heap.list(std::move(out));
    }
    case Kind::kDict:
      for (const auto& entry : v.dict().entries()) out.push_back(entry.first);
      return heap.list(std::move(out));
    case Kind::kLoop:
      return type_error("iterating over 'loop' itself is not supported");
    default:
      return type_error(std::string("'") + v.type_name() + "' object is not iterable");
  }
}

Result<size_t> length(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:
      return size_t{0};
    case Kind::kString:
      return v.char_count();
    case Kind::kList:
      return v.items().size();
    case Kind::kDict:
      return v.dict().size();
    default:
      return type_error(std::string("object of type '") + v.type_name() + "' has no length");
  }
}

Error type_error(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

}  // namespace kedge::tokenizer::jinja
