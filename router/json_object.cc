#include "router/json_object.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace kedge {
namespace {

std::string show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

Result<JsonObject> JsonObject::of(const Json& json, std::string name) {
  if (!json.is_object()) return Error{ErrorCode::kInvalidArgument, name + " is not a JSON object"};
  return JsonObject(json, std::move(name));
}

Result<JsonObject> JsonObject::parse(std::string_view text, std::string name) {
  KEDGE_ASSIGN(json, parse_json(text, name.c_str()));
  auto own = std::make_shared<const Json>(std::move(json));
  KEDGE_ASSIGN(object, of(*own, std::move(name)));
  object.own_ = std::move(own);
  return object;
}

Error JsonObject::wrong(const char* key, const std::string& what) const {
  return {ErrorCode::kInvalidArgument, name_ + "." + key + " " + what};
}

const Json* JsonObject::find(const char* key) {
  known_.emplace_back(key);
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool JsonObject::has(const char* key) const { return json_->contains(key); }

Status JsonObject::text(const char* key, std::string& value) {
  const Json* found = find(key);
  if (found == nullptr) return {};
  if (!found->is_string()) return wrong(key, "is not a string: " + found->dump());
  value = found->get<std::string>();
  return {};
}

Status JsonObject::number(const char* key, double& value, double low, double high) {
  const Json* found = find(key);
  if (found == nullptr) return {};
  if (!found->is_number()) return wrong(key, "is not a number: " + found->dump());
  const auto given = found->get<double>();
  if (!(given >= low && given <= high)) {
    return wrong(key, "= " + show(given) + " is outside " + show(low) + " to " + show(high));
  }
  value = given;
  return {};
}

Status JsonObject::integer(const char* key, int64_t& value, int64_t low, int64_t high) {
  const Json* found = find(key);
  if (found == nullptr) return {};
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  if (!found->is_number_integer()) return wrong(key, "is not a whole number from " + range + ": " + found->dump());
  const bool too_big = found->is_number_unsigned() && found->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (too_big || found->get<int64_t>() < low || found->get<int64_t>() > high) {
    return wrong(key, "= " + found->dump() + " is outside " + range);
  }
  value = found->get<int64_t>();
  return {};
}

Status JsonObject::integer(const char* key, int& value, int low, int high) {
  int64_t wide = value;
  KEDGE_TRY(integer(key, wide, int64_t{low}, int64_t{high}));
  value = static_cast<int>(wide);
  return {};
}

Status JsonObject::flag(const char* key, bool& value) {
  const Json* found = find(key);
  if (found == nullptr) return {};
  if (!found->is_boolean()) return wrong(key, "is not true or false: " + found->dump());
  value = found->get<bool>();
  return {};
}

Status JsonObject::texts(const char* key, std::vector<std::string>& values) {
  const Json* found = find(key);
  if (found == nullptr) return {};
  if (!found->is_array()) return wrong(key, "is not a list of strings");
  std::vector<std::string> given;
  for (const Json& item : *found) {
    if (!item.is_string()) return wrong(key, "is not a list of strings: it has " + item.dump());
    given.push_back(item.get<std::string>());
  }
  values = std::move(given);
  return {};
}

Status JsonObject::finish(std::initializer_list<const char*> needed) const {
  for (const auto& [key, value] : json_->items()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    std::string list;
    for (const std::string_view k : known_) list += (list.empty() ? "" : ", ") + std::string(k);
    return Error{ErrorCode::kInvalidArgument, name_ + ": unknown member '" + key + "'; known are " + list};
  }
  for (const char* key : needed) {
    const auto found = json_->find(key);
    if (found == json_->end() || found->is_null()) return wrong(key, "is missing");
  }
  return {};
}

}  // namespace kedge
