/* Kedge's C interface, the router: several models behind one question, with a measured confidence, checks, grounding in
 * retrieved text, and a record of every answer. The conventions are those of kedge.h; requests and answers are JSON
 * objects. An unknown member of a request is an error that names it. */
#ifndef KEDGE_KEDGE_ROUTER_H_
#define KEDGE_KEDGE_ROUTER_H_

#include "kedge/kedge.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Returns 0 to go on, anything else to cancel. */
typedef int (*kedge_progress_fn)(void* user, size_t done, size_t total);

/* --- Retrieval: docs/retrieval.md --------------------------------------------------------------------------------- */

KEDGE_API kedge_status kedge_index_build(const char* request, size_t request_size, kedge_progress_fn on_progress,
                                         void* user, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_index_search(const char* request, size_t request_size, char** json, size_t* json_size);

/* --- The audit log: docs/audit.md --------------------------------------------------------------------------------- */

/* Every request has "db", the path of the log; none of these writes or creates anything. Errors: KEDGE_NOT_FOUND,
 * KEDGE_CORRUPT (no audit log, or what was asked for was changed), KEDGE_UNSUPPORTED (a newer schema), KEDGE_IO.
 *
 * list    {limit = 20 (1 to 10000), model, outcome, since "2026-01-31T23:59" (UTC)}
 *         -> {records: [{seq, id, created, hash, model, outcome, artifacts}] newest first, total}
 * show    {record = "last": an id, a number as text, or "last"}
 *         -> {seq, id, created, prev, hash, record, artifacts: [{kind, sha256, bytes, text | base64}]}
 * verify  {public_key: hexadecimal; default: that of the key file}; problems are in the answer, not in the status
 *         -> {ok, records, artifacts, heads, last_hash, public_key, problems: [{where, seq, what}], notes: [text]}
 * export  {format = "jsonl" | "in-toto", artifacts = false}
 *         -> text, one JSON object per line */

KEDGE_API kedge_status kedge_audit_list(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_show(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_verify(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_export(const char* request, size_t request_size, char** json, size_t* json_size);

/* --- Calibration: docs/calibration.md ----------------------------------------------------------------------------- */

KEDGE_API kedge_status kedge_calibrate(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_route_report(const char* request, size_t request_size, char** json, size_t* json_size);

/* --- Checks of an answer without a model -------------------------------------------------------------------------- */

KEDGE_API kedge_status kedge_check_answer(const char* request, size_t request_size, char** json, size_t* json_size);

#ifdef __cplusplus
}
#endif

#endif
