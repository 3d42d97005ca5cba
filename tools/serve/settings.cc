#include "tools/serve/settings.h"

#define TOML_EXCEPTIONS 0
#include <openssl/sha.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "kernels/base/hex.h"
#include "kernels/base/input_file.h"
#include "kernels/base/json.h"
#include "kernels/base/json_object.h"
#include "tools/serve/postgres.h"

namespace kedge::tools::serve {
namespace {

using base::Error;
using base::ErrorCode;
using base::JsonObject;
using base::Result;
using base::Status;

constexpr size_t kMaxFile = 1 << 20;
constexpr const char* kKeyVariable = "KEDGE_SERVE_KEY";

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

const SettingSpec* spec_named(std::string_view name) {
  for (const SettingSpec& spec : setting_specs()) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

std::string range_of(const SettingSpec& spec) {
  std::ostringstream out;
  out.precision(17);
  out << spec.low << " to " << spec.high;
  return out.str();
}

// A value from a file: its type is what the file says.
struct FromJson {
  Settings& s;
  const SettingSpec& spec;
  const Json& value;
  const std::string& where;

  Status operator()(std::string Settings::*f) const {
    if (!value.is_string()) return invalid(where + " has to be a text");
    s.*f = value.get<std::string>();
    return {};
  }
  Status operator()(bool Settings::*f) const {
    if (!value.is_boolean()) return invalid(where + " has to be true or false");
    s.*f = value.get<bool>();
    return {};
  }
  Status operator()(int64_t Settings::*f) const {
    KEDGE_ASSIGN(number,
                 base::whole_number(value, where, static_cast<int64_t>(spec.low), static_cast<int64_t>(spec.high)));
    s.*f = number;
    return {};
  }
  Status operator()(double Settings::*f) const {
    KEDGE_ASSIGN(number, base::number_within(value, where, spec.low, spec.high));
    s.*f = number;
    return {};
  }
  Status operator()(std::vector<std::string> Settings::*f) const {
    std::vector<std::string> list;
    const Status wrong = invalid(where + " has to be a list of texts");
    if (!value.is_array()) return wrong;
    for (const Json& element : value) {
      if (!element.is_string()) return wrong;
      list.push_back(element.get<std::string>());
    }
    s.*f = std::move(list);
    return {};
  }
};

// A text from the environment or the command line, as the type of the setting has it.
Result<Json> typed(const SettingSpec& spec, const std::string& text, const std::string& where) {
  if (std::holds_alternative<std::string Settings::*>(spec.field)) return Json(text);
  if (std::holds_alternative<bool Settings::*>(spec.field)) {
    if (text == "true" || text == "1") return Json(true);
    if (text == "false" || text == "0") return Json(false);
    return invalid(where + " = '" + text + "' has to be true or false");
  }
  if (std::holds_alternative<std::vector<std::string> Settings::*>(spec.field)) {
    Json list = Json::array();
    std::string part;
    for (std::istringstream in(text); std::getline(in, part, ',');) {
      const size_t begin = part.find_first_not_of(' ');
      if (begin != std::string::npos) list.push_back(part.substr(begin, part.find_last_not_of(' ') - begin + 1));
    }
    return list;
  }
  auto number = base::parse_json(text, where.c_str());
  if (!number.ok() || !number->is_number())
    return invalid(where + " = '" + text + "' has to be a number, " + range_of(spec));
  return std::move(number).value();
}

Status set(const SettingSpec& spec, const Json& value, const std::string& source, const std::string& where,
           Settings& settings) {
  KEDGE_TRY(std::visit(FromJson{settings, spec, value, where}, spec.field));
  settings.sources[spec.name] = source;
  return {};
}

Result<Role> read_roles(const std::vector<std::string>& roles, const std::string& where) {
  Role highest = Role::kNone;
  for (const std::string& role : roles) {
    const Role is = role == "admin"   ? Role::kAdmin
                    : role == "audit" ? Role::kAudit
                    : role == "use"   ? Role::kUse
                                      : Role::kNone;
    if (is == Role::kNone) return invalid(where + ": roles has '" + role + "', which is none of use, audit, admin");
    highest = std::max(highest, is);
  }
  if (highest == Role::kNone) return invalid(where + ": roles is empty");
  return highest;
}

Result<KeyEntry> read_key(const Json& json, const std::string& where) {
  KEDGE_ASSIGN(o, JsonObject::of(json, where + ": keys"));
  KeyEntry key;
  std::string digest;
  std::vector<std::string> roles = {"use"};
  KEDGE_TRY(o.text("name", key.name));
  KEDGE_TRY(o.text("sha256", digest));
  KEDGE_TRY(o.texts("roles", roles));
  KEDGE_TRY(o.number("share", key.share, 0.01, 100));
  KEDGE_TRY(o.finish({"name", "sha256"}));
  if (key.name.empty() || key.name == "local") return o.wrong("name", "= '" + key.name + "', which no key can have");
  const auto bytes = base::unhex(digest);
  if (!bytes.ok() || bytes->size() != key.sha256.size())
    return o.wrong("sha256", "is not 64 hexadecimal digits in lower case: printf %s KEY | sha256sum");
  std::copy(bytes->begin(), bytes->end(), key.sha256.begin());
  KEDGE_ASSIGN(role, read_roles(roles, where + ": keys"));
  key.role = role;
  return key;
}

constexpr double kMostScale = 100;

Result<AdapterEntry> read_adapter(const Json& json, const std::string& where, const std::filesystem::path& folder) {
  KEDGE_ASSIGN(o, JsonObject::of(json, where + ": adapters"));
  AdapterEntry adapter;
  KEDGE_TRY(o.text("name", adapter.name));
  KEDGE_TRY(o.text("path", adapter.path));
  KEDGE_TRY(o.text("model", adapter.model));
  KEDGE_TRY(o.number("scale", adapter.scale, -kMostScale, kMostScale));
  KEDGE_TRY(o.finish({"path"}));
  const auto path = (folder / adapter.path).lexically_normal();
  adapter.path = path.string();
  if (adapter.name.empty()) adapter.name = path.stem().string();
  return adapter;
}

Json json_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return Json(text->get());
  if (const auto* number = node.as_integer()) return Json(number->get());
  if (const auto* real = node.as_floating_point()) return Json(real->get());
  if (const auto* flag = node.as_boolean()) return Json(flag->get());
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const toml::node& element : *array) out.push_back(json_of(element));
    return out;
  }
  Json out = Json::object();
  if (const auto* table = node.as_table()) {
    for (const auto& [key, value] : *table) out[std::string(key.str())] = json_of(value);
    return out;
  }
  return {};  // a date or a time, which no setting is
}

