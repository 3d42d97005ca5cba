/* Kedge's C interface, the router: several models behind one question, with a measured confidence, checks, grounding in
 * retrieved text, and a record of every answer. The conventions are those of kedge.h; requests and answers are JSON
 * objects. An unknown member of a request is an error that names it. */
#ifndef KEDGE_KEDGE_ROUTER_H_
#define KEDGE_KEDGE_ROUTER_H_

#include "kedge/kedge.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- The router: docs/router.md -----------------------------------------------------------------------------------
 * A router holds a pool of models, opened from a TOML or JSON file; models are loaded when they are first asked. Any
 * threads may use one at once. */

typedef struct kedge_router kedge_router;
/* A step of an answer, as JSON: {"state", "rule", "detail"}; of a request with "stream" also {"state": "text",
 * "attempt": index in the answer's "attempts", "model", "alias", "text"}. Returns 0 to go on, anything else to cancel. */
typedef int (*kedge_event_fn)(void* user, const char* json, size_t json_size);

/* `overrides` is JSON of members that replace those of the file, or empty: {"audit": "audit.db", "policy": {...}}. An
 * empty path is no file: `overrides` is then the whole pool. */
KEDGE_API kedge_status kedge_router_open(const char* path, size_t path_size, const char* overrides,
                                         size_t overrides_size, kedge_router** router);
KEDGE_API void kedge_router_free(kedge_router* router); /* null is allowed; not while it answers; nothing in a child after fork() */

/* Request: {"question": text, or "messages": [{"role", "content"}] that end with the user's; "model": "auto", or an
 * alias or name of the pool, which is then the only one asked; "evidence": [{"id", "text", "source"}] to answer from,
 * or "grounding": "never" | "weak" (look up answers that are weak from memory) | "always" (answer from the index only)
 * and "index": path; "min_confidence", "deadline_s", "max_attempts", "abstain": false gives weak answers instead of
 * withholding them; "temperature", "seed", "max_tokens"; "schema", "pattern": what the answer has to obey (it is
 * written under the schema where the engine can enforce it, and checked against it always); "constraint": as in
 * kedge_generate_options; "tools", "tool_choice", "parallel_tool_calls": as kedge_chat_reader_create takes them, messages may
 * then have tool_calls and end with a tool's: calls the fast model is sure of are given, else the deep one's;
 * "conversation": an id for the record; "key": whose question it is, engines being fair among keys (default: the
 * conversation); "record": false writes none; "compare": asks fast and deep as well; "stream": events with the text of
 * attempts while they are written, before they are checked: what the answer is, and whether there is one, is known at
 * the end only;
 * "allow_special": control tokens written out in messages count}.
 * Answer: {"outcome": "answered" | "not_found" (in the sources) | "low_confidence" | "failed", "answer": text, null when there is
 * none or it is "withheld", "calls": of a request with tools [{"id" (null where the model gives none), "name", "arguments": JSON text}],
 * "reasoning": where there was some, "reason", "task", "source": "model" | "deterministic" (no model was asked), "derivation": of that
 * {"kind", "answer", "steps"}, "model", "alias", "confidence": the probability that it is right (null: nobody knows), "threshold"
 * (null: none, or one that accepts nothing), "citations", "evidence", "matches": where no answer is given, the sentences of the
 * evidence on the question, best first, [{"id", "source", "begin", "end", "text", "score"}], "path": every step, "attempts":
 * every generation with features and action, "neighbours": what became of past questions like it, "usage", "seed", "cpu_s",
 * "wall_s", "retrieval_s", "overhead_s": what neither models nor retrieval took, "record": {"id", "seq", "hash", "anchored",
 * "db"} when there is an audit log}; with "compare" {"fast", "deep", "routed": such answers, "same_answer", "cpu_ratio"}.
 * A model's failure is an outcome. A request nobody can answer is an error, and so is an answer that cannot be recorded. */
