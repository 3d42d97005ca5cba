#include "router/config.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <filesystem>
#include <sstream>

#include "kernels/base/input_file.h"
#include "kernels/base/json.h"
#include "kernels/base/json_object.h"
#include "kernels/base/sha256.h"

namespace kedge::router {
namespace {

constexpr const char* kPaths[] = {"calibrators", "index", "neighbours", "audit", "audit_mirror"};

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string resolved(const std::string& path, const std::string& folder) {
  if (path.empty()) return path;
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

// A path among overrides is of the working folder, not of the file's.
void start_here(Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key)) return;
  Json& path = object[key];
  if (path.is_string() && path != "") path = std::filesystem::absolute(path.get<std::string>()).string();
}

Result<std::string> toml_to_json(const std::string& text, const std::string& name) {
  const toml::parse_result parsed = toml::parse(text, name);
  if (!parsed) {
    const auto& e = parsed.error();
    return invalid(name + ":" + std::to_string(e.source().begin.line) + ": " + std::string(e.description()));
  }
  std::ostringstream out;
  out.exceptions(std::ios::badbit);  // out of memory
  out << toml::json_formatter{parsed.table()};
  return std::move(out).str();
}

Status read_kv_type(JsonObject& o, KvFormat& type) {
  std::string name;
  KEDGE_TRY(o.text("kv_type", name));
  if (name.empty()) return {};
  const auto format = kv_format_named(name);
  if (!format) return o.wrong("kv_type", "'" + name + "' is none of " + kv_format_names());
  type = *format;
  return {};
}

// Over what `options` has already. The ranges are Engine::create's, which would say so only when the first question
// comes.
Status read_engine(const Json& json, const std::string& where, const std::string& folder, EngineOptions& options) {
  KEDGE_ASSIGN(o, JsonObject::of(json, where));
  KEDGE_TRY(o.integer("sequences", options.sequences, 1, 4096));
  auto memory = static_cast<int64_t>(options.memory);
  KEDGE_TRY(o.integer("memory", memory, 0, INT64_MAX));
  options.memory = static_cast<size_t>(memory);
  KEDGE_TRY(o.integer("step_tokens", options.step_tokens, 1, 1 << 16));
  KEDGE_TRY(o.number("step_ms", options.step_ms, -1e6, 1e6));
  KEDGE_TRY(o.integer("waiting", options.waiting, 0, 1 << 20));
  KEDGE_TRY(o.integer("default_tokens", options.default_tokens, 1, 1 << 24));
  if (o.has("spill")) {
    KEDGE_TRY(o.text("spill", options.spill));
    options.spill = resolved(options.spill, folder);
  }
  return o.finish();
}

Status read_adapters(const Json& json, const std::string& where, const std::string& folder,
                     std::vector<AdapterSpec>& adapters) {
  constexpr double kMostScale = 1e6;
  if (!json.is_array()) return invalid(where + " is no list of {path, scale}");
  for (const Json& entry : json) {
    KEDGE_ASSIGN(o, JsonObject::of(entry, where));
    AdapterSpec adapter;
    KEDGE_TRY(o.text("path", adapter.path));
    KEDGE_TRY(o.number("scale", adapter.scale, -kMostScale, kMostScale));
    KEDGE_TRY(o.finish({"path"}));
    adapter.path = resolved(adapter.path, folder);
    adapters.push_back(std::move(adapter));
  }
  return {};
}

Status read_model(const std::string& name, const Json& json, const std::string& where, const std::string& folder,
                  const EngineOptions& engine, bool mmap, RouterConfig& config) {
  KEDGE_ASSIGN(o, JsonObject::of(json, where + ": models." + name));
  ModelSpec spec;
  spec.engine = engine;
  KEDGE_TRY(o.text("path", spec.path));
  if (spec.path.empty()) return o.wrong("path", "is missing");
  spec.path = resolved(spec.path, folder);
  KEDGE_TRY(o.integer("n_ctx", spec.n_ctx, 0, 1 << 24));
  KEDGE_TRY(o.flag("pinned", spec.pinned));
  spec.mmap = mmap;
  KEDGE_TRY(o.flag("mmap", spec.mmap));
  KEDGE_TRY(read_kv_type(o, spec.kv_type));
  if (const Json* kv = o.find("kv")) spec.kv = kv->dump();
  if (const Json* adapters = o.find("adapters")) {
    KEDGE_TRY(read_adapters(*adapters, where + ": models." + name + ".adapters", folder, spec.adapters));
  }
  if (const Json* own = o.find("engine")) {
    KEDGE_TRY(read_engine(*own, where + ": models." + name + ".engine", folder, spec.engine));
  }
  KEDGE_TRY(o.finish());
  config.models[name] = std::move(spec);
  return {};
}

// Every member once: read by a JsonObject, written by a PolicyWriter.
template <class Members>
Status policy_members(Members& m, RoutePolicy& p) {
  KEDGE_TRY(m.integer("max_attempts", p.max_attempts, 1, 64));
  KEDGE_TRY(m.number("deadline_s", p.deadline_s, 0.001, 86400));
  KEDGE_TRY(m.number("alpha", p.alpha, 0.0001, 0.9999));
  KEDGE_TRY(m.number("delta", p.delta, 0.0001, 0.9999));
  KEDGE_TRY(m.number("min_confidence", p.min_confidence, 0, 1));
  KEDGE_TRY(m.number("min_gain", p.min_gain, -1, 1));
  KEDGE_TRY(m.number("cost_cap", p.cost_cap, 0.01, 1e6));
  KEDGE_TRY(m.integer("abort_after", p.abort_after, 0, 1 << 20));
  KEDGE_TRY(m.integer("samples", p.samples, 0, 8));
  KEDGE_TRY(m.number("sample_temperature", p.sample_temperature, 0.01, 10));
  KEDGE_TRY(m.number("conservative_above", p.conservative_above, 0, 10));
  KEDGE_TRY(m.flag("escalate", p.escalate));
  KEDGE_TRY(m.flag("abstain", p.abstain));
  KEDGE_TRY(m.text("verify", p.verify));
  KEDGE_TRY(m.integer("passages", p.passages, 1, 64));
  return m.number("passage_share", p.passage_share, 0, 1);
}

struct PolicyWriter {
  Json json = Json::object();
  template <class T>
  Status write(const char* key, const T& value) {
    json[key] = value;
    return {};
  }
  Status integer(const char* key, int value, int, int) { return write(key, value); }
  Status number(const char* key, double value, double, double) { return write(key, value); }
  Status flag(const char* key, bool value) { return write(key, value); }
  Status text(const char* key, const std::string& value) { return write(key, value); }
};

Status read_policy(const Json& json, const std::string& where, RoutePolicy& p) {
  KEDGE_ASSIGN(o, JsonObject::of(json, where + ": policy"));
  KEDGE_TRY(policy_members(o, p));
  if (p.verify != "auto" && p.verify != "always" && p.verify != "never") {
    return o.wrong("verify", "'" + p.verify + "' is none of auto, always, never");
  }
  return o.finish();
}

Status read_aliases(const Json& json, const std::string& where, RouterConfig& config) {
  KEDGE_ASSIGN(o, JsonObject::of(json, where + ": aliases"));
  for (const auto& [alias, value] : json.items()) {
    std::string name;
    KEDGE_TRY(o.text(alias.c_str(), name));
    if (!config.models.count(name)) return o.wrong(alias.c_str(), "= '" + name + "', which is no model of the pool");
    config.aliases[alias] = name;
  }
  if (!config.aliases.count("fast"))
    return invalid(where + ": aliases.fast is missing: it names the model to ask first");
  return {};
}

}  // namespace