class File {
 public:
  File(const std::string& name, Settings& settings) : name_(name), settings_(settings) {
    folder_ = std::filesystem::absolute(name).parent_path();
  }

  Status read(const std::string& text) {
    const toml::parse_result parsed = toml::parse(text, name_);
    if (!parsed) {
      const auto& e = parsed.error();
      return invalid(name_ + ":" + std::to_string(e.source().begin.line) + ": " + std::string(e.description()));
    }
    return walk(parsed.table(), "");
  }

 private:
  std::string at(const toml::node& node) const { return name_ + ":" + std::to_string(node.source().begin.line); }

  Status walk(const toml::table& table, const std::string& above) {
    for (const auto& [key, node] : table) {
      const std::string name = above + std::string(key.str());
      if (name == "keys") {
        KEDGE_TRY(read_keys(node));
      } else if (name == "adapters") {
        KEDGE_TRY(read_adapters(node));
      } else if (const SettingSpec* spec = spec_named(name)) {
        KEDGE_TRY(take(*spec, node));
      } else if (node.is_table() && above.empty() && is_group(name)) {
        KEDGE_TRY(walk(*node.as_table(), name + "."));
      } else {
        return invalid(at(node) + ": there is no setting '" + name + "'");
      }
    }
    return {};
  }

  static bool is_group(const std::string& name) {
    const auto specs = setting_specs();
    return std::any_of(specs.begin(), specs.end(),
                       [&](const SettingSpec& s) { return std::string_view(s.name).starts_with(name + "."); });
  }

  Status take(const SettingSpec& spec, const toml::node& node) {
    Json value = json_of(node);
    if (spec.is_path && value.is_string() && !value.get<std::string>().empty())
      value = (folder_ / value.get<std::string>()).lexically_normal().string();
    return set(spec, value, at(node), at(node) + ": " + spec.name, settings_);
  }

  Status read_keys(const toml::node& node) {
    const toml::array* list = node.as_array();
    if (list == nullptr) return invalid(at(node) + ": keys is a list of tables: [[keys]]");
    for (const toml::node& element : *list) {
      KEDGE_ASSIGN(key, read_key(json_of(element), at(element)));
      settings_.keys.push_back(std::move(key));
    }
    return {};
  }