KEDGE_API kedge_status kedge_router_ask(kedge_router* router, const char* request, size_t request_size,
                                        kedge_event_fn on_event, void* user, char** json, size_t* json_size);

typedef struct kedge_ask_options {
  size_t struct_size;
  kedge_event_fn on_event; /* default null; called on the calling thread */
  void* user;
  kedge_cancel* cancel; /* default null. Ends the call with KEDGE_CANCELLED: a model that reads, writes or verifies within
                           a step; only loading a model is not interrupted. on_event sets it too when it cancels */
} kedge_ask_options;

KEDGE_API void kedge_ask_options_init(kedge_ask_options* options, size_t struct_size);
/* kedge_router_ask with more to say. */
KEDGE_API kedge_status kedge_router_ask_with(kedge_router* router, const char* request, size_t request_size,
                                             const kedge_ask_options* options, char** json, size_t* json_size);

/* Generates every attempt of a record again. `id` is its id, its number or "last". Answer: {"id", "seq", "same": all
 * bits equal, "replayed", "not_generated", "derivation" (of an answer no model gave: {"kind", "answer", "same"}),
 * "attempts":
 * [{"model", "prompt_same", "tokens_same", "logits_same", "logits_hash", "text", "cpu_s", "same"}]}. */
KEDGE_API kedge_status kedge_router_replay(kedge_router* router, const char* id, size_t id_size, char** json,
                                           size_t* json_size);

/* Request: {"alias", "path": of the new model, or "rollback": true; "golden": [{"prompt": token ids, "n_tokens",
 * "logits_hash"}], "retokenise": true when tokenizer and embeddings may differ, "shadow_share", "shadow_count",
 * "shadow_agreement": it answers that share of questions unseen, and takes over when after so many answers so large a
 * share agreed}. Until it succeeds the alias means what it meant; answers under way keep their model. */
KEDGE_API kedge_status kedge_router_swap(kedge_router* router, const char* request, size_t request_size, char** json,
                                         size_t* json_size);
KEDGE_API kedge_status kedge_router_state(kedge_router* router, char** json, size_t* json_size);

/* Changes the policy while questions are answered. Request: {"policy": {members of the file's table; null: its default},
 * "breakers": {alias or name: "open" (nobody asks that model until it is closed) | "closed" (what failed is forgotten)},
 * "by": who changes it}. Checked like the file; when something is wrong nothing has changed. Answers under way keep the
 * policy they began with. With an audit log the change is a record ("outcome": "configured", the whole configuration
 * kept beside it) before it holds, and later records name the new policy. Answer: {"policy", "before": SHA-256 of the
 * configurations, "settings": the policy now, "record": as of kedge_router_ask, or null}. */
KEDGE_API kedge_status kedge_router_configure(kedge_router* router, const char* patch, size_t patch_size, char** json,
                                              size_t* json_size);

/* The models there are. Owned JSON: [{"name", "aliases", "path", "pinned", "loaded", "digest": "sha256:..." of the
 * file, null until it was loaded, "architecture", "bytes", "modified": seconds since 1970, "has_chat_template",
 * "n_ctx": of its sessions, "n_ctx_train"}, ...]; from "architecture" on as the file's header says, or in its place
 * "error". One with adapters has "adapters": [{"path", "scale"}], and its digest is of them too. Loads no model. */
KEDGE_API kedge_status kedge_router_models(kedge_router* router, char** json, size_t* json_size);

/* Owned handles of the model behind an alias, or of that name, and of the engine in which the router asks it: what is
 * generated there shares its steps with the router's own questions. The model is loaded when it is not; it stays, and
 * counts as in use, while either handle lives (also when the alias comes to mean another, or the router is freed).
 * Either output may be null. A model without a chat template, which the router cannot ask, is given too. Errors:
 * KEDGE_NOT_FOUND, those of loading, KEDGE_CAPACITY (it does not fit beside the others). */
KEDGE_API kedge_status kedge_router_engine(kedge_router* router, const char* alias, size_t alias_size,
                                           kedge_model** model, kedge_engine** engine);

