// Reading members of a request or a file: the right type or an error that names the member and the value.
#pragma once

#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/base/json_object.h"
#include "kernels/base/utf8_cut.h"

namespace kedge::router {

inline Error wrong_member(const std::string& where, std::string_view key, const std::string& problem,
                          ErrorCode code = ErrorCode::kInvalidArgument) {
  return {code, where + ": " + std::string(key) + " " + problem};
}

// `object` is an object with no members but `known`.
inline Status only_members(const Json& object, const std::string& where, std::initializer_list<const char*> known,
                           ErrorCode code = ErrorCode::kInvalidArgument) {
  if (!object.is_object()) return Error{code, where + " is not an object"};
  for (const auto& [key, value] : object.items()) {
    bool found = false;
    for (const char* name : known) found = found || key == name;
    if (found) continue;
    std::string list;
    for (const char* name : known) list += (list.empty() ? "" : ", ") + std::string(name);
    return Error{code, where + " has an unknown member '" + key + "'; known are " + list};
  }
  return {};
}

inline Result<const Json*> need_member(const Json& object, const std::string& where, const char* key,
                                       ErrorCode code = ErrorCode::kInvalidArgument) {
  const auto found = object.find(key);
  if (found == object.end()) return wrong_member(where, key, "is missing", code);
  return &*found;
}

inline Result<double> finite_number(const Json& value, const std::string& where, std::string_view key,
                                    ErrorCode code = ErrorCode::kInvalidArgument) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    return wrong_member(where, key, "is " + std::string(utf8_cut(value.dump(), 80)) + ", not a finite number", code);
  }
  return value.get<double>();
}

inline Result<double> number_member(const Json& object, const std::string& where, const char* key,
                                    ErrorCode code = ErrorCode::kInvalidArgument) {
  KEDGE_ASSIGN(value, need_member(object, where, key, code));
  return finite_number(*value, where, key, code);
}

// A finite number, or nothing when the member is missing.
inline Result<std::optional<double>> optional_number(const Json& object, const std::string& where, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::optional<double>();
  KEDGE_ASSIGN(value, finite_number(*found, where, key));
  return std::optional<double>(value);
}

// A whole number from 0 to 2^53, or `otherwise` when the member is missing.
inline Result<uint64_t> count_member(const Json& object, const std::string& where, const char* key,
                                     uint64_t otherwise) {
  const auto found = object.find(key);
  if (found == object.end()) return otherwise;
  KEDGE_ASSIGN(value, whole_number(*found, where + ": " + key, 0, int64_t{1} << 53));
  return static_cast<uint64_t>(value);
}

inline Result<std::string> text_member(const Json& object, const std::string& where, const char* key,
                                       ErrorCode code = ErrorCode::kInvalidArgument) {
  KEDGE_ASSIGN(value, need_member(object, where, key, code));
  if (!value->is_string()) return wrong_member(where, key, "is not a text", code);
  return value->get<std::string>();
}

inline Result<bool> bool_member(const Json& object, const std::string& where, const char* key) {
  KEDGE_ASSIGN(value, need_member(object, where, key));
  if (!value->is_boolean()) return wrong_member(where, key, "is not true or false");
  return value->get<bool>();
}

}  // namespace kedge::router
