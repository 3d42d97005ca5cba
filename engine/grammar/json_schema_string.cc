#include "engine/grammar/json_schema_string.h"

#include <algorithm>

#include "engine/grammar/node_text.h"

namespace kedge::engine::grammar {
namespace {

using NodeId = Grammar::NodeId;

void join(std::vector<NodeId>& into, const std::vector<NodeId>& more) {
  for (const NodeId node : more) {
    if (std::find(into.begin(), into.end(), node) == into.end()) into.push_back(node);
  }
}

// One level of a pattern: where its alternatives, its anchors and its groups are.
class PatternReader {
 public:
  PatternReader(std::string_view pattern, Grammar& into) : pattern_(pattern), g_(into) {}

  // `begins`, `ends`: the text does where the pattern does.
  Result<NodeId> read(std::string_view part, bool begins, bool ends) {
    std::vector<NodeId> ways;
    for (const std::string_view one : alternatives(part)) {
      KEDGE_ASSIGN(way, read_alternative(one, begins, ends));
      ways.push_back(way);
    }
    return g_.choice(ways);
  }

 private:
  // Calls visit(i, depth) for every character that stands for no other: not escaped, not in a class.
  template <class Visit>
  static void scan(std::string_view s, Visit visit) {
    int depth = 0;
    bool in_class = false;
    for (size_t i = 0; i < s.size(); ++i) {
      if (s[i] == '\\') {
        ++i;
      } else if (in_class) {
        in_class = s[i] != ']';
      } else if (s[i] == '[') {
        in_class = true;
      } else {
        if (s[i] == ')') --depth;
        visit(i, depth);
        if (s[i] == '(') ++depth;
      }
    }
  }

  static std::vector<std::string_view> alternatives(std::string_view part) {
    std::vector<std::string_view> out;
    size_t begin = 0;
    scan(part, [&](size_t i, int depth) {
      if (depth != 0 || part[i] != '|') return;
      out.push_back(part.substr(begin, i - begin));
      begin = i + 1;
    });
    out.push_back(part.substr(begin));
    return out;
  }

  static bool has_anchor(std::string_view part) {
    bool found = false;
    scan(part, [&](size_t i, int) { found = found || part[i] == '^' || part[i] == '$'; });
    return found;
  }

  // Inside of the only group that the part is; nothing when it is more than that.
  static std::optional<std::string_view> inner(std::string_view part) {
    if (part.size() < 2 || part.front() != '(') return std::nullopt;
    size_t close = 0;
    scan(part, [&](size_t i, int depth) {
      if (close == 0 && depth == 0 && part[i] == ')') close = i;
    });
    if (close != part.size() - 1) return std::nullopt;
    part = part.substr(1, part.size() - 2);
    if (part.starts_with("?:")) return part.substr(2);
    return part.starts_with("?") ? std::nullopt : std::optional(part);
  }

  Result<NodeId> read_alternative(std::string_view part, bool begins, bool ends) {
    if (part.starts_with("^")) {
      begins = true;
      part.remove_prefix(1);
    }
    size_t dollar = std::string_view::npos;
    scan(part, [&](size_t i, int) { dollar = part[i] == '$' ? i : dollar; });
    if (!part.empty() && dollar == part.size() - 1) {
      ends = true;
      part.remove_suffix(1);
    }
    if (has_anchor(part)) {
      if (const auto group = inner(part)) return read(*group, begins, ends);
      return Error{ErrorCode::kUnsupported,
                   "pattern '" + std::string(pattern_) +
                       "': ^ and $ are supported at the beginning and the end of a pattern, or of "
                       "an alternative, only"};
    }
    KEDGE_ASSIGN(body, read_regex(part, g_));
    const NodeId rest = g_.repeat(g_.any_char(), 0);
    return g_.sequence({begins ? g_.empty() : rest, body, ends ? g_.empty() : rest});
  }

  std::string_view pattern_;
  Grammar& g_;
};

}  // namespace

Result<NodeId> read_pattern(std::string_view pattern, Grammar& into) {
  return PatternReader(pattern, into).read(pattern, false, false);
}

bool has(const StringCase& strings, const std::string& value, const Grammar& grammar) {
  if (strings.values && !strings.values->contains(value)) return false;
  if (strings.excluded.contains(value)) return false;
  const size_t n = characters_of(value).size();
  if (n < strings.least || n > strings.most) return false;
  NodeText text(grammar, value);
  return std::all_of(strings.in.begin(), strings.in.end(), [&](NodeId node) { return text.matches(node); }) &&
         std::none_of(strings.out.begin(), strings.out.end(), [&](NodeId node) { return text.matches(node); });
}

std::optional<StringCase> both_of(const StringCase& a, const StringCase& b, const Grammar& grammar) {
  if (a.values || b.values) {
    StringCase out;
    out.values.emplace();
    for (const std::string& value : a.values ? *a.values : *b.values) {
      if (has(a, value, grammar) && has(b, value, grammar)) out.values->insert(value);
    }
    return out.values->empty() ? std::nullopt : std::optional(std::move(out));
  }
  StringCase out = a;
  out.excluded.insert(b.excluded.begin(), b.excluded.end());
  out.least = std::max(a.least, b.least);
  out.most = std::min(a.most, b.most);
  join(out.in, b.in);
  join(out.out, b.out);
  for (const NodeId node : out.in) {
    if (std::find(out.out.begin(), out.out.end(), node) != out.out.end()) return std::nullopt;
    const LengthRange length = length_range(grammar, node);
    if (length.least > out.most || length.most < out.least) return std::nullopt;
  }
  return out.least > out.most ? std::nullopt : std::optional(std::move(out));
}

NodeId string_content(const StringCase& strings, Grammar& g) {
  const auto texts = [&](const std::set<std::string>& values) {
    std::vector<NodeId> nodes;
    for (const std::string& value : values) nodes.push_back(g.text(value));
    return g.choice(nodes);
  };
  if (strings.values) return texts(*strings.values);
  std::optional<NodeId> out;
  LengthRange length{0, kNoLimit};
  for (const NodeId node : strings.in) {
    const LengthRange one = length_range(g, node);
    length = {std::max(length.least, one.least), std::min(length.most, one.most)};
    out = out ? g.both(*out, node) : node;
  }
  if (!out || length.least < strings.least || length.most > strings.most) {
    const NodeId lengths = g.repeat(g.any_char(), strings.least, strings.most);
    out = out ? g.both(*out, lengths) : lengths;
  }
  for (const NodeId node : strings.out) out = g.without(*out, node);
  if (!strings.excluded.empty()) out = g.without(*out, texts(strings.excluded));
  return *out;
}

}  // namespace kedge::engine::grammar