/* --- Retrieval: docs/retrieval.md --------------------------------------------------------------------------------- */

/* Makes an index from files and folders, and puts it in its place only when it is complete: what was there before stays
 * when the build fails or is cancelled (KEDGE_CANCELLED). Formats: .txt .md .markdown .html .htm .pdf .jsonl.
 * Request: {"paths": [file or folder, ...], "out": index file, "root": folder that sources are named
 *   from (optional; else they are named as their paths are), "model": GGUF file whose token embeddings make the vectors,
 *   "passage_words": 200 (1 to 10000), "skip_bad": false (true: files that cannot be used are left out and reported)}
 * Answer: {"index", "documents", "passages", "dim", "sha256" (of the contents), "fingerprint" (of the embedder), "model",
 *   "bytes", "normalised": true (texts are NFC without control characters), "hidden" (entries of folders that begin with
 *   a dot and were not looked at), "skipped": [{"path", "error"}, ...]}
 * on_progress may be null; it is called on this thread. */
KEDGE_API kedge_status kedge_index_build(const char* request, size_t request_size, kedge_progress_fn on_progress,
                                         void* user, char** json, size_t* json_size);
/* Opens an index, asks it one question and closes it.
 * Request: {"index": file, "query": text, "k": 8 (1 to 1000), "by": "both" | "bm25" | "vectors",
 *   "model": GGUF file, the one the index was built with; not needed when "by" is "bm25"}
 * Answer: {"index", "sha256", "by", "hits": [{"id", "title", "text", "source", "doc_sha256", "begin", "end", "metadata"
 *   (object or null), "score", "bm25_rank", "bm25_score", "vector_rank", "vector_score"}, ...]}, best first. Ranks count
 *   from 1; -1: not found by that ranking. begin and end are bytes of the extracted document. */
KEDGE_API kedge_status kedge_index_search(const char* request, size_t request_size, char** json, size_t* json_size);
/* Request: {"index": file}. Answer: {"index", "documents", "formats": {"jsonl": 1, ...}, "passages", "passage_words", "dim",
 *   "model", "fingerprint", "sha256", "bytes"}. Reads the whole index and checks its digest. */
KEDGE_API kedge_status kedge_index_info(const char* request, size_t request_size, char** json, size_t* json_size);

/* --- The audit log: docs/audit.md --------------------------------------------------------------------------------- */

/* Every request has "db", the path of the log; none of these writes or creates anything. Errors: KEDGE_NOT_FOUND,
 * KEDGE_CORRUPT (no audit log, or what was asked for was changed), KEDGE_UNSUPPORTED (a newer schema), KEDGE_IO.
 *
 * list    {limit = 20 (1 to 10000), model, outcome, since "2026-01-31T23:59" (UTC)}
 *         -> {records: [{seq, id, created, hash, model, outcome, question, artifacts}] newest first, total}
 * show    {record = "last": an id, a number as text, or "last"}
 *         -> {seq, id, created, prev, hash, hash_checked: true, question, record,
 *             artifacts: [{kind, sha256, bytes, text | base64}]}
 * verify  {public_key: hexadecimal; default: that of the key file, against: a file of heads kept elsewhere}; problems are
 *         in the answer, not in the status
 *         -> {ok, records, artifacts, heads, last_hash, public_key, problems: [{where, seq, what}], notes: [text]}
 * export  {format = "jsonl" | "in-toto", artifacts = false, after = 0: only records behind that number,
 *          limit = 0 (all; up to 10000): at most so many records}
 *         -> text, one JSON object per line */