Json policy_json(const RoutePolicy& policy) {
  PolicyWriter writer;
  RoutePolicy copy = policy;
  (void)policy_members(writer, copy);  // which does not fail
  return std::move(writer.json);
}

Result<RouterConfig> parse_router_config(std::string_view text, const std::string& name, const std::string& folder) {
  KEDGE_ASSIGN(json, parse_json(text, name.c_str()));
  KEDGE_ASSIGN(o, JsonObject::of(json, name));
  RouterConfig config;
  config.name = name;
  const Json* models = o.find("models");
  if (models == nullptr || !models->is_object() || models->empty()) return invalid(name + ": models is missing");
  EngineOptions engine;  // of the models that say nothing else
  if (const Json* shared = o.find("engine")) KEDGE_TRY(read_engine(*shared, name + ": engine", folder, engine));
  bool mmap = true;
  KEDGE_TRY(o.flag("mmap", mmap));
  for (const auto& [key, value] : models->items())
    KEDGE_TRY(read_model(key, value, name, folder, engine, mmap, config));
  const Json* aliases = o.find("aliases");
  if (aliases == nullptr) return invalid(name + ": aliases is missing: fast (and deep) name models of the pool");
  KEDGE_TRY(read_aliases(*aliases, name, config));
  int64_t bytes = 0;
  KEDGE_TRY(o.integer("memory_bytes", bytes, 0, INT64_MAX));
  config.memory_bytes = static_cast<uint64_t>(bytes);
  KEDGE_TRY(o.integer("threads", config.threads, 0, 1024));
  std::string* const paths[] = {&config.calibrators, &config.index, &config.neighbours, &config.audit,
                                &config.audit_mirror};
  for (size_t i = 0; i < std::size(kPaths); ++i) {
    KEDGE_TRY(o.text(kPaths[i], *paths[i]));
    *paths[i] = resolved(*paths[i], folder);
  }
  if (const Json* policy = o.find("policy")) KEDGE_TRY(read_policy(*policy, name, config.policy));
  KEDGE_TRY(o.finish());
  config.json = json.dump();
  config.sha256 = sha256_hex(config.json);
  config.folder = folder;
  return config;
}

Result<RouterConfig> read_router_config(const std::string& path, std::string_view overrides) {
  if (path.empty()) {
    return parse_router_config(overrides.empty() ? "{}" : overrides, "the pool",
                               std::filesystem::current_path().string());
  }
  KEDGE_ASSIGN(text, read_input_file(path));
  const std::filesystem::path file = std::filesystem::absolute(path);
  if (file.extension() == ".toml") {
    KEDGE_ASSIGN(json, toml_to_json(text, path));
    text = std::move(json);
  }
  if (!overrides.empty()) {
    KEDGE_ASSIGN(json, parse_json(text, path.c_str()));
    KEDGE_ASSIGN(changes, parse_json(overrides, "overrides"));
    if (!changes.is_object()) return invalid("overrides is not a JSON object");
    for (const char* key : kPaths) start_here(changes, key);
    if (changes.contains("engine")) start_here(changes["engine"], "spill");
    if (changes.contains("models") && changes["models"].is_object()) {
      for (auto& [name, model] : changes["models"].items()) {
        start_here(model, "path");
        if (model.is_object() && model.contains("engine")) start_here(model["engine"], "spill");
        if (!model.is_object() || !model.contains("adapters") || !model["adapters"].is_array()) continue;
        for (Json& adapter : model["adapters"]) start_here(adapter, "path");
      }
    }
    json.merge_patch(changes);
    text = json.dump();
  }
  return parse_router_config(text, path, file.parent_path().string());
}

}  // namespace kedge::router
