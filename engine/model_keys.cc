#include "engine/model_keys.h"

#include <algorithm>

namespace kedge::engine {

namespace {

bool is_one_of(const GgufEntry& entry, const std::vector<double>& values) {
  if (entry.is_array()) return false;
  const GgufScalar scalar = entry.scalar();
  const auto number = std::visit(
      [](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string_view>) {
          return std::optional<double>();
        } else {
          return std::optional<double>(static_cast<double>(v));
        }
      },
      scalar);
  return number && std::find(values.begin(), values.end(), *number) != values.end();
}

bool covers(const HarmlessKey& rule, std::string_view name, const GgufEntry& entry) {
  const bool named = rule.name.starts_with('*') ? name.ends_with(rule.name.substr(1)) : name == rule.name;
  return named && (rule.values.empty() || is_one_of(entry, rule.values));
}

std::string with_value(const GgufEntry& entry) {
  std::string text(entry.key);
  if (entry.is_array()) return text + " (" + entry.type_name() + ")";
  return text + std::visit(
                    [](const auto& v) {
                      using T = std::decay_t<decltype(v)>;
                      if constexpr (std::is_same_v<T, std::string_view>) return " = " + in_quotes(v.substr(0, 40));
                      if constexpr (std::is_same_v<T, bool>) return std::string(v ? " = true" : " = false");
                      if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
                        return " = " + std::to_string(v);
                      }
                    },
                    entry.scalar());
}

}  // namespace

std::string some_names(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShown ? text + " and " + std::to_string(names.size() - kShown) + " more" : text;
}

Status ModelKeys::check_all_read(std::string_view prefix, std::span<const HarmlessKey> harmless,
                                 std::vector<std::string>* ignored) const {
  std::vector<std::string> unknown;
  for (const GgufEntry& entry : metadata_->entries()) {
    if (!entry.key.starts_with(prefix) || asked_.contains(entry.key)) continue;
    const std::string_view name = entry.key.substr(prefix.size());
    const bool known = std::any_of(harmless.begin(), harmless.end(),
                                   [&](const HarmlessKey& rule) { return covers(rule, name, entry); });
    known ? ignored->push_back(std::string(entry.key)) : unknown.push_back(with_value(entry));
  }
  if (unknown.empty()) return {};
  return Error{ErrorCode::kUnsupported,
               file() + ": " + std::to_string(unknown.size()) + (unknown.size() == 1 ? " key that" : " keys that") +
                   " Kedge does not use and that may change the result: " + some_names(unknown)};
}

}  // namespace kedge::engine
