#include "kernels/base/json.h"

#include <algorithm>
#include <charconv>
#include <ostream>

namespace kedge::base {

Json::Json(std::initializer_list<Element> list) {
  const bool members = std::all_of(list.begin(), list.end(), [](const Element& e) {
    return e.value_.is_array() && e.value_.size() == 2 && e.value_.front().is_string();
  });
  if (!members) {
    *this = array(list);
    return;
  }
  Object object;
  object.reserve(list.size());
  for (const Element& e : list) {
    Array& pair = e.value_.elements();
    object.push_back({std::move(std::get<std::string>(pair[0].v_)), std::move(pair[1])});
  }
  v_ = std::move(object);
}

// Each copy is made before the variant sees it: libstdc++ 12 destroys what never was when a variant's own copy throws.
Json::Json(const Json& other) {
  std::visit(
      [this](const auto& value) {
        auto copy = value;
        v_.template emplace<decltype(copy)>(std::move(copy));
      },
      other.v_);
}

Json::Json(Json&& other) noexcept : v_(std::exchange(other.v_, {})) {}

Json& Json::operator=(Json other) noexcept {
  v_ = std::move(other.v_);
  return *this;
}

Json::~Json() = default;

Json Json::array(std::initializer_list<Element> list) {
  Array elements;
  elements.reserve(list.size());
  for (const Element& e : list) elements.push_back(std::move(e.value_));
  return Json(std::move(elements));
}

Json Json::object() { return Json(Object()); }

Json Json::parse(std::string_view text) {
  auto parsed = parse_json(text, "the text");
  if (!parsed.ok()) throw JsonError(parsed.error().message);
  return std::move(parsed).value();
}

void Json::wrong(const char* wanted) const {
  throw JsonError("a JSON value is not " + std::string(wanted) + ": " + dump().substr(0, 80));
}

const char* Json::type_name() const noexcept {
  constexpr const char* kNames[] = {"null", "boolean", "number", "number", "number", "string", "array", "object"};
  return kNames[v_.index()];
}

const std::string& Json::text() const {
  if (!is_string()) wrong("a string");
  return std::get<std::string>(v_);
}

const Json::Array& Json::elements() const {
  if (!is_array()) wrong("an array");
  return std::get<Array>(v_);
}

double Json::number() const {
  if (const auto* d = std::get_if<double>(&v_)) return *d;
  if (const auto* i = std::get_if<int64_t>(&v_)) return static_cast<double>(*i);
  if (const auto* u = std::get_if<uint64_t>(&v_)) return static_cast<double>(*u);
  wrong("a number");
}

size_t Json::size() const noexcept {
  if (const auto* a = std::get_if<Array>(&v_)) return a->size();
  if (const auto* o = std::get_if<Object>(&v_)) return o->size();
  return is_null() ? 0 : 1;
}

std::span<const Json::Member> Json::items() const noexcept {
  const auto* o = std::get_if<Object>(&v_);
  return o == nullptr ? std::span<const Member>() : std::span<const Member>(*o);
}

std::span<Json::Member> Json::items() noexcept {
  auto* o = std::get_if<Object>(&v_);
  return o == nullptr ? std::span<Member>() : std::span<Member>(*o);
}

Json::Iterator<const Json, const Json::Member> Json::begin() const noexcept {
  if (const auto* a = std::get_if<Array>(&v_)) return Iterator<const Json, const Member>(a->data());
  return Iterator<const Json, const Member>(items().data());
}

Json::Iterator<const Json, const Json::Member> Json::end() const noexcept {
  if (const auto* a = std::get_if<Array>(&v_)) return Iterator<const Json, const Member>(a->data() + a->size());
  return Iterator<const Json, const Member>(items().data() + items().size());
}

Json::Iterator<Json, Json::Member> Json::begin() noexcept {
  if (auto* a = std::get_if<Array>(&v_)) return Iterator<Json, Member>(a->data());
  return Iterator<Json, Member>(items().data());
}

Json::Iterator<Json, Json::Member> Json::end() noexcept {
  if (auto* a = std::get_if<Array>(&v_)) return Iterator<Json, Member>(a->data() + a->size());
  return Iterator<Json, Member>(items().data() + items().size());
}

void Json::push_back(Json value) {
  if (is_null()) v_ = Array();
  elements().push_back(std::move(value));
}

const Json& Json::at(size_t i) const {
  const Array& all = elements();
  if (i >= all.size()) wrong(("an array with an element " + std::to_string(i)).c_str());
  return all[i];
}

const Json::Member* Json::member(std::string_view key) const noexcept {
  for (const Member& m : items()) {
    if (m.key == key) return &m;
  }
  return nullptr;
}

Json::Iterator<const Json, const Json::Member> Json::find(std::string_view key) const noexcept {
  const Member* found = member(key);
  return found == nullptr ? end() : Iterator<const Json, const Member>(found);
}

Json::Iterator<Json, Json::Member> Json::find(std::string_view key) noexcept {
  const Member* found = member(key);
  return found == nullptr ? end() : Iterator<Json, Member>(const_cast<Member*>(found));
}

bool Json::contains(std::string_view key) const noexcept { return member(key) != nullptr; }

const Json& Json::at(std::string_view key) const {
  const Member* found = member(key);
  if (found == nullptr) wrong(("an object with a member '" + std::string(key) + "'").c_str());
  return found->value;
}

Json& Json::operator[](std::string_view key) {
  if (const Member* found = member(key)) return const_cast<Member*>(found)->value;
  if (is_null()) v_ = Object();
  if (!is_object()) wrong("an object");
  return std::get<Object>(v_).emplace_back(std::string(key), Json()).value;
}

std::string Json::value(std::string_view key, const char* otherwise) const {
  return value(key, std::string(otherwise));
}

void Json::erase(std::string_view key) noexcept {
  if (auto* o = std::get_if<Object>(&v_)) std::erase_if(*o, [&](const Member& m) { return m.key == key; });
}

void Json::update(const Json& members) {
  for (const Member& m : members.items()) (*this)[m.key] = m.value;
}

void Json::merge_patch(const Json& patch) {
  if (!patch.is_object()) {
    *this = patch;
    return;
  }
  if (!is_object()) *this = object();
  for (const Member& m : patch.items()) {
    if (m.value.is_null()) {
      erase(m.key);
    } else {
      (*this)[m.key].merge_patch(m.value);
    }
  }
}

namespace {

// Takes the first name off a pointer ("/a/b").
std::string take_name(std::string_view& pointer) {
  pointer.remove_prefix(1);
  const std::string_view raw = pointer.substr(0, pointer.find('/'));
  pointer.remove_prefix(raw.size());
  std::string name;
  for (size_t i = 0; i < raw.size(); ++i) {
    const bool escaped = raw[i] == '~' && i + 1 < raw.size();
    name += !escaped ? raw[i] : raw[++i] == '1' ? '/' : '~';
  }
  return name;
}

// `size` for what is no index below it.
size_t index_of(std::string_view name, size_t size) {
  size_t i = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), i);
  return read.ec == std::errc() && read.ptr == name.data() + name.size() && i < size ? i : size;
}

}  // namespace

