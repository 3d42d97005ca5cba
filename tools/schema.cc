#include "tools/schema.h"

#include <algorithm>

namespace kedge::tools {

namespace {

std::string joined(const std::vector<std::string>& names, const char* between) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : between) + name;
  return text;
}

}  // namespace

const Json& settings_schema() {
  static const Json schema = Json::parse(need(kedge::settings_schema()));
  return schema;
}

const std::vector<std::string>& kv_policies() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Json& p : settings_schema().at("policies")) list.push_back(p.at("name").get<std::string>());
    return list;
  }();
  return names;
}

const std::vector<CacheType>& cache_types() {
  static const std::vector<CacheType> types = [] {
    std::vector<CacheType> list;
    for (const Json& t : settings_schema().at("cache_types")) {
      list.push_back({t.at("name").get<std::string>(), static_cast<kedge_kv_type>(t.at("value").get<int>()),
                      t.at("cold").get<bool>()});
    }
    return list;
  }();
  return types;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x == '-' ? '_' : x) == (y == '-' ? '_' : y); });
}

CLI::Validator one_of(const std::vector<std::string>& names) {
  const auto problem = [names](const std::string& given) -> std::string {
    const bool known = std::any_of(names.begin(), names.end(), [&](const auto& n) { return same_name(n, given); });
    return known ? "" : "'" + given + "' is none of " + joined(names, ", ");
  };
  return CLI::Validator(problem, "{" + joined(names, ",") + "}");
}

}  // namespace kedge::tools
