// Reading a JSON object that comes from outside: every member is asked for by name, has its type and range checked, and
// what nobody asked for is an error that names it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::base {

// The value as a number within its range: the one reader of every number that comes in as JSON. The error names `what`,
// the value and the range (kInvalidArgument). 2.0 and 2e0 are whole numbers; texts are no numbers.
Result<int64_t> whole_number(const Json& value, const std::string& what, int64_t low, int64_t high);
Result<double> number_within(const Json& value, const std::string& what, double low, double high);

class JsonObject {
 public:
  // `name` is how errors call the object ("request", "pool.toml: policy"). The JSON is borrowed.
  // Error: not an object (kInvalidArgument).
  static Result<JsonObject> of(const Json& json, std::string name);
  // Of a text, and keeps what it says. Errors: those of parse_json, not an object.
  static Result<JsonObject> parse(std::string_view text, std::string name);

  // Each leaves the value alone when there is no such member, or it is null. Errors: kInvalidArgument, naming the
  // member, its value and what is allowed.
  Status text(const char* key, std::string& value);
  Status number(const char* key, double& value, double low, double high);
  Status integer(const char* key, int64_t& value, int64_t low, int64_t high);
  Status integer(const char* key, int& value, int low, int high);
  Status flag(const char* key, bool& value);
  Status texts(const char* key, std::vector<std::string>& values);
  const Json* find(const char* key);  // null when absent or null; whatever it is otherwise
  bool has(const char* key) const;

  // At the end: an error naming the first member nobody asked for, or else the first of the `needed` that is absent or
  // null. (In this order: who misspells a member is told so.)
  Status finish(std::initializer_list<const char*> needed = {}) const;
  const std::string& name() const { return name_; }
  Error wrong(const char* key, const std::string& what) const;

 private:
  JsonObject(const Json& json, std::string name) : json_(&json), name_(std::move(name)) {}

  std::shared_ptr<const Json> own_;  // of parse()
  const Json* json_;
  std::string name_;
  std::vector<std::string_view> known_;
};

}  // namespace kedge::base
