#include "engine/grammar/json_schema_form.h"

#include <algorithm>
#include <iterator>

#include "engine/grammar/node_text.h"

namespace kedge::engine::grammar {
namespace {

bool has(const std::vector<std::string>& keys, const std::string& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

template <class T>
void append(std::vector<T>& into, std::vector<T> more) {
  std::move(more.begin(), more.end(), std::back_inserter(into));
}

void join(std::vector<std::string>& into, const std::vector<std::string>& more) {
  for (const std::string& key : more) {
    if (!has(into, key)) into.push_back(key);
  }
}

template <class Case, class Both>
void cross(const std::vector<Case>& a, const std::vector<Case>& b, std::vector<Case>& out, bool& too_many, Both both) {
  if (a.size() * b.size() > kMaxCases * 64) too_many = true;
  for (const Case& x : a) {
    for (const Case& y : b) {
      if (too_many) return;
      if (auto one = both(x, y)) out.push_back(std::move(*one));
      if (out.size() > kMaxCases) too_many = true;
    }
  }
}

}  // namespace

Conj both_of(const Conj& a, const Conj& b) {
  Conj out;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

bool ObjectCase::requires_key(const std::string& key) const { return has(required, key); }
bool ObjectCase::forbids_key(const std::string& key) const { return has(absent, key); }

Conj ObjectCase::value_of(const std::string& key, const Grammar& grammar) const {
  Conj all;
  NodeText text(grammar, key);
  for (const Keys& one : keys) {
    bool spoken_of = false;
    const auto named = std::find_if(one.named.begin(), one.named.end(), [&](const auto& n) { return n.first == key; });
    if (named != one.named.end()) {
      all = both_of(all, named->second);
      spoken_of = true;
    }
    for (const auto& [pattern, conj] : one.patterns) {
      if (!text.matches(pattern)) continue;
      all = both_of(all, conj);
      spoken_of = true;
    }
    if (!spoken_of) all = both_of(all, one.rest);
  }
  return all;
}

Form Form::any() {
  Form f;
  f.null = f.yes = f.no = true;
  f.numbers.emplace_back();
  f.strings.emplace_back();
  f.arrays.emplace_back();
  f.objects.emplace_back();
  return f;
}

bool Form::is_any() const {
  const auto any = [](const auto& cases) { return cases.size() == 1 && cases[0].is_any(); };
  return null && yes && no && any(numbers) && any(strings) && any(arrays) && any(objects);
}

bool Form::is_nothing() const { return !null && !yes && !no && n_cases() == 0; }

void Form::add(Form other) {
  null = null || other.null;
  yes = yes || other.yes;
  no = no || other.no;
  append(numbers, std::move(other.numbers));
  append(strings, std::move(other.strings));
  append(arrays, std::move(other.arrays));
  append(objects, std::move(other.objects));
}

std::optional<ArrayCase> both_of(const ArrayCase& a, const ArrayCase& b) {
  ArrayCase out;
  const size_t n = std::max(a.prefix.size(), b.prefix.size());
  for (size_t i = 0; i < n; ++i) {
    out.prefix.push_back(
        both_of(i < a.prefix.size() ? a.prefix[i] : a.rest, i < b.prefix.size() ? b.prefix[i] : b.rest));
  }
  out.rest = both_of(a.rest, b.rest);
  out.least = std::max(a.least, b.least);
  out.most = std::min(a.most, b.most);
  out.listed = a.listed || b.listed;
  out.contains = a.contains;
  append(out.contains, b.contains);
  out.unique = a.unique.empty() ? b.unique : a.unique;
  out.stuck = a.stuck.empty() ? b.stuck : a.stuck;
  out.at = a.is_any() ? b.at : a.at;
  return out.least > out.most ? std::nullopt : std::optional(std::move(out));
}

std::optional<ObjectCase> both_of(const ObjectCase& a, const ObjectCase& b) {
  ObjectCase out = a;
  append(out.keys, b.keys);
  join(out.required, b.required);
  join(out.absent, b.absent);
  append(out.names, b.names);
  out.least = std::max(a.least, b.least);
  out.most = std::min(a.most, b.most);
  if (out.stuck.empty()) out.stuck = b.stuck;
  if (a.is_any()) out.at = b.at;
  if (out.least > out.most || out.required.size() > out.most) return std::nullopt;
  for (const std::string& key : out.required) {
    if (has(out.absent, key)) return std::nullopt;
  }
  return out;
}

Form both_of(const Form& a, const Form& b, const Grammar& grammar, bool& too_many) {
  if (a.is_any()) return b;
  if (b.is_any()) return a;
  Form out;
  out.null = a.null && b.null;
  out.yes = a.yes && b.yes;
  out.no = a.no && b.no;
  cross(a.numbers, b.numbers, out.numbers, too_many, [](auto& x, auto& y) { return both_of(x, y); });
  cross(a.strings, b.strings, out.strings, too_many, [&](auto& x, auto& y) { return both_of(x, y, grammar); });
  cross(a.arrays, b.arrays, out.arrays, too_many, [](auto& x, auto& y) { return both_of(x, y); });
  cross(a.objects, b.objects, out.objects, too_many, [](auto& x, auto& y) { return both_of(x, y); });
  return out;
}

}  // namespace kedge::engine::grammar
