// The members of a request's JSON object: each is asked for by name, with its type and range; the first error is kept,
// with the path of its member; what nobody asked for can be listed.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/error.h"

namespace kedge::tools::serve {

class Members {
 public:
  // `path` is the object's own ("messages[3]"), empty for the body. The JSON is borrowed. One that is no object is the
  // first error, and has no members.
  Members(const Json& json, std::string path);

  // Each leaves the value alone when there is no such member, or it is null; true when there is one and it is good.
  bool text(const char* key, std::string& value);
  bool number(const char* key, double& value, double low, double high);
  bool integer(const char* key, int64_t& value, int64_t low, int64_t high);
  bool integer(const char* key, int& value, int low, int high);
  bool flag(const char* key, bool& value);
  // A text or an array of them.
  bool texts(const char* key, std::vector<std::string>& values, size_t most);
  const Json* any(const char* key);     // whatever it is; null when absent or null
  const Json* object(const char* key);  // null when absent, null, or wrong
  const Json* array(const char* key);
  // Members that are known and mean nothing here.
  void known(std::initializer_list<const char*> keys);

  // Keeps the first error.
  void wrong(const char* key, const std::string& what);
  void fail(ApiError error);
  bool ok() const { return !error_.has_value(); }
  const std::optional<ApiError>& error() const { return error_; }

  std::string path_of(std::string_view key) const;
  void note(std::string path) { noted_.push_back(std::move(path)); }  // of a member within, that nobody knows
  std::vector<std::string> unknown() const;                           // paths, those noted too

 private:
  const Json* find(const char* key);

  const Json* json_;  // null: no object
  std::string path_;
  std::vector<std::string_view> asked_;
  std::vector<std::string> noted_;
  std::optional<ApiError> error_;
};

}  // namespace kedge::tools::serve
