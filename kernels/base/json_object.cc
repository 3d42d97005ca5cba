#include "kernels/base/json_object.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/base/utf8_cut.h"

namespace kedge::base {
namespace {

std::string show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

// Enough of a value for a message.
std::string shown(const Json& value) {
  const std::string text = value.dump();
  constexpr size_t kShown = 60;
  if (text.size() <= kShown) return text;
  return std::string(utf8_cut(text, kShown)) + "...";
}

}  // namespace

Result<int64_t> whole_number(const Json& value, const std::string& what, int64_t low, int64_t high) {
  int64_t given = 0;
  bool fits = value.is_number();
  if (const double d = fits ? value.get<double>() : 0; value.is_number_float()) {
    fits = d >= -0x1p53 && d <= 0x1p53 && d == std::floor(d);  // above, a double stands for several whole numbers
    given = fits ? static_cast<int64_t>(d) : 0;
  } else if (fits) {
    fits = !value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX);
    given = fits ? value.get<int64_t>() : 0;
  }
  if (fits && given >= low && given <= high) return given;
  return Error{ErrorCode::kInvalidArgument, what + " is " + shown(value) + ", must be a whole number from " +
                                                std::to_string(low) + " to " + std::to_string(high)};
}

Result<double> number_within(const Json& value, const std::string& what, double low, double high) {
  const double given = value.is_number() ? value.get<double>() : std::nan("");
  if (given >= low && given <= high) return given;
  return Error{ErrorCode::kInvalidArgument,
               what + " is " + shown(value) + ", must be a number from " + show(low) + " to " + show(high)};
}

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
  KEDGE_ASSIGN(given, number_within(*found, name_ + "." + key, low, high));
  value = given;
  return {};
}

Status JsonObject::integer(const char* key, int64_t& value, int64_t low, int64_t high) {
  const Json* found = find(key);
  if (found == nullptr) return {};
  KEDGE_ASSIGN(given, whole_number(*found, name_ + "." + key, low, high));
  value = given;
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

}  // namespace kedge::base
