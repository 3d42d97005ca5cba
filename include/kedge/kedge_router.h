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

KEDGE_API kedge_status kedge_audit_list(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_show(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_verify(const char* request, size_t request_size, char** json, size_t* json_size);
KEDGE_API kedge_status kedge_audit_export(const char* request, size_t request_size, char** json, size_t* json_size);

/* --- Calibration: docs/calibration.md ----------------------------------------------------------------------------- */

/* Fits the chance that an answer is right, and thresholds on it. The request:
 *   "observations": [{"id", "task", "features": {name: number}, "correct": bool, "cpu_s": seconds (optional),
 *                     "deep": {"correct": bool, "features", "cpu_s" (both optional)} (on all rows or none)}]
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

/* --- Checks of an answer without a model -------------------------------------------------------------------------- */

KEDGE_API kedge_status kedge_check_answer(const char* request, size_t request_size, char** json, size_t* json_size);

#ifdef __cplusplus
}
#endif

#endif
