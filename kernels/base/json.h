// A JSON value: null, true or false, a whole number (64 bits, signed or not), a double, a string, an array, an object
// whose members keep their order. Destroying one neither allocates nor throws, so running out of memory while one is
// alive stays an error. The names of the members are those of nlohmann::json, which people know.
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::base {

// A value is asked for what it is not: a bug of the caller's, who has to look at the type first.
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Json {
 public:
  // In the order of v_'s alternatives.
  enum class value_t : uint8_t {
    null,
    boolean,
    number_integer,
    number_unsigned,
    number_float,
    string,
    array,
    object,
  };
  class Element;  // of the lists that values are written as
  struct Member;
  using Array = std::vector<Json>;
  using Object = std::vector<Member>;
  template <class J, class M>
  class Iterator;

  Json() noexcept;
  Json(std::nullptr_t) noexcept;
  template <std::same_as<bool> T>
  Json(T value) noexcept;
  template <std::signed_integral T>
  Json(T value) noexcept;
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Json(T value)
  noexcept;
  template <std::floating_point T>
  Json(T value) noexcept;
  Json(std::string text) noexcept;
  Json(std::string_view text);
  Json(const char* text);
  Json(Array values) noexcept;
  // Of a container of values: an array.
  template <std::ranges::input_range R>
  requires(!std::convertible_to<R, std::string_view> && !std::same_as<std::remove_cvref_t<R>, Json>)
      Json(const R& values);
  // {{"key", value}, ...} is an object, any other list an array.
  Json(std::initializer_list<Element> list);

  Json(const Json& other);
  Json(Json&& other) noexcept;  // leaves a null
  Json& operator=(Json other) noexcept;
  ~Json();

  static Json array() { return Json(Array()); }
  static Json array(std::initializer_list<Element> list);
  static Json object();
  // Of a text that is known to be good. Throws JsonError; what comes from outside goes through parse_json().
  static Json parse(std::string_view text);

  value_t type() const noexcept { return static_cast<value_t>(v_.index()); }
  bool is_null() const noexcept { return type() == value_t::null; }
  bool is_boolean() const noexcept { return type() == value_t::boolean; }
  bool is_string() const noexcept { return type() == value_t::string; }
  bool is_array() const noexcept { return type() == value_t::array; }
  bool is_object() const noexcept { return type() == value_t::object; }
  bool is_structured() const noexcept { return is_array() || is_object(); }
  bool is_number_float() const noexcept { return type() == value_t::number_float; }
  bool is_number_unsigned() const noexcept { return type() == value_t::number_unsigned; }
  bool is_number_integer() const noexcept { return is_number_unsigned() || type() == value_t::number_integer; }
  bool is_number() const noexcept { return is_number_integer() || is_number_float(); }
  const char* type_name() const noexcept;

  // The value as T: bool, a number that T holds without loss (any T of floating point takes the nearest), std::string,
  // a vector. Throws JsonError.
  template <class T>
  T get() const;
  template <std::same_as<const std::string&> T>
  T get_ref() const {
    return text();
  }
  template <class T>
  requires(std::same_as<T, std::string> || (std::is_arithmetic_v<T> && !std::same_as<T, char>)) operator T() const {
    return get<T>();
  }

  // Elements or members; 0 of null, 1 of other values.
  size_t size() const noexcept;
  bool empty() const noexcept { return size() == 0; }
  // Over elements, or the values of members.
  Iterator<const Json, const Member> begin() const noexcept;
  Iterator<const Json, const Member> end() const noexcept;
  Iterator<Json, Member> begin() noexcept;
  Iterator<Json, Member> end() noexcept;
  std::span<const Member> items() const noexcept;  // of an object; empty otherwise
  std::span<Member> items() noexcept;

  // Elements. A null becomes an array by push_back. Throw JsonError when there is no such element.
  void push_back(Json value);
  const Json& at(size_t i) const;
  const Json& operator[](size_t i) const { return at(i); }
  Json& operator[](size_t i) { return const_cast<Json&>(at(i)); }
  const Json& front() const { return at(0); }
  const Json& back() const { return at(size() - 1); }
  Json& back() { return const_cast<Json&>(at(size() - 1)); }

  // Members. operator[] of a value that may change adds what is missing (a null becomes an object); the others throw
  // JsonError.
  Iterator<const Json, const Member> find(std::string_view key) const noexcept;
  Iterator<Json, Member> find(std::string_view key) noexcept;
  bool contains(std::string_view key) const noexcept;
  const Json& at(std::string_view key) const;
  template <class T>
  const Json& at(const T* key) const {
    return at(std::string_view(key));
  }
  const Json& operator[](std::string_view key) const { return at(key); }
  Json& operator[](std::string_view key);
  template <class T>
  const Json& operator[](const T* key) const {
    return at(std::string_view(key));
  }
  template <class T>
  Json& operator[](const T* key) {
    return (*this)[std::string_view(key)];
  }
  // The member, or `otherwise` when there is none.
  std::string value(std::string_view key, const char* otherwise) const;
  template <class T>
  T value(std::string_view key, T otherwise) const;
  void erase(std::string_view key) noexcept;
  void update(const Json& members);     // adds or replaces
  void merge_patch(const Json& patch);  // RFC 7396
  // The value that a pointer (RFC 6901) names, null when there is none; make() adds the members that are missing.
  const Json* pointee(std::string_view pointer) const;
  Json& make(std::string_view pointer);

  // The text; `indent` spaces a level, all in one line when negative. Bytes that are not UTF-8 become U+FFFD, numbers
  // that are not finite null.
  std::string dump(int indent = -1) const;

  // Numbers are equal by value (1 == 1.0), objects whatever the order of their members.
  friend bool operator==(const Json& a, const Json& b) { return a.equals(b); }
  template <class T>
  requires(std::is_arithmetic_v<T> || std::convertible_to<const T&, std::string_view>) friend bool operator==(
      const Json& a, const T& b) {
    return a.equals(Json(b));
  }
  // Of numbers; throws JsonError.
  template <class T>
  requires(std::is_arithmetic_v<T> || std::same_as<T, Json>) friend std::partial_ordering operator<=>(const Json& a,
                                                                                                      const T& b) {
    if constexpr (std::same_as<T, Json>) {
      return a.number() <=> b.number();
    } else {
      return a.number() <=> static_cast<double>(b);
    }
  }
  friend std::ostream& operator<<(std::ostream& out, const Json& value);

 private:
  explicit Json(Object members) noexcept;
  friend class JsonBuilder;

  bool equals(const Json& other) const;
  [[noreturn]] void wrong(const char* wanted) const;
  const std::string& text() const;
  const Array& elements() const;
  Array& elements() { return const_cast<Array&>(std::as_const(*this).elements()); }
  const Member* member(std::string_view key) const noexcept;
  double number() const;
  template <std::integral T>
  T integer() const;

  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object> v_;
};

struct Json::Member {
  std::string key;
  Json value;
};

// The constructors stand here, where a Member is whole: clang asks for that.
inline Json::Json() noexcept = default;
inline Json::Json(std::nullptr_t) noexcept {}
template <std::same_as<bool> T>
Json::Json(T value) noexcept : v_(value) {}
template <std::signed_integral T>
Json::Json(T value) noexcept : v_(static_cast<int64_t>(value)) {}
template <std::unsigned_integral T>
requires(!std::same_as<T, bool>) Json::Json(T value)
noexcept : v_(static_cast<uint64_t>(value)) {}
template <std::floating_point T>
Json::Json(T value) noexcept : v_(static_cast<double>(value)) {}
inline Json::Json(std::string text) noexcept : v_(std::move(text)) {}
inline Json::Json(std::string_view text) : v_(std::string(text)) {}
inline Json::Json(const char* text) : v_(std::string(text)) {}
inline Json::Json(Array values) noexcept : v_(std::move(values)) {}
inline Json::Json(Object members) noexcept : v_(std::move(members)) {}

class Json::Element {
 public:
  template <class T>
  requires(std::constructible_from<Json, T> && !std::same_as<std::remove_cvref_t<T>, Element>) Element(T&& value)
      : value_(std::forward<T>(value)) {}
  Element(std::initializer_list<Element> list) : value_(list) {}

 private:
  friend class Json;
  mutable Json value_;  // moved out: lists of initialisers are read-only
};

template <class J, class M>
class Json::Iterator {
 public:
  using value_type = Json;
  using difference_type = std::ptrdiff_t;

  Iterator() = default;
  explicit Iterator(J* element) : element_(element) {}
  explicit Iterator(M* member) : member_(member) {}
  J& operator*() const { return member_ == nullptr ? *element_ : member_->value; }
  J* operator->() const { return &**this; }
  const std::string& key() const { return member_->key; }
  J& value() const { return **this; }
  Iterator& operator++() {
    member_ == nullptr ? static_cast<void>(++element_) : static_cast<void>(++member_);
    return *this;
  }
  Iterator operator++(int) {
    Iterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Iterator&) const = default;

 private:
  J* element_ = nullptr;
  M* member_ = nullptr;
};

template <std::ranges::input_range R>
requires(!std::convertible_to<R, std::string_view> &&
         !std::same_as<std::remove_cvref_t<R>, Json>) Json::Json(const R& values) {
  Array elements;
  for (const auto& value : values) elements.push_back(Json(value));
  v_ = std::move(elements);
}

template <std::integral T>
T Json::integer() const {
  constexpr const char* kWanted = "a whole number of this size";
  if (const auto* u = std::get_if<uint64_t>(&v_)) {
    if (std::in_range<T>(*u)) return static_cast<T>(*u);
  } else if (const auto* i = std::get_if<int64_t>(&v_)) {
    if (std::in_range<T>(*i)) return static_cast<T>(*i);
  } else if (const auto* d = std::get_if<double>(&v_)) {
    const double low = static_cast<double>(std::numeric_limits<T>::min());
    const double above = 2.0 * static_cast<double>(std::numeric_limits<T>::max() / 2 + 1);
    if (*d >= low && *d < above && *d == static_cast<double>(static_cast<T>(*d))) return static_cast<T>(*d);
  }
  wrong(kWanted);
}

template <class T>
T Json::get() const {
  if constexpr (std::same_as<T, Json>) {
    return *this;
  } else if constexpr (std::same_as<T, bool>) {
    if (!is_boolean()) wrong("true or false");
    return std::get<bool>(v_);
  } else if constexpr (std::same_as<T, std::string>) {
    return text();
  } else if constexpr (std::integral<T>) {
    return integer<T>();
  } else if constexpr (std::floating_point<T>) {
    return static_cast<T>(number());
  } else {
    T out;
    for (const Json& element : elements()) out.push_back(element.get<typename T::value_type>());
    return out;
  }
}

template <class T>
T Json::value(std::string_view key, T otherwise) const {
  const Member* found = member(key);
  return found == nullptr ? otherwise : found->value.get<T>();
}

// Limits of what is read: objects and arrays within each other, bytes of text.
inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonBytes = size_t{1} << 28;

// What a text says, in order. An error ends the reading and is read_json's.
class JsonEvents {
 public:
  virtual Status scalar(Json value) = 0;  // null, true or false, a number, a string
  virtual Status key(std::string name) = 0;
  virtual Status begin(bool object) = 0;
  virtual Status end(bool object) = 0;

 protected:
  ~JsonEvents() = default;
};

// Reads one value and nothing around it but white space, as RFC 8259 has it; whole numbers that 64 bits hold are exact.
// Errors begin with the place ("byte 17: ..."): kInvalidArgument (no JSON, not UTF-8, a number beyond double's),
// kCapacity (over a limit).
Status read_json(std::string_view text, JsonEvents& events, size_t max_depth = kMaxJsonDepth);

// The value of a text that comes from outside; errors call it `name`. An object that has a member twice is refused.
Result<Json> parse_json(std::string_view text, const char* name);

}  // namespace kedge::base
