#include "tools/convert/tensor_plan.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>

#include "tools/convert/conversion.h"

namespace kedge::tools::convert {
namespace {

struct Place {
  int layer = -1;
  int expert = -1;
};

// The decimal number at the beginning of `text`, which it takes away; -1 without one.
int take_number(std::string_view* text) {
  int n = -1;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), n);
  const auto digits = static_cast<size_t>(end - text->data());
  if (error != std::errc() || n < 0 || (digits > 1 && text->front() == '0')) return -1;
  text->remove_prefix(digits);
  return n;
}

std::optional<Place> match(std::string_view pattern, std::string_view name) {
  Place at;
  for (const char c : pattern) {
    if (c == '#' || c == '@') {
      int& number = c == '#' ? at.layer : at.expert;
      number = take_number(&name);
      if (number < 0) return std::nullopt;
    } else if (name.empty() || name.front() != c) {
      return std::nullopt;
    } else {
      name.remove_prefix(1);
    }
  }
  return name.empty() ? std::optional(at) : std::nullopt;
}

std::string filled(std::string_view pattern, int layer, int expert) {
  std::string name;
  for (const char c : pattern) {
    if (c == '#' || c == '@') {
      name += std::to_string(c == '#' ? layer : expert);
    } else {
      name += c;
    }
  }
  return name;
}

bool in_layer(const Conversion& c, const TensorRule& rule, int layer) {
  if (layer < 0) return true;
  if (layer >= c.count_of('L')) return false;
  return rule.kind == 0 || c.layer_kinds[static_cast<size_t>(layer)] == rule.kind;
}

Status check_shape(const Conversion& c, const TensorRule& rule, const SafetensorsTensor& t) {
  std::vector<int64_t> expected;
  for (const char* p = rule.shape; *p != 0; ++p) expected.push_back(*p >= '0' && *p <= '9' ? *p - '0' : c.count_of(*p));
  if (t.shape == expected) return {};
  SafetensorsTensor other;
  other.shape = expected;
  return Error{ErrorCode::kCorrupt, "tensor " + in_quotes(t.name) + " has shape " + t.shape_text() +
                                        ", but config.json implies " + other.shape_text()};
}

class Planner {
 public:
  Planner(Conversion& c, std::span<const TensorRule> rules) : c_(c), rules_(rules), found_(rules.size()) {}

  Status run() {
    KEDGE_TRY(find_all());
    for (size_t r = 0; r < rules_.size(); ++r) {
      if (std::strchr(rules_[r].from, '#') == nullptr) KEDGE_TRY(plan(r, -1));
    }
    for (int layer = 0; layer < c_.count_of('L'); ++layer) {
      for (size_t r = 0; r < rules_.size(); ++r) {
        const bool here = std::strchr(rules_[r].from, '#') != nullptr && in_layer(c_, rules_[r], layer);
        if (here) KEDGE_TRY(plan(r, layer));
      }
    }
    return {};
  }

 private:
  // By block, by expert.
  using Found = std::map<std::pair<int, int>, const SafetensorsTensor*>;

  Status find_all() {
    std::vector<std::string> unknown;
    for (const SafetensorsTensor& t : c_.weights.tensors()) {
      const std::string name = c_.local_name(t.name);
      if (c_.is_left_out(name)) {
        c_.ignored.push_back(t.name);
        continue;
      }
      bool any = false;
      for (size_t r = 0; r < rules_.size(); ++r) {
        const auto at = match(rules_[r].from, name);
        if (!at || !in_layer(c_, rules_[r], at->layer) || at->expert >= c_.count_of('E')) continue;
        any = true;
        if (!found_[r].emplace(std::pair(at->layer, at->expert), &t).second) {
          return Error{ErrorCode::kCorrupt, "tensor " + in_quotes(t.name) + " is there under two names"};
        }
      }
      if (!any) unknown.push_back(t.name);
    }
    return unknown.empty() ? Status() : unused(unknown);
  }

  Error unused(const std::vector<std::string>& names) const {
    constexpr size_t kShown = 8;
    std::string list;
    for (size_t i = 0; i < std::min(names.size(), kShown); ++i) list += (i == 0 ? "" : ", ") + in_quotes(names[i]);
    if (names.size() > kShown) list += " and " + std::to_string(names.size() - kShown) + " more";
    return {ErrorCode::kUnsupported, std::to_string(names.size()) + (names.size() == 1 ? " tensor" : " tensors") +
                                         " that a " + c_.arch + " model of this config.json does not have: " + list};
  }

  Status plan(size_t r, int layer) {
    const TensorRule& rule = rules_[r];
    const bool experts = std::strchr(rule.from, '@') != nullptr;
    const int n = experts ? static_cast<int>(c_.count_of('E')) : 1;
    PlannedTensor t;
    t.layer = layer;
    for (int e = 0; e < n; ++e) {
      const auto at = found_[r].find({layer, experts ? e : -1});
      if (at == found_[r].end()) {
        if (rule.optional && t.sources.empty() && (e == 0)) continue;
        if (rule.optional && t.sources.empty()) continue;
        return Error{ErrorCode::kNotFound, "tensor " + in_quotes(filled(rule.from, layer, e)) + " is missing"};
      }
      KEDGE_TRY(check_shape(c_, rule, *at->second));
      t.sources.push_back(at->second);
    }
    if (t.sources.empty() || rule.to == nullptr) return {};
    if (t.sources.size() != static_cast<size_t>(n)) {
      return Error{ErrorCode::kNotFound, "tensor " + in_quotes(filled(rule.from, layer, 0)) + " is missing"};
    }
    t.name = filled(rule.to, layer, -1);
    return finish(rule, std::move(t), experts);
  }

  Status finish(const TensorRule& rule, PlannedTensor t, bool experts) {
    const SafetensorsTensor& first = *t.sources.front();
    t.dims.assign(first.shape.rbegin(), first.shape.rend());
    t.from = first.type;
    const auto same_type = [&](const SafetensorsTensor* s) { return s->type == first.type; };
    if (!std::all_of(t.sources.begin(), t.sources.end(), same_type)) t.from = SafetensorsType::kF32;
    const size_t rows = t.rows();
    if (experts) t.dims.push_back(static_cast<int64_t>(t.sources.size()));
    t.read = [sources = t.sources, n = t.row_values(), rows](size_t row, float* out) {
      read_safetensors_floats(*sources[row / rows], row % rows * n, n, out);
    };
    if (rule.form != nullptr) KEDGE_TRY(rule.form(c_, t));
    if (!t.read_blocks && !is_float(first.type)) {
      return Error{ErrorCode::kUnsupported, "tensor " + in_quotes(first.name) + " has type " +
                                                std::string(safetensors_type_name(first.type)) +
                                                ", and weights have to be floats"};
    }
    if (t.dims.size() > kMaxGgufDims) {
      return Error{ErrorCode::kUnsupported, "tensor " + in_quotes(first.name) + " of shape " + first.shape_text() +
                                                " has more dimensions than GGUF allows"};
    }
    c_.tensors.push_back(std::move(t));
    return {};
  }

  Conversion& c_;
  std::span<const TensorRule> rules_;
  std::vector<Found> found_;  // by rule
};

}  // namespace

TensorRule embedding_rule(const char* from) { return {from, "token_embd.weight", "VD"}; }

Status plan_tensors(Conversion& c, std::span<const TensorRule> rules) { return Planner(c, rules).run(); }

}  // namespace kedge::tools::convert
