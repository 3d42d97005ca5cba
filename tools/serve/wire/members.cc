#include "tools/serve/wire/members.h"

#include <algorithm>

#include "kernels/base/json_object.h"

namespace kedge::tools::serve {

Members::Members(const Json& json, std::string path)
    : json_(json.is_object() ? &json : nullptr), path_(std::move(path)) {
  if (json_ == nullptr) {
    fail(bad_request((path_.empty() ? "the body" : path_) + " must be a JSON object, not " + json.type_name(), path_));
  }
}

const Json* Members::find(const char* key) {
  asked_.emplace_back(key);
  if (json_ == nullptr) return nullptr;
  const auto found = json_->find(key);
  if (found == json_->end() || (*found).is_null()) return nullptr;
  return &*found;
}

bool Members::text(const char* key, std::string& value) {
  const Json* json = find(key);
  if (json == nullptr) return false;
  if (!json->is_string()) {
    wrong(key, std::string("must be a string, not ") + json->type_name());
    return false;
  }
  value = json->get<std::string>();
  return true;
}

bool Members::number(const char* key, double& value, double low, double high) {
  const Json* json = find(key);
  if (json == nullptr) return false;
  const auto read = base::number_within(*json, path_of(key), low, high);
  if (!read.ok()) {
    fail(bad_request(read.error().message, path_of(key)));
    return false;
  }
  value = *read;
  return true;
}

bool Members::integer(const char* key, int64_t& value, int64_t low, int64_t high) {
  const Json* json = find(key);
  if (json == nullptr) return false;
  const auto read = base::whole_number(*json, path_of(key), low, high);
  if (!read.ok()) {
    fail(bad_request(read.error().message, path_of(key)));
    return false;
  }
  value = *read;
  return true;
}

bool Members::integer(const char* key, int& value, int low, int high) {
  int64_t wide = value;
  if (!integer(key, wide, int64_t{low}, int64_t{high})) return false;
  value = static_cast<int>(wide);
  return true;
}

bool Members::flag(const char* key, bool& value) {
  const Json* json = find(key);
  if (json == nullptr) return false;
  if (!json->is_boolean()) {
    wrong(key, std::string("must be true or false, not ") + json->type_name());
    return false;
  }
  value = json->get<bool>();
  return true;
}

bool Members::texts(const char* key, std::vector<std::string>& values, size_t most) {
  const Json* json = find(key);
  if (json == nullptr) return false;
  std::vector<std::string> read;
  if (json->is_string()) {
    read.push_back(json->get<std::string>());
  } else if (json->is_array() && std::ranges::all_of(*json, [](const Json& j) { return j.is_string(); })) {
    for (const Json& j : *json) read.push_back(j.get<std::string>());
  } else {
    wrong(key, "must be a string or an array of strings");
    return false;
  }
  if (read.size() > most) {
    wrong(key, "has " + std::to_string(read.size()) + " entries, at most " + std::to_string(most) + " are taken");
    return false;
  }
  values = std::move(read);
  return true;
}

const Json* Members::any(const char* key) { return find(key); }

const Json* Members::object(const char* key) {
  const Json* json = find(key);
  if (json == nullptr || json->is_object()) return json;
  wrong(key, std::string("must be an object, not ") + json->type_name());
  return nullptr;
}

const Json* Members::array(const char* key) {
  const Json* json = find(key);
  if (json == nullptr || json->is_array()) return json;
  wrong(key, std::string("must be an array, not ") + json->type_name());
  return nullptr;
}

void Members::known(std::initializer_list<const char*> keys) { asked_.insert(asked_.end(), keys.begin(), keys.end()); }

void Members::wrong(const char* key, const std::string& what) {
  fail(bad_request("'" + path_of(key) + "' " + what, path_of(key)));
}

void Members::fail(ApiError error) {
  if (!error_) error_ = std::move(error);
}

std::string Members::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

std::vector<std::string> Members::unknown() const {
  std::vector<std::string> names = noted_;
  if (json_ == nullptr) return names;
  for (const Json::Member& member : json_->items()) {
    if (std::ranges::find(asked_, member.key) == asked_.end()) names.push_back(path_of(member.key));
  }
  return names;
}

}  // namespace kedge::tools::serve
