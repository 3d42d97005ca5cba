#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "kernels/base/hex.h"
#include "tools/serve/settings.h"

namespace kedge::tools::serve {
namespace {

constexpr double kMany = 1e15;
constexpr bool kLive = true;
constexpr bool kAtStart = false;
constexpr bool kPath = true;

constexpr std::array kSpecs = {
    SettingSpec{"host", &Settings::host, "Name or address to listen on; one that is not this machine's own needs keys"},
    SettingSpec{"port", &Settings::port, "Port to listen on; 0: any that is free", 0, 65535},
    SettingSpec{"socket", &Settings::socket, "Socket in the file system to listen on too", 0, 0, kAtStart, kPath},
    SettingSpec{"io_threads", &Settings::io_threads, "Threads for the network", 1, 64},
    SettingSpec{"tls.certificate", &Settings::tls_certificate, "PEM file with the certificate and its chain: TLS", 0, 0,
                kAtStart, kPath},
    SettingSpec{"tls.private_key", &Settings::tls_private_key, "PEM file with the certificate's key", 0, 0, kAtStart,
                kPath},
    SettingSpec{"no_auth", &Settings::no_auth, "Whoever reaches the address may use everything", 0, 0, kAtStart},
    SettingSpec{"hosts", &Settings::hosts, "Names of this server that a request's Host may have", 0, 0, kLive},
    SettingSpec{"origins", &Settings::origins, "Web origins whose pages may ask; * for all", 0, 0, kLive},
    SettingSpec{"model", &Settings::model, "GGUF file to serve", 0, 0, kAtStart, kPath},
    SettingSpec{"pool", &Settings::pool, "Pool of models to serve, a TOML or JSON file [the embedded pool]", 0, 0,
                kAtStart, kPath},
    SettingSpec{"mmap", &Settings::mmap,
                "Map model files into memory instead of reading them; one that shrinks then ends the server"},
    SettingSpec{"threads", &Settings::threads, "Threads of an engine; 0: the cores this process may use", 0, 1024},
    SettingSpec{"context", &Settings::context, "Tokens of a conversation; 0: what the model was trained on", 0,
                1 << 24},
    SettingSpec{"load", &Settings::load, "When models are loaded: lazy, when first asked for; eager, before /readyz"},
    SettingSpec{"state", &Settings::state, "Folder for what the server keeps", 0, 0, kAtStart, kPath},
    SettingSpec{"audit", &Settings::audit, "File for the record of answers", 0, 0, kAtStart, kPath},
    SettingSpec{"no_audit", &Settings::no_audit, "Keep no record of answers"},
    SettingSpec{"engine.sequences", &Settings::engine_sequences, "Answers written at once, of one model", 1, 4096},
    SettingSpec{"engine.waiting", &Settings::engine_waiting,
                "Requests that may wait for their turn; one more is refused", 0, 100'000},
    SettingSpec{"engine.memory_bytes", &Settings::engine_memory_bytes,
                "Memory for the KV cache; 0: half of what is free", 0, kMany},
    SettingSpec{"engine.step_ms", &Settings::engine_step_ms,
                "Most time that reading prompts takes of a step; 0: the larger of 25 ms and twice a step without", -1,
                60'000},
    SettingSpec{"engine.speculation", &Settings::engine_speculation,
                "Guess tokens ahead, which changes their speed only: none, ngram (from the text so far), draft", 0, 0,
                kLive},
    SettingSpec{"engine.draft", &Settings::engine_draft,
                "Alias of the small model that guesses for others of its vocabulary (speculation: draft)", 0, 0, kLive},
    SettingSpec{"requests.max_tokens", &Settings::requests_max_tokens,
                "Tokens of an answer when the request does not say", 1, 1 << 24, kLive},
    SettingSpec{"requests.n", &Settings::requests_n, "Most choices of a request", 1, 128, kLive},
    SettingSpec{"requests.stop", &Settings::requests_stop, "Most stop strings of a request", 0, 1024, kLive},
    SettingSpec{"requests.logprobs", &Settings::requests_logprobs, "Most alternatives listed of a token", 0, 1024,
                kLive},
    SettingSpec{"requests.documents", &Settings::requests_documents, "Most documents of a request", 0, 1 << 20, kLive},
    SettingSpec{"requests.deadline_ms", &Settings::requests_deadline_ms,
                "Time for a request that does not say; 0: no end", 0, 86'400'000, kLive},
    SettingSpec{"requests.ping_ms", &Settings::requests_ping_ms, "A stream in which nothing comes says so this often",
                10, 600'000, kLive},
    SettingSpec{"requests.whole_ping_ms", &Settings::requests_whole_ping_ms,
                "A whole answer that takes longer begins with white space then, and with status 200; 0: never", 0,
                86'400'000, kLive},
    SettingSpec{"limits.header_bytes", &Settings::limits_header_bytes, "Largest header", 512, 1 << 20, kLive},
    SettingSpec{"limits.target_bytes", &Settings::limits_target_bytes, "Longest path with its query", 64, 1 << 20,
                kLive},
    SettingSpec{"limits.header_fields", &Settings::limits_header_fields, "Most header fields", 8, 10'000, kLive},
    SettingSpec{"limits.body_bytes", &Settings::limits_body_bytes, "Largest body", 0, double{1 << 30}, kLive},
    SettingSpec{"limits.bodies_bytes", &Settings::limits_bodies_bytes, "All bodies at once", 1 << 16, kMany, kLive},
    SettingSpec{"limits.header_ms", &Settings::limits_header_ms, "Time for a header", 10, 600'000, kLive},
    SettingSpec{"limits.body_ms", &Settings::limits_body_ms, "Time for a body, beside that of limits.body_rate", 10,
                3'600'000, kLive},
    SettingSpec{"limits.body_rate", &Settings::limits_body_rate, "Bytes of a body that earn it a second more", 1, kMany,
                kLive},
    SettingSpec{"limits.idle_ms", &Settings::limits_idle_ms, "Time that a connection may wait between requests", 10,
                86'400'000, kLive},
    SettingSpec{"limits.stall_ms", &Settings::limits_stall_ms, "A client that reads nothing for so long is gone", 10,
                3'600'000, kLive},
    SettingSpec{"limits.connections", &Settings::limits_connections, "Connections at once", 1, 1'000'000, kLive},
    SettingSpec{"limits.connections_per_address", &Settings::limits_connections_per_address,
                "Connections of one address at once", 1, 1'000'000, kLive},
    SettingSpec{"limits.requests_per_connection", &Settings::limits_requests_per_connection,
                "Requests of a connection until it is closed", 1, kMany, kLive},
    SettingSpec{"limits.unsent_bytes", &Settings::limits_unsent_bytes,
                "Bytes of a stream that may wait for a slow reader", 1024, 1 << 30, kLive},
    SettingSpec{"drain.lame_ms", &Settings::drain_lame_ms, "After SIGTERM: time in which only /readyz says so", 0,
                3'600'000, kLive},
    SettingSpec{"drain.grace_ms", &Settings::drain_grace_ms, "Then: time for the requests at work", 0, 86'400'000,
                kLive},
    SettingSpec{"log.file", &Settings::log_file, "File for the log [standard error]", 0, 0, kLive, kPath},
    SettingSpec{"open_metrics", &Settings::open_metrics, "Whoever reaches the address may read /metrics without a key"},
    SettingSpec{"bandwidth_bytes", &Settings::bandwidth_bytes,
                "Bytes that this machine's memory gives in a second, as kedge bench --bandwidth measures them; 0: not "
                "known",
                0, kMany},
    SettingSpec{"watchdog.step_ms", &Settings::watchdog_step_ms,
                "A step of an engine that takes longer is named in the log and makes /readyz say no; 0: none", 0,
                86'400'000, kLive},
    SettingSpec{"postgres.url", &Settings::postgres_url,
                "PostgreSQL database that gets a copy of the record of answers, as libpq names it, without password"},
    SettingSpec{"postgres.every_ms", &Settings::postgres_every_ms, "New records go there this often", 10, 3'600'000},
};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < ' ' || byte == 0x7f) {
      out += "\\u00";
      out += base::kHexDigits[byte >> 4];
      out += base::kHexDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string number_text(double value) {
  std::array<char, 40> text;
  std::snprintf(text.data(), text.size(), "%.17g", value);
  std::string out = text.data();
  return out.find_first_of(".e") == std::string::npos ? out + ".0" : out;
}

struct AsToml {
  const Settings& s;
  std::string operator()(std::string Settings::*f) const { return quoted(s.*f); }
  std::string operator()(bool Settings::*f) const { return s.*f ? "true" : "false"; }
  std::string operator()(int64_t Settings::*f) const { return std::to_string(s.*f); }
  std::string operator()(double Settings::*f) const { return number_text(s.*f); }
  std::string operator()(std::vector<std::string> Settings::*f) const {
    std::string out;
    for (const std::string& text : s.*f) out += (out.empty() ? "" : ", ") + quoted(text);
    return "[" + out + "]";
  }
};

Json schema_of(const SettingSpec& spec) {
  const Settings defaults;
  Json out = {{"description", spec.help}};
  const auto number = [&](const char* type, auto value) {
    out["type"] = type;
    if (spec.low == std::floor(spec.low)) {
      out["minimum"] = static_cast<int64_t>(spec.low);
      out["maximum"] = static_cast<int64_t>(spec.high);
    }
    out["default"] = value;
  };
  if (const auto* i = std::get_if<int64_t Settings::*>(&spec.field)) {
    number("integer", defaults.**i);
  } else if (const auto* d = std::get_if<double Settings::*>(&spec.field)) {
    number("number", static_cast<int64_t>(defaults.**d));
  } else if (const auto* b = std::get_if<bool Settings::*>(&spec.field)) {
    out["type"] = "boolean";
    out["default"] = defaults.**b;
  } else if (const auto* s = std::get_if<std::string Settings::*>(&spec.field)) {
    out["type"] = "string";
    out["default"] = defaults.**s;
  } else {
    out["type"] = "array";
    out["items"] = {{"type", "string"}};
    out["default"] = Json::array();
  }
  return out;
}

Json keys_schema() {
  Json properties = {
      {"name", {{"type", "string"}, {"minLength", 1}, {"description", "As the log and the records call it"}}},
      {"sha256",
       {{"type", "string"}, {"pattern", "^[0-9a-f]{64}$"}, {"description", "Of the key: printf %s KEY | sha256sum"}}},
      {"roles",
       {{"type", "array"},
        {"items", {{"enum", {"use", "audit", "admin"}}}},
        {"minItems", 1},
        {"default", {"use"}},
        {"description", "use: generate; audit: read records too; admin: everything"}}},
      {"share",
       {{"type", "number"},
        {"minimum", 0.01},
        {"maximum", 100},
        {"default", 1},
        {"description", "Of the engine, against the other keys"}}}};
  Json item = {{"type", "object"},
               {"additionalProperties", false},
               {"required", {"name", "sha256"}},
               {"properties", std::move(properties)}};
  return {{"type", "array"}, {"items", std::move(item)}, {"description", "Who may use the server"}};
}

Json adapters_schema() {
  Json properties = {
      {"name", {{"type", "string"}, {"description", "As answers call it; the file's name when it is absent"}}},
      {"path", {{"type", "string"}, {"minLength", 1}, {"description", "GGUF file, from the folder of this file"}}},
      {"model", {{"type", "string"}, {"description", "Alias or name of the model it is for; absent: of each"}}},
      {"scale",
       {{"type", "number"},
        {"minimum", -100},
        {"maximum", 100},
        {"default", 1},
        {"description", "Of requests that do not say; 0: only where one asks for it"}}}};
  Json item = {{"type", "object"},
               {"additionalProperties", false},
               {"required", {"path"}},
               {"properties", std::move(properties)}};
  return {{"type", "array"}, {"items", std::move(item)}, {"description", "LoRA adapters and control vectors"}};
}

const char* role_text(Role role) { return role == Role::kAdmin ? "admin" : role == Role::kAudit ? "audit" : "use"; }

}  // namespace

std::span<const SettingSpec> setting_specs() { return kSpecs; }

std::string flag_of(const SettingSpec& spec) {
  std::string out = "--" + std::string(spec.name);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '.' || c == '_'; }, '-');
  return out;
}

std::string variable_of(const SettingSpec& spec) {
  std::string out = "KEDGE_SERVE_";
  for (const char c : std::string_view(spec.name)) {
    out += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return out;
}

std::string settings_toml(const Settings& settings) {
  std::string out = "# The settings of kedge serve, and where those come from that are no defaults.\n";
  std::string table;
  const auto line = [&](const SettingSpec& spec, std::string_view key) {
    out += std::string(key) + " = " + std::visit(AsToml{settings}, spec.field);
    if (const auto source = settings.sources.find(spec.name); source != settings.sources.end())
      out += "  # " + source->second;
    out += "\n";
  };
  for (const SettingSpec& spec : kSpecs) {
    if (std::string_view(spec.name).find('.') == std::string_view::npos) line(spec, spec.name);
  }
  for (const SettingSpec& spec : kSpecs) {
    const std::string_view name = spec.name;
    const size_t dot = name.find('.');
    if (dot == std::string_view::npos) continue;
    if (name.substr(0, dot) != table) {
      table = name.substr(0, dot);
      out += "\n[" + table + "]\n";
    }
    line(spec, name.substr(dot + 1));
  }
  for (const KeyEntry& key : settings.keys) {
    out += "\n[[keys]]\nname = " + quoted(key.name) + "\nsha256 = \"" +
           base::hex(std::string_view(reinterpret_cast<const char*>(key.sha256.data()), key.sha256.size())) +
           "\"\nroles = [\"" + role_text(key.role) + "\"]\nshare = " + number_text(key.share) + "\n";
  }
  for (const AdapterEntry& a : settings.adapters) {
    out += "\n[[adapters]]\nname = " + quoted(a.name) + "\npath = " + quoted(a.path) + "\nmodel = " + quoted(a.model) +
           "\nscale = " + number_text(a.scale) + "\n";
  }
  return out;
}

Json settings_schema() {
  Json properties = Json::object();
  for (const SettingSpec& spec : kSpecs) {
    const std::string name = spec.name;
    const size_t dot = name.find('.');
    if (dot == std::string::npos) {
      properties[name] = schema_of(spec);
      continue;
    }
    const std::string group = name.substr(0, dot);
    if (!properties.contains(group)) {
      properties[group] = {{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
    }
    properties[group]["properties"][name.substr(dot + 1)] = schema_of(spec);
  }
  properties["keys"] = keys_schema();
  properties["adapters"] = adapters_schema();
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", "kedge serve"},
          {"type", "object"},
          {"additionalProperties", false},
          {"properties", std::move(properties)}};
}

HttpLimits http_limits(const Settings& s) {
  HttpLimits out;
  const auto ms = [](int64_t value) { return std::chrono::milliseconds(value); };
  const auto size = [](int64_t value) { return static_cast<size_t>(value); };
  out.header_bytes = size(s.limits_header_bytes);
  out.target_bytes = size(s.limits_target_bytes);
  out.header_fields = size(s.limits_header_fields);
  out.body_bytes = size(s.limits_body_bytes);
  out.bodies_bytes = size(s.limits_bodies_bytes);
  out.header_time = ms(s.limits_header_ms);
  out.body_time = ms(s.limits_body_ms);
  out.body_rate = size(s.limits_body_rate);
  out.idle_time = ms(s.limits_idle_ms);
  out.stall_time = ms(s.limits_stall_ms);
  out.connections = size(s.limits_connections);
  out.connections_per_address = size(s.limits_connections_per_address);
  out.requests = size(s.limits_requests_per_connection);
  out.unsent_bytes = size(s.limits_unsent_bytes);
  return out;
}

AccessRules access_rules(const Settings& settings) {
  AccessRules rules{.keys = settings.keys, .hosts = {}, .origins = {}, .open = settings.keys.empty()};
  for (const std::string& host : settings.hosts) rules.hosts.push_back(host_without_port(host));
  for (std::string origin : settings.origins) {
    std::transform(origin.begin(), origin.end(), origin.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    while (origin.ends_with('/')) origin.pop_back();
    rules.origins.push_back(std::move(origin));
  }
  return rules;
}

Settings live_settings(const Settings& running, Settings wanted) {
  for (const SettingSpec& spec : kSpecs) {
    if (!spec.live) std::visit([&](auto f) { wanted.*f = running.*f; }, spec.field);
  }
  wanted.adapters = running.adapters;
  return wanted;
}

std::vector<std::string> needs_restart(const Settings& running, const Settings& wanted) {
  std::vector<std::string> out;
  for (const SettingSpec& spec : kSpecs) {
    const bool same = std::visit([&](auto f) { return running.*f == wanted.*f; }, spec.field);
    if (!same && !spec.live) out.emplace_back(spec.name);
  }
  if (running.adapters != wanted.adapters) out.emplace_back("adapters");
  return out;
}

}  // namespace kedge::tools::serve
