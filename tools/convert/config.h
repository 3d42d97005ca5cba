// A JSON object of a Hugging Face folder (config.json and its like), read member by member. What is in the folder means
// something: a member that nobody asked for and no list calls harmless is an error that names it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::tools::convert {

using base::Json;

inline constexpr int64_t kMaxCount = int64_t{1} << 30;

// Copies share what was asked for. A null is as good as no member.
class Config {
 public:
  Config() : Config(Json::object(), "nothing") {}
  Config(Json json, std::string name);
  static Result<Config> parse(std::string_view text, const std::string& name);  // kInvalidArgument: no object

  const std::string& name() const { return name_; }
  const Json& json() const { return *json_; }
  bool has(std::string_view key) const { return look(key) != nullptr; }  // does not count as asked for
  const Json* find(std::string_view key);                                // null when absent

  // Errors: kInvalidArgument, with the name, the value and what is allowed; kNotFound where it is needed.
  Result<int64_t> count(std::string_view key, int64_t least = 1);
  Result<int64_t> count_or(std::string_view key, int64_t otherwise, int64_t least = 0);
  Result<double> number(std::string_view key);
  Result<double> number_or(std::string_view key, double otherwise);
  Result<bool> flag_or(std::string_view key, bool otherwise);
  Result<std::string> text_or(std::string_view key, std::string_view otherwise);
  Result<std::vector<double>> numbers(std::string_view key);     // needed
  Result<std::vector<std::string>> texts(std::string_view key);  // none when absent
  // The object of that name, empty when absent; finish() asks it too.
  Result<Config> object(std::string_view key);

  // Members that change nothing of what is converted; '*' for any characters.
  void ignore(std::span<const std::string_view> patterns);
  void ignore(std::initializer_list<std::string_view> patterns) {
    ignore(std::span(patterns.begin(), patterns.size()));
  }
  void ignore(const std::vector<std::string>& patterns);  // of the objects within too
  // Absent, or this value: with another the model means something that a GGUF file of its architecture cannot say.
  Status must_be(std::string_view key, const Json& value);
  // kUnsupported, with the members that nobody asked for.
  Status finish() const;
  // "config.json: hidden_size is 3: what"
  Error wrong(std::string_view key, const std::string& what) const;

 private:
  struct Asked {
    std::set<std::string, std::less<>> keys;
    std::vector<std::string> harmless;
    std::vector<Config> objects;
  };
  const Json* look(std::string_view key) const;

  std::shared_ptr<const Json> json_;
  std::string name_;
  std::shared_ptr<Asked> asked_;
};

// A value in a message, cut to what a line takes.
std::string shown(const Json& value);
// The text of that member; empty when there is none, or `json` is no object.
std::string text_at(const Json& json, std::string_view key);

}  // namespace kedge::tools::convert
