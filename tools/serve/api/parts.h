// What the functions behind the routes work with, and the functions that add them.
#pragma once

#include <atomic>
#include <set>
#include <string>

#include "tools/serve/admission.h"
#include "tools/serve/catalog.h"
#include "tools/serve/live.h"
#include "tools/serve/metrics.h"
#include "tools/serve/request_metrics.h"
#include "tools/serve/routes.h"
#include "tools/serve/runner.h"
#include "tools/serve/sequences.h"
#include "tools/serve/state_directory.h"
#include "tools/serve/workers.h"

namespace kedge::tools::serve {

struct Parts {
  Catalog& catalog;
  Runner& runner;
  Workers& workers;
  Admission& admission;
  const StateDirectory& state;
  RequestMetrics& requests;
  Live& live;
  Sequences& sequences;
  Metrics& metrics;
  std::atomic<int> ping_ms;            // a stream in which nothing comes says so this often
  std::atomic<int64_t> whole_ping_ms;  // so does a whole answer, after so long; 0: never
  const bool open_metrics;             // without a key
};

void add_generate(Routes& routes, Parts& parts);  // chat, completions, responses, messages, Ollama's
void add_models(Routes& routes, Parts& parts);    // what models there are
void add_tokens(Routes& routes, Parts& parts);    // texts to tokens and back
void add_records(Routes& routes, Parts& parts);   // records of the router's answers
void add_router(Routes& routes, Parts& parts);    // its state, and models behind its aliases

void add_conversations(Routes& routes, Parts& parts);
void add_indexes(Routes& routes, Parts& parts);
void add_arena(Routes& routes, Parts& parts);
void add_embeddings(Routes& routes, Parts& parts);
void add_monitoring(Routes& routes, Parts& parts);
void add_rerank(Routes& routes, Parts& parts);
void add_slots(Routes& routes, Parts& parts);  // llama-server's: sessions to files and back

// A function of the audit log (kedge_audit_show, ...) on the log that the router writes. Error: 404, there is none.
using AuditCall = kedge_status (*)(const char*, size_t, char**, size_t*);
Answer<Json> audit(Parts& parts, AuditCall function, Json request);
// Of all members "record" with an "id", however deep.
std::set<std::string> record_ids(const Json& json);

// The body as JSON, an object. Errors: 415 of another type than JSON, 400.
Answer<Json> json_body(const HttpRequest& request);

}  // namespace kedge::tools::serve
