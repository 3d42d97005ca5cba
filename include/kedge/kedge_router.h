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

/* Makes an index from files and folders, and puts it in its place only when it is complete: what was there before stays
 * when the build fails or is cancelled (KEDGE_CANCELLED). Formats: .txt .md .markdown .html .htm .pdf .jsonl.
 * Request: {"paths": [file or folder, ...], "out": index file, "model": GGUF file whose token embeddings make the vectors,
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

KEDGE_API kedge_status kedge_audit_list(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_show(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_verify(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_export(const char* request, size_t request_size, char** json, size_t* json_size);

/* --- Calibration: docs/calibration.md ----------------------------------------------------------------------------- */

KEDGE_API kedge_status kedge_calibrate(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_route_report(const char* request, size_t request_size, char** json, size_t* json_size);

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
