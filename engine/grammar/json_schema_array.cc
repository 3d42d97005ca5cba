// Arrays of a form as expressions.
#include <algorithm>
#include <functional>
#include <map>

#include "engine/grammar/json_schema_keywords.h"
#include "engine/grammar/json_schema_text.h"

namespace kedge::engine::grammar {

using base::ErrorCode;
using NodeId = Grammar::NodeId;

namespace {

constexpr size_t kMaxCounted = 256;  // elements that are told apart by their number
constexpr size_t kMaxUnique = 8;     // values that may come once each

}  // namespace

struct SchemaText::Elements {
  std::vector<NodeId> prefix;
  NodeId rest = 0;
  size_t least = 0, most = 0;
};

Result<NodeId> SchemaText::array_node(const ArrayCase& arrays) {
  if (arrays.is_any()) return text_.any_array();
  if (!arrays.stuck.empty()) return Error{ErrorCode::kUnsupported, arrays.stuck};
  Elements elements;
  elements.least = arrays.least;
  elements.most = arrays.most;
  const bool closed = arrays.listed && !style_.unlisted && arrays.least <= arrays.prefix.size();
  if (closed) elements.most = std::min(elements.most, arrays.prefix.size());
  if (!arrays.unique.empty() && elements.most > 1) return unique_node(arrays);
  for (size_t i = 0; i < std::min(arrays.prefix.size(), elements.most); ++i) {
    KEDGE_ASSIGN(node, node_of(arrays.prefix[i]));
    if (is_nothing(node)) elements.most = i;
    elements.prefix.push_back(node);
  }
  if (elements.most > arrays.prefix.size()) {
    KEDGE_ASSIGN(node, node_of(arrays.rest));
    elements.rest = node;
    if (is_nothing(node)) elements.most = arrays.prefix.size();
  }
  if (elements.least > elements.most) return grammar_.nothing();
  if (!arrays.contains.empty()) return with_contains(arrays, elements);
  if (elements.prefix.empty()) return text_.list(elements.rest, elements.least, elements.most);
  return grammar_.sequence({grammar_.text("["), elements_from(elements, 0), grammar_.text("]")});
}

// Elements i and following, their commas before them.
NodeId SchemaText::elements_from(const Elements& e, size_t i) {
  Grammar& g = grammar_;
  if (i >= e.most) return g.empty();
  if (i >= e.prefix.size()) {
    const size_t most = e.most == kNoLimit ? kNoLimit : e.most - i;
    return g.repeat(g.sequence({text_.comma(), e.rest}), e.least > i ? e.least - i : 0, most);
  }
  const NodeId more = elements_from(e, i + 1);
  const NodeId here = i == 0 ? g.sequence({e.prefix[i], more}) : g.sequence({text_.comma(), e.prefix[i], more});
  return i < e.least ? here : g.optional(here);
}

// Elements are told apart by their number, as far as that matters, and by how many of them were contained. Where no
// count has an upper bound, one that is contained need not be told from one that is not.
Result<NodeId> SchemaText::with_contains(const ArrayCase& arrays, const Elements& e) {
  Grammar& g = grammar_;
  if (arrays.contains.size() > 1) {
    return schema_error(ErrorCode::kUnsupported, arrays.at,
                        "more than one 'contains' (or negated 'items') of an array cannot be enforced");
  }
  const ArrayCase::Contains& contains = arrays.contains[0];
  const bool bounded = contains.most != kNoLimit;
  const size_t enough = bounded ? contains.most + 1 : contains.least;  // counts beyond are one
  const size_t n_apart = std::max({e.prefix.size(), e.least, contains.from, e.most == kNoLimit ? size_t{0} : e.most});
  if (n_apart > kMaxCounted || enough > kMaxCounted) {
    return schema_error(ErrorCode::kCapacity, arrays.at,
                        "'contains' of an array of more than " + std::to_string(kMaxCounted) + " elements");
  }
  Conj other = contains.conj;
  if (other.size() != 1) {
    return schema_error(ErrorCode::kUnsupported, arrays.at,
                        "'contains' of any value cannot be enforced behind a prefix");
  }
  other[0].negated = !other[0].negated;
  const auto element = [&](size_t i, const Conj* more) {
    const Conj& conj = i < arrays.prefix.size() ? arrays.prefix[i] : arrays.rest;
    return node_of(more == nullptr ? conj : both_of(conj, *more));
  };
  std::map<std::pair<size_t, size_t>, NodeId> states;
  // What may follow `i` elements of which `n` were contained.
  const std::function<Result<NodeId>(size_t, size_t)> after = [&](size_t i, size_t n) -> Result<NodeId> {
    if (const auto known = states.find({i, n}); known != states.end()) return known->second;
    std::vector<NodeId> ways;
    const bool may_end = i >= e.least && n >= contains.least && n <= contains.most;
    const bool counts = i >= contains.from;
    KEDGE_ASSIGN(in, element(i, counts ? &contains.conj : nullptr));
    KEDGE_ASSIGN(out, element(i, counts && bounded ? &other : nullptr));
    const NodeId comma = i == 0 ? g.empty() : text_.comma();
    if (i >= n_apart && i > 0 && e.most == kNoLimit) {  // the number no longer matters
      const NodeId loop = is_nothing(out) ? g.empty() : g.repeat(g.sequence({comma, out}), 0);
      if (may_end) ways.push_back(g.empty());
      if (n < enough && !is_nothing(in)) {
        KEDGE_ASSIGN(more, after(i, n + 1));
        if (!is_nothing(more)) ways.push_back(g.sequence({comma, in, more}));
      }
      const NodeId way = g.choice(ways);
      return states[{i, n}] = is_nothing(way) ? way : g.sequence({loop, way});
    }
    if (may_end) ways.push_back(g.empty());
    for (const bool contained : {true, false}) {
      if (i >= e.most || (contained && (!counts || n >= enough)) || is_nothing(contained ? in : out)) continue;
      KEDGE_ASSIGN(more, after(i + 1, n + (contained ? 1 : 0)));
      if (!is_nothing(more)) ways.push_back(g.sequence({comma, contained ? in : out, more}));
    }
    return states[{i, n}] = g.choice(ways);
  };
  KEDGE_ASSIGN(all, after(0, 0));
  if (is_nothing(all)) return all;
  return g.sequence({g.text("["), all, g.text("]")});
}

// Each of a few scalars at most once: what is left of them is the state.
Result<NodeId> SchemaText::unique_node(const ArrayCase& arrays) {
  Grammar& g = grammar_;
  const Error refused{ErrorCode::kUnsupported,
                      arrays.unique + ": the keyword 'uniqueItems' can be enforced for elements of at most " +
                          std::to_string(kMaxUnique) + " scalar values (enum, const) or arrays of at most one element"};
  if (!arrays.prefix.empty() || !arrays.contains.empty()) return refused;
  KEDGE_ASSIGN(form, forms_.form_of(arrays.rest));
  std::vector<NodeId> values;
  std::vector<Decimal> numbers;
  bool finite = form.arrays.empty() && form.objects.empty();
  for (const StringCase& one : form.strings) {
    finite = finite && one.values.has_value() && form.strings.size() == 1;
    if (finite) {
      for (const std::string& value : *one.values) values.push_back(text_.string(value));
    }
  }
  for (const NumberCase& one : form.numbers) {
    finite = finite && one.is_one();
    if (!finite || std::find(numbers.begin(), numbers.end(), one.low->value) != numbers.end()) continue;
    numbers.push_back(one.low->value);
    KEDGE_ASSIGN(node, number_text(one, text_));
    values.push_back(node);
  }
  if (form.yes) values.push_back(g.text("true"));
  if (form.no) values.push_back(g.text("false"));
  if (form.null) values.push_back(g.text("null"));
  if (!finite || values.size() > kMaxUnique) return refused;
  std::map<size_t, NodeId> states;
  const std::function<NodeId(size_t, size_t)> after = [&](size_t used, size_t n) {
    if (const auto known = states.find(used); known != states.end()) return known->second;
    std::vector<NodeId> ways;
    if (n >= arrays.least) ways.push_back(g.empty());
    for (size_t i = 0; i < values.size() && n < arrays.most; ++i) {
      if ((used >> i & 1) != 0) continue;
      const NodeId more = after(used | size_t{1} << i, n + 1);
      if (!is_nothing(more)) ways.push_back(g.sequence({n == 0 ? g.empty() : text_.comma(), values[i], more}));
    }
    return states[used] = g.choice(ways);
  };
  const NodeId all = after(0, 0);
  return is_nothing(all) ? all : g.sequence({g.text("["), all, g.text("]")});
}

}  // namespace kedge::engine::grammar
