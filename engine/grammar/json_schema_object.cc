// Objects of a form as expressions: the members that have names in the order the schema lists them (or in any), others
// behind them. A name that is listed never comes twice; of the others, which no expression can remember, nothing asks
// for the number.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "engine/grammar/json_schema_keywords.h"
#include "engine/grammar/json_schema_text.h"

namespace kedge::engine::grammar {

using base::ErrorCode;
using NodeId = Grammar::NodeId;

namespace {

constexpr size_t kMaxAnyOrder = 6;   // members that come in any order: every set of them is a state
constexpr size_t kMaxPatterns = 6;   // of keys: every set of them is a class of keys
constexpr size_t kMaxCounted = 256;  // members that are counted

}  // namespace

struct SchemaText::Members {
  struct Member {
    NodeId node;  // key, colon, value
    bool required;
  };
  std::vector<Member> named;
  std::set<std::string> keys;         // listed, whether they may come or not
  std::optional<NodeId> others = {};  // a member of another name
  bool impossible = false;            // one that is required cannot come
};

Result<NodeId> SchemaText::object_node(const ObjectCase& objects) {
  if (objects.is_any()) return text_.any_object();
  if (!objects.stuck.empty()) return Error{ErrorCode::kUnsupported, objects.stuck};
  KEDGE_ASSIGN(members, members_of(objects));
  if (members.impossible) return grammar_.nothing();
  KEDGE_TRY(add_others(objects, members));
  const auto n_required = static_cast<size_t>(
      std::count_if(members.named.begin(), members.named.end(), [](const auto& m) { return m.required; }));
  const size_t n_possible = members.others ? kNoLimit : members.named.size();
  if (n_possible < objects.least) return grammar_.nothing();
  NodeId inside = 0;
  if (objects.least > n_required || objects.most < n_possible) {
    KEDGE_ASSIGN(node, counted(objects, members));
    inside = node;
  } else {
    const bool any_order = style_.any_order && members.named.size() <= kMaxAnyOrder;
    inside = any_order ? in_any_order(members) : in_order(members);
  }
  return is_nothing(inside) ? inside : grammar_.sequence({grammar_.text("{"), inside, grammar_.text("}")});
}

Result<SchemaText::Members> SchemaText::members_of(const ObjectCase& objects) {
  Members members;
  std::vector<std::string> order;
  const auto list = [&](const std::string& key) {
    if (members.keys.insert(key).second) order.push_back(key);
  };
  for (const ObjectCase::Keys& keys : objects.keys) {
    for (const auto& [key, conj] : keys.named) list(key);
  }
  for (const std::string& key : objects.required) list(key);
  for (const std::string& key : objects.absent) list(key);
  for (const std::string& key : order) {
    const bool required = objects.requires_key(key);
    bool possible = !objects.forbids_key(key);
    if (possible) {
      KEDGE_ASSIGN(named, may_be_name(objects, key));
      possible = named;
    }
    if (possible) {
      KEDGE_ASSIGN(value, node_of(objects.value_of(key, grammar_)));
      possible = !is_nothing(value);
      if (possible) {
        members.named.push_back({grammar_.sequence({text_.string(key), text_.colon(), value}), required});
      }
    }
    if (required && !possible) {
      members.impossible = true;
      return members;
    }
  }
  return members;
}

Result<bool> SchemaText::may_be_name(const ObjectCase& objects, const std::string& key) {
  for (const Conj& conj : objects.names) {
    KEDGE_ASSIGN(form, forms_.form_of(conj));
    if (std::none_of(form.strings.begin(), form.strings.end(), [&](const auto& s) { return has(s, key, grammar_); })) {
      return false;
    }
  }
  return true;
}

// Characters of a name; nothing: any.
Result<std::optional<NodeId>> SchemaText::names_of(const ObjectCase& objects) {
  std::optional<NodeId> all;
  for (const Conj& conj : objects.names) {
    KEDGE_ASSIGN(form, forms_.form_of(conj));
    std::vector<NodeId> ways;
    for (const StringCase& one : form.strings) ways.push_back(string_content(one, grammar_));
    const NodeId node = grammar_.choice(ways);
    all = all ? grammar_.both(*all, node) : node;
  }
  return all;
}

// Members that are not listed: keys fall into classes by the patterns they match, and each class has a value of its
// own.
Status SchemaText::add_others(const ObjectCase& objects, Members& members) {
  Grammar& g = grammar_;
  std::vector<NodeId> patterns;
  bool names_some = false;
  bool speaks_of_rest = false;
  for (const ObjectCase::Keys& keys : objects.keys) {
    names_some = names_some || !keys.named.empty();
    speaks_of_rest = speaks_of_rest || keys.speaks_of_rest;
    for (const auto& [pattern, conj] : keys.patterns) {
      if (std::find(patterns.begin(), patterns.end(), pattern) == patterns.end()) patterns.push_back(pattern);
    }
  }
  if (patterns.size() > kMaxPatterns) {
    return schema_error(ErrorCode::kCapacity, objects.at,
                        "more than " + std::to_string(kMaxPatterns) + " patternProperties of one object");
  }
  // A schema that lists members and is silent about others lets them through, but nobody wants them made up.
  const bool wants_rest =
      style_.unlisted || speaks_of_rest || !(names_some || !patterns.empty()) || objects.least > members.named.size();
  KEDGE_ASSIGN(names, names_of(objects));
  std::vector<NodeId> listed;
  for (const std::string& key : members.keys) listed.push_back(g.text(key));
  std::vector<NodeId> ways;
  for (size_t match = 0; match < size_t{1} << patterns.size(); ++match) {
    if (match == 0 && !wants_rest) continue;
    Conj value;
    for (const ObjectCase::Keys& keys : objects.keys) {
      bool spoken_of = false;
      for (const auto& [pattern, conj] : keys.patterns) {
        const auto i = static_cast<size_t>(std::find(patterns.begin(), patterns.end(), pattern) - patterns.begin());
        if ((match >> i & 1) == 0) continue;
        value = both_of(value, conj);
        spoken_of = true;
      }
      if (!spoken_of) value = both_of(value, keys.rest);
    }
    KEDGE_ASSIGN(node, node_of(value));
    if (is_nothing(node)) continue;
    std::optional<NodeId> key = names;
    for (size_t i = 0; i < patterns.size(); ++i) {
      if ((match >> i & 1) != 0) key = key ? g.both(*key, patterns[i]) : patterns[i];
    }
    const bool any_key = !key && listed.empty() && patterns.empty();
    if (!key) key = g.repeat(g.any_char(), 0);
    for (size_t i = 0; i < patterns.size(); ++i) {
      if ((match >> i & 1) == 0) key = g.without(*key, patterns[i]);
    }
    if (!listed.empty()) key = g.without(*key, g.choice(listed));
    if (is_nothing(*key)) continue;
    ways.push_back(g.sequence({any_key ? text_.any_string() : text_.string_of(*key), text_.colon(), node}));
  }
  if (!ways.empty()) members.others = g.choice(ways);
  return {};
}

// Members in their order: with i of them dealt with, what may stand where a member is due (`due`), and behind a member
// (`rest`), which is that with a comma, or the end. No part but `due` stands in two places, and what follows it is the
// same in both: so all of it is one automaton, in which keys are told apart by their bytes.
NodeId SchemaText::in_order(const Members& members) {
  Grammar& g = grammar_;
  const NodeId comma = text_.comma();
  NodeId due = g.nothing();
  NodeId rest = g.empty();
  bool may_end = true;
  if (members.others) {
    rest = g.repeat(g.sequence({comma, *members.others}), 0);
    due = g.sequence({*members.others, rest});
  }
  for (size_t i = members.named.size(); i-- > 0;) {
    const auto& [node, required] = members.named[i];
    const NodeId here = g.sequence({node, rest});
    due = required || is_nothing(due) ? here : g.choice({here, due});
    may_end = may_end && !required;
    const NodeId more = g.sequence({comma, due});
    rest = may_end ? g.choice({more, g.empty()}) : more;
  }
  if (is_nothing(due)) return g.empty();
  return may_end ? g.choice({due, g.empty()}) : due;
}

NodeId SchemaText::in_any_order(const Members& members) {
  Grammar& g = grammar_;
  const NodeId comma = text_.comma();
  const NodeId others = members.others ? g.repeat(g.sequence({comma, *members.others}), 0) : g.empty();
  size_t needed = 0;
  for (size_t i = 0; i < members.named.size(); ++i) needed |= size_t{members.named[i].required} << i;
  std::map<size_t, NodeId> states;
  // What follows the members of a set, others among them.
  const std::function<NodeId(size_t)> after = [&](size_t used) {
    if (const auto known = states.find(used); known != states.end()) return known->second;
    std::vector<NodeId> ways;
    if ((used & needed) == needed) ways.push_back(g.empty());
    for (size_t i = 0; i < members.named.size(); ++i) {
      if ((used >> i & 1) == 0)
        ways.push_back(g.sequence({comma, members.named[i].node, after(used | size_t{1} << i)}));
    }
    return states[used] = g.sequence({others, g.choice(ways)});
  };
  std::vector<NodeId> ways;
  if (needed == 0) ways.push_back(g.empty());
  for (size_t i = 0; i < members.named.size(); ++i) {
    ways.push_back(g.sequence({members.named[i].node, after(size_t{1} << i)}));
  }
  if (members.others) ways.push_back(g.sequence({*members.others, after(0)}));
  return g.choice(ways);
}

// Members that are counted: at least `least`, at most `most`.
Result<NodeId> SchemaText::counted(const ObjectCase& objects, const Members& members) {
  Grammar& g = grammar_;
  const size_t n_named = members.named.size();
  if (members.others && objects.least > n_named + 1) {
    return schema_error(ErrorCode::kUnsupported, objects.at,
                        "minProperties " + std::to_string(objects.least) +
                            ": that more than one member beyond those listed has a name of its own cannot be enforced");
  }
  const size_t enough = objects.most == kNoLimit ? objects.least : objects.most;
  if (std::min(enough, n_named) > kMaxCounted) {
    return schema_error(ErrorCode::kCapacity, objects.at,
                        "more than " + std::to_string(kMaxCounted) + " members that are counted");
  }
  const NodeId comma = text_.comma();
  // Behind the listed ones, `n` of them: others, of which only one counts towards the least, for two may be of one
  // name.
  const auto others = [&](size_t n) {
    const size_t missing = n < objects.least ? objects.least - n : 0;
    const size_t most = objects.most == kNoLimit ? kNoLimit : objects.most - n;
    if (missing > (members.others ? 1 : 0) || missing > most) return g.nothing();
    if (!members.others || most == 0) return g.empty();
    const NodeId more = g.sequence({comma, *members.others});
    if (n > 0) return g.repeat(more, missing, most);
    const NodeId some = g.sequence({*members.others, g.repeat(more, 0, most == kNoLimit ? kNoLimit : most - 1)});
    return missing > 0 ? some : g.optional(some);
  };
  std::map<std::pair<size_t, size_t>, NodeId> states;
  const std::function<NodeId(size_t, size_t)> from = [&](size_t i, size_t n) {
    if (i == n_named) return others(n);
    if (const auto known = states.find({i, n}); known != states.end()) return known->second;
    const auto& [node, required] = members.named[i];
    std::vector<NodeId> ways;
    if (n < objects.most) {
      const NodeId more = from(i + 1, n + 1);
      if (!is_nothing(more)) ways.push_back(g.sequence({n == 0 ? g.empty() : comma, node, more}));
    }
    if (!required) {
      const NodeId without = from(i + 1, n);
      if (!is_nothing(without)) ways.push_back(without);
    }
    return states[{i, n}] = g.choice(ways);
  };
  return from(0, 0);
}

}  // namespace kedge::engine::grammar