  Status read_adapters(const toml::node& node) {
    const toml::array* list = node.as_array();
    if (list == nullptr) return invalid(at(node) + ": adapters is a list of tables: [[adapters]]");
    for (const toml::node& element : *list) {
      KEDGE_ASSIGN(adapter, read_adapter(json_of(element), at(element), folder_));
      settings_.adapters.push_back(std::move(adapter));
    }
    return {};
  }

  const std::string& name_;
  std::filesystem::path folder_;
  Settings& settings_;
};

Status read_environment(const SettingSources& sources, Settings& settings) {
  for (const SettingSpec& spec : setting_specs()) {
    const std::string variable = variable_of(spec);
    const char* value = sources.variable(variable.c_str());
    if (value == nullptr) continue;
    KEDGE_ASSIGN(json, typed(spec, value, variable));
    KEDGE_TRY(set(spec, json, variable, variable, settings));
  }
  if (const char* key = sources.variable(kKeyVariable); key != nullptr && *key != '\0') {
    KeyEntry entry{.name = "environment", .role = Role::kAdmin};
    const std::string_view text = key;
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), entry.sha256.data());
    settings.keys.push_back(std::move(entry));
  }
  return {};
}

}  // namespace

Status check_settings(const Settings& s) {
  for (size_t i = 0; i < s.keys.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (s.keys[i].name == s.keys[k].name) return invalid("two keys have the name '" + s.keys[i].name + "'");
      if (s.keys[i].sha256 == s.keys[k].sha256)
        return invalid("the keys '" + s.keys[k].name + "' and '" + s.keys[i].name + "' are the same");
    }
  }
  if (s.no_auth && !s.keys.empty()) return invalid("there are keys and no_auth: one of them is not meant");
  if (!s.host.empty() && s.keys.empty() && !s.no_auth && !is_loopback(s.host)) {
    return invalid("host = '" + s.host +
                   "' can be reached from other machines: give keys ([[keys]] of the file, or KEDGE_SERVE_KEY), or say "
                   "--no-auth");
  }
  if (s.tls_certificate.empty() != s.tls_private_key.empty())
    return invalid("tls.certificate and tls.private_key are needed together");
  if (!s.model.empty() && !s.pool.empty())
    return invalid("model and pool are both given: a pool names its models itself");
  if (s.load != "lazy" && s.load != "eager") return invalid("load = '" + s.load + "' has to be lazy or eager");
  if (const std::string& kind = s.engine_speculation; kind != "none" && kind != "ngram" && kind != "draft") {
    return invalid("engine.speculation = '" + kind + "' has to be none, ngram or draft");
  }
  if (s.engine_speculation == "draft" && s.engine_draft.empty())
    return invalid("engine.speculation = 'draft' needs engine.draft, the model that guesses");
  if (!s.postgres_url.empty()) {
    if (s.no_audit) return invalid("there are postgres.url and no_audit: without records there is nothing to copy");
    const std::string problem = Postgres::problem(s.postgres_url);
    if (!problem.empty()) return invalid("postgres.url: " + problem);
  }
  if (s.host.empty() && s.socket.empty()) return invalid("host is empty and there is no socket: nothing to listen on");
  return {};
}

SettingSources process_sources(std::string file, std::map<std::string, std::string> flags) {
  return {std::move(file), [](const char* name) { return std::getenv(name); }, std::move(flags)};
}

Result<Settings> read_settings(const SettingSources& sources) {
  Settings settings;
  std::string file = sources.file;
  if (const char* named = sources.variable("KEDGE_SERVE_CONFIG"); file.empty() && named != nullptr) file = named;
  for (const auto& [name, common] : sources.common) {
    const SettingSpec* spec = spec_named(name);
    if (spec == nullptr) return invalid(common.where + ": there is no setting '" + name + "'");
    KEDGE_ASSIGN(json, typed(*spec, common.text, common.where));
    KEDGE_TRY(set(*spec, json, common.where, common.where + ": " + name, settings));
  }
  if (!file.empty()) {
    KEDGE_ASSIGN(text, base::read_input_file(file, kMaxFile));
    KEDGE_TRY(File(file, settings).read(text));
  }
  KEDGE_TRY(read_environment(sources, settings));
  for (const auto& [name, text] : sources.flags) {
    const SettingSpec* spec = spec_named(name);
    if (spec == nullptr) return invalid("there is no setting '" + name + "'");
    KEDGE_ASSIGN(json, typed(*spec, text, flag_of(*spec)));
    KEDGE_TRY(set(*spec, json, flag_of(*spec), flag_of(*spec), settings));
  }
  KEDGE_TRY(check_settings(settings));
  return settings;
}

}  // namespace kedge::tools::serve
