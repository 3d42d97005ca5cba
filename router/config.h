// A pool of models and the policy that routes between them, read from a TOML or JSON file (docs/router.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::router {

struct AdapterSpec {
  std::string path;  // absolute
  double scale = 1;
};

struct ModelSpec {
  std::string path;     // absolute
  int n_ctx = 0;        // 0: what the model was trained with
  bool pinned = false;  // never unloaded to make room
  bool mmap = true;     // false: its file is read into memory, and may change afterwards
  KvFormat kv_type = KvFormat::kF16;
  std::string kv = {};                     // JSON, as kedge_session_options.kv; empty: the whole context
  std::vector<AdapterSpec> adapters = {};  // added to it, in this order
  EngineOptions engine = {};  // of its engine; n_threads and kv_type are RouterConfig::threads and the above
};

struct RoutePolicy {
  int max_attempts = 4;       // generations per question, of all models together
  double deadline_s = 30;     // for the whole answer
  double alpha = 0.10;        // accepted answers may be wrong this often,
  double delta = 0.05;        // except with this probability
  double min_confidence = 0;  // thresholds are at least this
  double min_gain = 0.15;     // escalating has to promise this much more probability of being right
  double cost_cap = 4.0;      // CPU time of all attempts, in multiples of what the deep model alone usually takes
  int abort_after = 8;        // tokens after which a hopeless answer may be given up; 0: never
  int samples = 0;            // further answers drawn to see whether they agree; 0: none
  double sample_temperature = 0.7;
  double conservative_above = 0.2;  // a weak answer drawn at a higher temperature is asked for again at 0
  bool escalate = true;
  bool abstain = true;          // weak answers are withheld; false: given, and called low_confidence
  std::string verify = "auto";  // the verifier model: auto (grounded answers that no check decided), always, never
  int passages = 3;             // retrieved for a question
  double passage_share = 0.7;   // of the best passage's score that the others need
};

struct RouterConfig {
  std::string name;                            // of the file, for errors
  std::map<std::string, ModelSpec> models;     // by name
  std::map<std::string, std::string> aliases;  // "fast", "deep", "verifier" and others, to names
  uint64_t memory_bytes = 0;                   // weights that may be loaded at once; 0: no limit
  int threads = 0;                             // of a generation; 0: default_threads()
  std::string calibrators;                     // folder of calibrator files; empty: none
  std::string index;         // retrieval index that questions are grounded in when asked to; empty: none
  std::string neighbours;    // index of past questions with what became of them; empty: none
  std::string audit;         // database of records; empty: answers are not recorded
  std::string audit_mirror;  // a second copy of its heads, in another place; empty: none
  RoutePolicy policy;
  std::string sha256;  // of the configuration as it took effect: the version records name
  std::string json;    // that configuration, and where its paths start
  std::string folder;
};

// The members of the table "policy", as they are.
Json policy_json(const RoutePolicy& policy);

// Errors: kNotFound, kIo, kInvalidArgument (syntax with line, an unknown member, a value outside its range, an alias of
// no model, no `fast`).
// `overrides`: JSON of members that replace the file's (nested objects member by member); their paths start at the
// working folder. Empty: none. Without a path they are the whole configuration.
Result<RouterConfig> read_router_config(const std::string& path, std::string_view overrides = {});
// `json`: the same as JSON text; relative paths start at `folder`.
Result<RouterConfig> parse_router_config(std::string_view json, const std::string& name, const std::string& folder);

}  // namespace kedge::router