const Json* Json::pointee(std::string_view pointer) const {
  const Json* at = this;
  while (at != nullptr && !pointer.empty()) {
    const std::string name = take_name(pointer);
    if (at->is_array()) {
      const size_t i = index_of(name, at->size());
      at = i < at->size() ? &(*at)[i] : nullptr;
    } else {
      const Member* found = at->member(name);
      at = found == nullptr ? nullptr : &found->value;
    }
  }
  return at;
}

Json& Json::make(std::string_view pointer) {
  Json* at = this;
  while (!pointer.empty()) {
    const std::string name = take_name(pointer);
    at = at->is_array() ? &(*at)[index_of(name, at->size())] : &(*at)[name];
  }
  return *at;
}

bool Json::equals(const Json& other) const {
  if (is_number() && other.is_number()) {
    if (is_number_float() || other.is_number_float()) return number() == other.number();
    const auto* a = std::get_if<int64_t>(&v_);
    const auto* b = std::get_if<int64_t>(&other.v_);
    if (a != nullptr && b != nullptr) return *a == *b;
    if (a != nullptr) return std::cmp_equal(*a, std::get<uint64_t>(other.v_));
    if (b != nullptr) return std::cmp_equal(std::get<uint64_t>(v_), *b);
    return std::get<uint64_t>(v_) == std::get<uint64_t>(other.v_);
  }
  if (type() != other.type() || size() != other.size()) return false;
  switch (type()) {
    case value_t::boolean:
      return std::get<bool>(v_) == std::get<bool>(other.v_);
    case value_t::string:
      return std::get<std::string>(v_) == std::get<std::string>(other.v_);
    case value_t::array:
      return std::get<Array>(v_) == std::get<Array>(other.v_);
    case value_t::object:
      return std::all_of(items().begin(), items().end(), [&](const Member& m) {
        const Member* same = other.member(m.key);
        return same != nullptr && same->value == m.value;
      });
    default:
      return true;
  }
}

std::ostream& operator<<(std::ostream& out, const Json& value) { return out << value.dump(); }

}  // namespace kedge::base
