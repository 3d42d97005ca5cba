// The settings of `kedge serve`: one table of names. A name is a key of the TOML file ("limits.body_bytes"), a variable
// of the environment (KEDGE_SERVE_LIMITS_BODY_BYTES) and a flag (--limits-body-bytes); the flag is taken before the
// variable, that before the file, that before [serve] of the user's own settings (docs/config.md), that before the
// default.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/base/result.h"
#include "tools/serve/access.h"
#include "tools/serve/adapters.h"
#include "tools/serve/http/limits.h"

namespace kedge::tools::serve {

struct Settings {
  // Where it listens
  std::string host = "127.0.0.1";
  int64_t port = 8080;
  std::string socket;
  int64_t io_threads = 1;
  std::string tls_certificate;
  std::string tls_private_key;
  // Who may
  bool no_auth = false;
  std::vector<KeyEntry> keys;
  std::vector<std::string> hosts;
  std::vector<std::string> origins;
  // What is served
  std::string model;  // a file; empty: `pool`
  std::string pool;   // a TOML or JSON file; empty: the embedded pool
  bool mmap = false;  // a model file that shrinks under its mapping would end the server
  int64_t threads = 0;
  int64_t context = 0;
  std::string load = "lazy";  // or "eager"
  std::string state;          // a directory; empty: $XDG_STATE_HOME/kedge/serve
  std::string audit;          // a file; empty: the user's own
  bool no_audit = false;
  std::vector<AdapterEntry> adapters;
  // The engine of each model
  int64_t engine_sequences = 16;
  int64_t engine_waiting = 64;
  int64_t engine_memory_bytes = 0;
  double engine_step_ms = 0;
  std::string engine_speculation = "none";  // or "ngram", "draft"
  std::string engine_draft;                 // alias or name of the small model that guesses
  // What one request may ask for
  int64_t requests_max_tokens = 4096;  // of an answer, when the request does not say
  int64_t requests_n = 8;
  int64_t requests_stop = 16;
  int64_t requests_logprobs = 20;
  int64_t requests_documents = 256;
  double requests_deadline_ms = 0;
  int64_t requests_ping_ms = 5000;
  int64_t requests_whole_ping_ms = 240'000;  // Node's fetch gives up after five minutes without a byte
  // What one client may do to the server
  int64_t limits_header_bytes = 16 * 1024;
  int64_t limits_target_bytes = 8 * 1024;
  int64_t limits_header_fields = 100;
  int64_t limits_body_bytes = int64_t{32} << 20;
  int64_t limits_bodies_bytes = int64_t{512} << 20;
  int64_t limits_header_ms = 5000;
  int64_t limits_body_ms = 10'000;
  int64_t limits_body_rate = 64 * 1024;
  int64_t limits_idle_ms = 75'000;
  int64_t limits_stall_ms = 30'000;
  int64_t limits_connections = 4096;
  int64_t limits_connections_per_address = 512;
  int64_t limits_requests_per_connection = 10'000;
  int64_t limits_unsent_bytes = int64_t{1} << 20;
  // The end
  int64_t drain_lame_ms = 0;
  int64_t drain_grace_ms = 30'000;
  std::string log_file;
  int64_t watchdog_step_ms = 120'000;
  bool open_metrics = false;
  double bandwidth_bytes = 0;  // of this machine's memory, a second
  // Where records go too
  std::string postgres_url;
  int64_t postgres_every_ms = 1000;

  std::map<std::string, std::string> sources;  // of what is no default: "serve.toml:3", "KEDGE_SERVE_PORT", "--port"
};

using SettingField = std::variant<std::string Settings::*, bool Settings::*, int64_t Settings::*, double Settings::*,
                                  std::vector<std::string> Settings::*>;

struct SettingSpec {
  const char* name;
  SettingField field;
  const char* help;
  double low = 0;  // of numbers
  double high = 0;
  bool live = false;     // SIGHUP takes it over; the others need a start
  bool is_path = false;  // relative to the file's folder when a file says it
};

std::span<const SettingSpec> setting_specs();
std::string flag_of(const SettingSpec& spec);      // "--limits-body-bytes"
std::string variable_of(const SettingSpec& spec);  // "KEDGE_SERVE_LIMITS_BODY_BYTES"

// What was given, before it is looked at.
struct SettingSources {
  std::string file;                                       // empty: none
  std::function<const char*(const char* name)> variable;  // getenv, or a test's
  std::map<std::string, std::string> flags;               // by setting name
  struct Common {
    std::string text;
    std::string where;  // "/home/a/.config/kedge/kedge.toml:3"
  };
  std::map<std::string, Common> common = {};  // of the user's settings for all commands: taken after all of these
};

// Errors (kInvalidArgument, or those of reading the file) name file and line, variable or flag, the setting and what it
// may be. Settings that do not go together are errors too.
base::Result<Settings> read_settings(const SettingSources& sources);
// Whether the settings go together; a part of read_settings().
base::Status check_settings(const Settings& settings);
SettingSources process_sources(std::string file, std::map<std::string, std::string> flags);  // with getenv

// As a file of settings, all of them; where each comes from stands behind it.
std::string settings_toml(const Settings& settings);
// The JSON schema of the file.
Json settings_schema();

HttpLimits http_limits(const Settings& settings);
AccessRules access_rules(const Settings& settings);
// `wanted`, but for what only a start takes over.
Settings live_settings(const Settings& running, Settings wanted);
// Names of settings that differ and that only a start takes over.
std::vector<std::string> needs_restart(const Settings& running, const Settings& wanted);

}  // namespace kedge::tools::serve