KEDGE_API kedge_status kedge_audit_list(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_show(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_verify(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_export(const char* request, size_t request_size, char** json, size_t* json_size);

/* --- Calibration: docs/calibration.md ----------------------------------------------------------------------------- */

/* Fits the chance that an answer is right, and thresholds on it. The request:
 *   "observations": [{"id", "task", "features": {name: number}, "correct": bool, "cpu_s": seconds (optional),
 *                     "deep": {"correct": bool, "features", "cpu_s" (both optional)} (on all rows or none),
 *                     "question": text, "reworded": true for another wording of a row (both optional)}]
 *   "outside": rows like these of questions of other kinds: they and "question" make the gate, outside of which there is
 *              no p; without them there is none
 *   "model": object, kept in the file      "task": rows of another task are an error; "any" takes all
 *   "alpha": 0.1 or [0.05, 0.1]            "delta": 0.05           "seed": 0
 *   "fractions": [0.5, 0.25, 0.25]: rows that fit the weights, calibrate p, choose thresholds
 *   "features": names to use, the others are left out; without it those of the first row, and all rows have the same
 *   "map": "auto" (isotonic from 1000 calibration rows on), "platt", "isotonic"
 * Only observations, model and task are needed. The answer is {"calibrator": file, "report": {"confidence", "deep"}}:
 * the same for rows in any order. Errors: KEDGE_INVALID_ARGUMENT naming row and member; too few rows in a split. */
KEDGE_API kedge_status kedge_calibrate(const char* request, size_t request_size, char** json, size_t* json_size);

/* What a confidence, and routing by it, are worth on rows whose answers are known. The request:
 *   "observations": rows as above, which also have "p" and may have "tau" (null accepts nothing), "gain" (more is
 *                   escalated first) and "knn" (less is escalated first)
 *   "tau": for rows without their own      "bootstrap": 2000 resamples, 0 for no intervals, at most 100000
 *   "seed": 0      "shares": [0.1, 0.2, 0.3, 0.5] where quality is given      "curve_points": 101 at most
 *   "baselines": [{"name", "feature", "escalate": "low" or "high"}]: routers by one feature of the rows
 * Only observations is needed. A member that some rows have and others do not is an error, but features.
 * The answer is {"all": group, "tasks": {task: group}}. */
KEDGE_API kedge_status kedge_route_report(const char* request, size_t request_size, char** json, size_t* json_size);

/* Request: {"calibrator": a calibrator, "features": [{name: value}], "questions": [text] (for the gate; optional),
 * "alpha"}. Answer: {"threshold": null when it accepts nothing, "answers": [{"p", "p_deep" where the calibrator knows,
 * "inside": of the gate, where there is one and questions are given, "accepted"}]}. */
KEDGE_API kedge_status kedge_calibrator_apply(const char* request, size_t request_size, char** json, size_t* json_size);

/* --- Checks of an answer without a model -------------------------------------------------------------------------- */

/* Request: {"answer": text, "question": text, "evidence": [{"id", "text"}, ...], "schema": JSON schema (an object, true or
 *   false) that the answer has to be JSON of, "pattern": regular expression (PCRE2) the whole answer has to match,
 *   "samples": [other answers to the question, ...]}; only "answer" is needed. An empty pattern is none.
 * Answer: {"verdict": "fail" (a check failed) | "pass" (some check applied, none failed) | "unchecked" (none applied),
 *   "checks": [{"name", "verdict": "pass" | "fail", "explanation"}, ...], "citations": [{"value", "id" (as written),
 *   "quote", "resolved_by": "quote" | "sentence" | "id" | "none", "resolved_id" (null: none), "id_agrees", "byte_exact",
 *   "range": [begin, end] in bytes of the passage, or null}, ...]}
 * Schemas: draft 2020-12 without $dynamicRef, unevaluated*, dependentSchemas, minContains and remote $ref; also tuples of
 *   draft 7. "format" has no effect. A member named twice in an object of the answer is a failure.
 * Errors: KEDGE_INVALID_ARGUMENT (a schema or pattern that is none), KEDGE_UNSUPPORTED (an unknown keyword),
 *   KEDGE_CAPACITY (a pattern or schema that takes more work than a check may): then there is no verdict. */
KEDGE_API kedge_status kedge_check_answer(const char* request, size_t request_size, char** json, size_t* json_size);

#ifdef __cplusplus
}
#endif

#endif
