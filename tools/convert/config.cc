#include "tools/convert/config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/base/json_object.h"
#include "kernels/base/utf8_cut.h"
#include "weights/gguf_format.h"
#include "weights/quantize_rules.h"

namespace kedge::tools::convert {

std::string shown(const Json& value) {
  constexpr size_t kShown = 80;
  const std::string text = value.dump();
  return text.size() <= kShown ? text : std::string(base::utf8_cut(text, kShown)) + "...";
}

std::string text_at(const Json& json, std::string_view key) {
  const auto at = json.is_object() ? json.find(key) : json.end();
  return at == json.end() || !at->is_string() ? "" : at->get<std::string>();
}

Config::Config(Json json, std::string name)
    : json_(std::make_shared<const Json>(std::move(json))), name_(std::move(name)), asked_(std::make_shared<Asked>()) {}

Result<Config> Config::parse(std::string_view text, const std::string& name) {
  KEDGE_ASSIGN(json, base::parse_json(text, name.c_str()));
  if (!json.is_object()) return Error{ErrorCode::kInvalidArgument, name + " is not a JSON object"};
  return Config(std::move(json), name);
}

const Json* Config::look(std::string_view key) const {
  const auto at = json_->find(key);
  return at == json_->end() || at->is_null() ? nullptr : &*at;
}

const Json* Config::find(std::string_view key) {
  asked_->keys.emplace(key);
  return look(key);
}

Error Config::wrong(std::string_view key, const std::string& what) const {
  const Json* value = look(key);
  const std::string is = value == nullptr ? " is missing" : " is " + shown(*value);
  return {value == nullptr ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
          name_ + ": " + std::string(key) + is + (what.empty() ? "" : ": " + what)};
}

Result<int64_t> Config::count(std::string_view key, int64_t least) {
  const Json* value = find(key);
  if (value == nullptr) return wrong(key, "");
  return base::whole_number(*value, name_ + ": " + std::string(key), least, kMaxCount);
}

Result<int64_t> Config::count_or(std::string_view key, int64_t otherwise, int64_t least) {
  if (find(key) == nullptr) return otherwise;
  return count(key, least);
}

Result<double> Config::number(std::string_view key) {
  const Json* value = find(key);
  if (value == nullptr) return wrong(key, "");
  constexpr double kMost = std::numeric_limits<float>::max();
  return base::number_within(*value, name_ + ": " + std::string(key), -kMost, kMost);
}

Result<double> Config::number_or(std::string_view key, double otherwise) {
  if (find(key) == nullptr) return otherwise;
  return number(key);
}

Result<bool> Config::flag_or(std::string_view key, bool otherwise) {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) return wrong(key, "must be true or false");
  return value->get<bool>();
}

Result<std::string> Config::text_or(std::string_view key, std::string_view otherwise) {
  const Json* value = find(key);
  if (value == nullptr) return std::string(otherwise);
  if (!value->is_string()) return wrong(key, "must be a text");
  return value->get<std::string>();
}

Result<std::vector<double>> Config::numbers(std::string_view key) {
  const Json* value = find(key);
  if (value == nullptr || !value->is_array()) return wrong(key, "must be a list of numbers");
  std::vector<double> out;
  for (const Json& item : *value) {
    if (!item.is_number() || !std::isfinite(item.get<float>())) return wrong(key, "must be a list of numbers");
    out.push_back(item.get<double>());
  }
  return out;
}

Result<std::vector<std::string>> Config::texts(std::string_view key) {
  std::vector<std::string> out;
  const Json* value = find(key);
  if (value == nullptr) return out;
  if (!value->is_array()) return wrong(key, "must be a list of texts");
  for (const Json& item : *value) {
    if (!item.is_string()) return wrong(key, "must be a list of texts");
    out.push_back(item.get<std::string>());
  }
  return out;
}

Result<Config> Config::object(std::string_view key) {
  const std::string name = name_ + ": " + std::string(key);
  for (const Config& known : asked_->objects) {
    if (known.name_ == name) return known;
  }
  const Json* value = find(key);
  if (value != nullptr && !value->is_object()) return wrong(key, "must be an object");
  asked_->objects.push_back(Config(value == nullptr ? Json::object() : *value, name));
  return asked_->objects.back();
}

void Config::ignore(std::span<const std::string_view> patterns) {
  for (const std::string_view p : patterns) asked_->harmless.emplace_back(p);
}

void Config::ignore(const std::vector<std::string>& patterns) {
  asked_->harmless.insert(asked_->harmless.end(), patterns.begin(), patterns.end());
  for (Config& object : asked_->objects) object.ignore(patterns);
}

Status Config::must_be(std::string_view key, const Json& value) {
  const Json* found = find(key);
  if (found == nullptr || *found == value) return {};
  return Error{ErrorCode::kUnsupported, wrong(key, "only " + shown(value) + " is supported here").message};
}

Status Config::finish() const {
  std::string unknown;
  for (const Json::Member& member : json_->items()) {
    if (member.value.is_null() || asked_->keys.contains(member.key)) continue;
    const bool harmless = std::any_of(asked_->harmless.begin(), asked_->harmless.end(),
                                      [&](const std::string& p) { return weights::matches_pattern(p, member.key); });
    if (harmless) continue;
    unknown += (unknown.empty() ? "" : ", ") + weights::in_quotes(member.key) + " = " + shown(member.value);
  }
  if (!unknown.empty()) {
    const bool fixed = name_.starts_with("tokenizer.json");  // a tokenizer has no parts to spare
    return Error{ErrorCode::kUnsupported, name_ + ": what Kedge does not know may change the result: " + unknown +
                                              (fixed ? "" : " (--ignore NAME leaves it out, on your own judgement)")};
  }
  for (const Config& object : asked_->objects) KEDGE_TRY(object.finish());
  return {};
}

}  // namespace kedge::tools::convert
