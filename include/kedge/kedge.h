/* Kedge's C interface: everything an embedder, a language binding or our own command needs.
 *
 * Conventions
 * - Functions that can fail return kedge_status; on failure outputs are zeroed and kedge_last_error() has the message
 *   (per thread, valid until the same thread's next failing call). Nothing aborts, prints or throws.
 * - Strings are UTF-8, given as pointer and length; they need no terminator. A null pointer is allowed when the length
 *   is 0. Text handed out is followed by a NUL that its length does not count.
 * - "Owned" outputs are released with kedge_free(). "Views" belong to the handle they came from.
 * - Option structs begin with struct_size. Fill them with the matching *_init function, then change what you need; a
 *   null pointer means all defaults. Structs grow at their end only: an older caller keeps working.
 * - Callbacks return 0 to go on, anything else to cancel. They run on the calling thread and must not call back into
 *   the same session (but see "Threads").
 * - Threads: a model is immutable and may be used from any threads at once. A session belongs to one call at a time.
 *   Only kedge_session_set_cancel may be called from elsewhere, and those that look: kedge_session_kv,
 *   kedge_session_kv_log and kedge_session_experts say how it is between two steps, from any thread (the session must
 *   not be freed meanwhile) and from callbacks, but not from kedge_row_fn. A second call of another kind, of another
 *   thread or from a callback, is KEDGE_INVALID_ARGUMENT; a session freed in a callback goes when the call ends.
 * - After fork() a child may use models and sessions of its parent (on one thread, and not with a cold tier in a file),
 *   and open its own. A router of the parent is KEDGE_UNSUPPORTED in the child.
 * - Memory that runs out is KEDGE_CAPACITY, from every function. (libsentencepiece, which reads and uses "llama"
 *   vocabularies, works on a reserve; only where retries fail too it ends the process.) So is a model or a KV cache
 * that does not fit the memory limit of the process's control groups, before it is loaded. */
#ifndef KEDGE_KEDGE_H_
#define KEDGE_KEDGE_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define KEDGE_API
#else
#define KEDGE_API __attribute__((visibility("default")))
#endif

#define KEDGE_ABI_VERSION 1

/* Of these headers; kedge_version() is the library's. */
#define KEDGE_VERSION_MAJOR 0
#define KEDGE_VERSION_MINOR 1
#define KEDGE_VERSION_PATCH 0
#define KEDGE_VERSION "0.1.0"
/* #if KEDGE_VERSION_NUMBER >= 200: 0.2.0 or later */
#define KEDGE_VERSION_NUMBER (KEDGE_VERSION_MAJOR * 10000 + KEDGE_VERSION_MINOR * 100 + KEDGE_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kedge_model kedge_model;
typedef struct kedge_engine kedge_engine;
typedef struct kedge_session kedge_session;
typedef struct kedge_checkpoint kedge_checkpoint;
typedef struct kedge_generation kedge_generation;
typedef struct kedge_prefix_cache kedge_prefix_cache;
typedef struct kedge_cancel kedge_cancel;
typedef struct kedge_adapter kedge_adapter;
typedef struct kedge_chat_reader kedge_chat_reader;
struct kedge_adapter_use;

typedef enum kedge_status {
  KEDGE_OK = 0,
  KEDGE_INVALID_ARGUMENT = 1, /* the caller's value is wrong */
  KEDGE_NOT_FOUND = 2,        /* no such file, key, tensor */
  KEDGE_CORRUPT = 3,          /* the file breaks its format */
  KEDGE_UNSUPPORTED = 4,      /* well formed, but not something this build can do */
  KEDGE_CAPACITY = 5,         /* a limit is reached: context full, out of memory */
  KEDGE_IO = 6,               /* the operating system refused */
  KEDGE_CANCELLED = 7,        /* the caller asked to stop */
  KEDGE_INTERNAL = 8          /* a bug of ours */
} kedge_status;

typedef struct kedge_str {
  const char* data;
  size_t size;
} kedge_str;

/* --- The library ------------------------------------------------------------------------------------------------ */

KEDGE_API const char* kedge_version(void);               /* "0.1.0" */
KEDGE_API int kedge_abi_version(void);                   /* KEDGE_ABI_VERSION of the library linked */
/* Owned JSON: {"version", "abi", "commit": what it was built from, "unknown" outside of a checkout, with "-dirty" behind
 * when files had changed, "compiler", "isas": instruction sets it has kernels for, best first, whether or not this machine
 * has them}. */
KEDGE_API kedge_status kedge_build_info(char** json, size_t* json_size);
KEDGE_API const char* kedge_status_name(kedge_status s); /* "capacity"; "unknown" for other numbers */
KEDGE_API const char* kedge_last_error(void);            /* never null; "" when nothing has failed yet */
KEDGE_API void kedge_free(void* owned);                  /* null is allowed */

/* What the library has to tell while it works: models it loads and unloads, what failed and was got over. It writes
 * nowhere itself. */
typedef enum kedge_log_level {
  KEDGE_LOG_ERROR = 1,
  KEDGE_LOG_WARNING = 2,
  KEDGE_LOG_INFO = 3,
  KEDGE_LOG_DEBUG = 4
} kedge_log_level;
/* Text without a line end, whole lines. Called on whatever thread it happens, from several at once; it must call nothing
 * of this library. */
typedef void (*kedge_log_fn)(void* user, int level, const char* text, size_t text_size);
/* Of the whole process; in place of the one before, which is not called any more when this returns. Null: none, as at
 * the beginning. `most`: messages above this kedge_log_level are not made. */
KEDGE_API void kedge_set_log(kedge_log_fn log, void* user, int most);

/* A flag that ends the calls it was given to, within a step of their models: KEDGE_CANCELLED. It outlives them, and
 * serves any number of them. kedge_cancel_set may be called from any thread, and from a signal handler; null does
 * nothing. */
KEDGE_API kedge_status kedge_cancel_create(kedge_cancel** cancel);
KEDGE_API void kedge_cancel_set(kedge_cancel* cancel, int on);
KEDGE_API void kedge_cancel_free(kedge_cancel* cancel); /* null is allowed */

/* Threads a session uses by default: the cores this process may run on, within its cgroup's CPU quota. */
KEDGE_API int kedge_default_threads(void);

/* Owned JSON: CPU, instruction sets, threads, cgroup CPU quota and memory limit, huge pages. */
KEDGE_API kedge_status kedge_system_info(char** json, size_t* json_size);

/* Owned JSON: what can be set. One schema, from which flags and documentation are made: of
 * kedge_generate_options.settings {"order": [sampler, ...], "settings": [{"name", "sampler", "type": "float"|"int",
 * "default", "min", "max", "off": value or null, "doc"}, ...], of the memory "policies": [{"name", "evicts", "doc"},
 * ...] and "cache_types": [{"name", "value": kedge_kv_type, "bits", "cold": whether evicted tokens may have it}, ...]}.
 * In names, '-' and '_' are the same. */
KEDGE_API kedge_status kedge_settings_schema(char** json, size_t* json_size);

/* --- Models ----------------------------------------------------------------------------------------------------- */

typedef int (*kedge_progress_fn)(void* user, size_t done, size_t total);

typedef struct kedge_model_options {
  size_t struct_size;
  int32_t use_mmap; /* default 1: the file is mapped, and a program that truncates it ends this process with
                       SIGBUS (replace model files by rename); 0 reads it into memory, which is given back
                       as the weights are packed: nothing is there twice */
  kedge_progress_fn on_progress; /* bytes done and total; default null */
  void* user;
  int32_t vocab_only; /* default 0; 1: tokenizer and chat template only, of any architecture, no weights
                         needed; such a model has no sessions */
  kedge_str weights_cache; /* default empty: none. A folder where the weights of models from 64 MiB up are kept as the
                              kernels read them: what is there for this file, in this state of it, is mapped, for all
                              processes together, and opening takes milliseconds; anything else is passed over.
                              Opening writes nothing there but a mark beside a file that was checked:
                              kedge_model_write_weights_cache does */
} kedge_model_options;

typedef struct kedge_session_options {
  size_t struct_size;
  int32_t n_ctx;     /* positions of a sequence; default 0 = the context the model was trained with */
  int32_t n_threads; /* default 0 = kedge_default_threads() */
  int32_t chunk;     /* prefill goes in steps of at most this many tokens; default 512; never changes a logit */
  int32_t kv_type;   /* kedge_kv_type; default KEDGE_KV_F16 */
  int32_t numerics;  /* kedge_numerics; default KEDGE_NUMERICS_EXACT */
  kedge_str kv;      /* JSON object of memory options, see "Memory"; default empty: nothing is ever evicted */
  const struct kedge_adapter_use* adapters; /* see "Adapters"; default none */
  size_t n_adapters;
} kedge_session_options;

typedef enum kedge_kv_type { KEDGE_KV_F32 = 0, KEDGE_KV_F16 = 1, KEDGE_KV_Q8_0 = 2, KEDGE_KV_Q4_0 = 3 } kedge_kv_type;
/* EXACT: the bits of the scalar reference. FAST: weights rounded once more, to bytes with a scale per 256 values; other
 * numbers, just as independent of batch and threads; KEDGE_UNSUPPORTED where the processor has no AMX. */
typedef enum kedge_numerics { KEDGE_NUMERICS_EXACT = 0, KEDGE_NUMERICS_FAST = 1 } kedge_numerics;

typedef struct kedge_model_info {
  size_t struct_size; /* set by the caller */
  int32_t n_vocab;
  int32_t n_ctx_train;
  int32_t n_layers;
  int32_t d_model;
  int32_t bos_token; /* -1: none */
  int32_t eos_token; /* -1: none */
  int32_t add_bos;   /* 1 when the model wants bos before a text */
  int32_t has_chat_template;
  uint64_t n_parameters;
  uint64_t weight_bytes;    /* bytes of tensor data */
  uint64_t bytes_per_token; /* bytes of weights read to compute one token */
} kedge_model_info;

KEDGE_API void kedge_model_options_init(kedge_model_options* options, size_t struct_size);

/* Opens a GGUF file (or the first part of a split model). Sessions keep the model alive after kedge_model_close. */
KEDGE_API kedge_status kedge_model_open(const char* path, size_t path_size, const kedge_model_options* options,
                                        kedge_model** model);
KEDGE_API void kedge_model_close(kedge_model* model); /* null is allowed */
KEDGE_API kedge_status kedge_model_get_info(const kedge_model* model, kedge_model_info* info);

/* Owned JSON: architecture, hyper-parameters, parameter count, file type, context, tokenizer kind and fingerprint,
 * the pooling it was made for (or null), chat template, "weights_cache" {"state": "off", "used" or "missing", "path",
 * "note": why what is there is not used}, and the memory plan for a session of `plan`: weights, KV for every cache type,
 * scratch. */
KEDGE_API kedge_status kedge_model_describe(const kedge_model* model, const kedge_session_options* plan, char** json,
                                            size_t* json_size);

/* Keeps the weights of a model that was opened with a `weights_cache` for the next time, where they are not there yet:
 * a file of their size, complete or not there at all, mode 0600; files not used for longest make room for it. Takes
 * seconds, on the caller's thread; the model may be used meanwhile, by any threads, and closed once `progress` (bytes
 * done and total; may be null) was called. KEDGE_OK as well when there is nothing to do. Errors: KEDGE_CAPACITY (more
 * than half of what the disk has free, or than the folder's limit of 32 GiB; another process is writing there), KEDGE_IO,
 * KEDGE_CANCELLED. No result depends on it. */
KEDGE_API kedge_status kedge_model_write_weights_cache(const kedge_model* model, kedge_progress_fn progress, void* user);

/* --- Text and tokens -------------------------------------------------------------------------------------------- */

enum {
  KEDGE_TOKENIZE_ADD_BOS = 1,       /* bos first, when the model wants one */
  KEDGE_TOKENIZE_PARSE_SPECIAL = 2, /* "<|im_end|>" in the text is the control token, not characters */
  KEDGE_TOKENIZE_EXACT_BYTES = 4    /* the text as it is; otherwise Unicode NFC first where the model was trained so
                                       (the Qwen vocabularies, say), and detokenizing gives that */
};
enum { KEDGE_DETOKENIZE_SPECIAL = 1 /* write control tokens as text; otherwise they are left out */ };
enum {
  KEDGE_TOKEN_CONTROL = 1,
  KEDGE_TOKEN_EOG = 2, /* ends a generation */
  KEDGE_TOKEN_BYTE = 4,
  KEDGE_TOKEN_USER_DEFINED = 8,
  KEDGE_TOKEN_UNKNOWN = 16
};

/* Owned ids. */
KEDGE_API kedge_status kedge_tokenize(const kedge_model* model, const char* text, size_t text_size, uint32_t flags,
                                      int32_t** tokens, size_t* n_tokens);
/* Owned bytes; not valid UTF-8 when the ids end inside a character. */
KEDGE_API kedge_status kedge_detokenize(const kedge_model* model, const int32_t* tokens, size_t n_tokens,
                                        uint32_t flags, char** text, size_t* text_size);
/* Owned bytes of one token (control tokens included), and what it is: a set of KEDGE_TOKEN_*. Either output may be
 * null. */
KEDGE_API kedge_status kedge_token(const kedge_model* model, int32_t token, char** piece, size_t* piece_size,
                                   uint32_t* flags);

/* Chat messages through the model's own template. `messages`: a JSON array of {"role", "content", ...}. `options`: a
 * JSON object or empty:
 *   "add_generation_prompt": true   end with the opening of the assistant's turn
 *   "enable_thinking": bool         handed to the template when given
 *   "tools": array                  handed to the template when given
 *   "variables": object             further template variables
 *   "now": integer                  the time templates may show, seconds since 1970; otherwise the clock's
 *   "allow_special": false          true: control tokens written out in the messages' strings are control tokens
 *   "exact_bytes": false            as KEDGE_TOKENIZE_EXACT_BYTES
 * A model without a template, or with one we cannot run, is KEDGE_UNSUPPORTED: never another template.
 * kedge_chat_tokenize gives the ids at once and keeps what users wrote apart from what the template wrote: unless
 * allow_special is set, a "<|im_end|>" inside a message becomes characters. A model that wants bos gets it in front
 * unless its template wrote it: never twice. */
KEDGE_API kedge_status kedge_chat_render(const kedge_model* model, const char* messages, size_t messages_size,
                                         const char* options, size_t options_size, char** text, size_t* text_size);
KEDGE_API kedge_status kedge_chat_tokenize(const kedge_model* model, const char* messages, size_t messages_size,
                                           const char* options, size_t options_size, int32_t** tokens,
                                           size_t* n_tokens);

/* Like kedge_chat_tokenize, and where everything went. Owned JSON for kedge_session_add_segments: first the messages
 * ({"range": [first token, behind the last], "kind": "system"|"user"|"generated"|"tool"|"retrieved"}, by role; with
 * what the template wrote before them), then the marks: a message may carry "segments": [{"range": [begin, end], ...}],
 * byte ranges of its content with the fields of a segment, which are handed on; so may a part of a content that is a
 * list (of its "text"). Found by where the rendered bytes came from, never by what they read: one segment each, several
 * where the template writes a message twice or in pieces, none for a message it leaves out. KEDGE_UNSUPPORTED when
 * nothing of a mark stands in the rendered chat. */
KEDGE_API kedge_status kedge_chat_tokenize_marked(const kedge_model* model, const char* messages, size_t messages_size,
                                                  const char* options, size_t options_size, int32_t** tokens,
                                                  size_t* n_tokens, char** segments, size_t* segments_size);

/* References in any text, as the memory's detector marks them. Owned JSON: [{"range": [begin, end], "span": [begin,
 * end], "kind":
 * "citation"|"bracket"|"function"|"identifier"|"url"|"number"|"section"|"path"|"email"|"option"|"version"|
 * "date"|"amount"|"phone"|"manual"|"standard", "strong": bool}, ...]; bytes: the surface form, and the statement that
 * carries it. Strong ones are pinned by themselves where they are rare. */
KEDGE_API kedge_status kedge_detect_references(const char* text, size_t text_size, char** json, size_t* json_size);

/* --- Engines ------------------------------------------------------------------------------------------------------
 * An engine runs many sequences of one model in common steps: one thread team, one arena of KV pages, one scheduler. A
 * session made by kedge_engine_session is a sequence in it and takes every function of sessions below. Calls of several
 * threads, one session each, are batched without knowing of each other; what else runs never changes a bit of what a
 * session computes.
 *   Steps. Every sequence that decodes has one row in a step; prompts share what the step's budget leaves, shortest
 *     first within a key, keys by deficit round robin in tokens. So decoding waits for one budgeted step at most.
 *   Admission. A call of generate waits for pages for its prompt and min(max_tokens, default_tokens). What can never
 *     fit, with all of max_tokens, is KEDGE_CAPACITY at once; what does not fit now waits, in a queue of `waiting` calls: the next one is
 *     KEDGE_CAPACITY too.
 *   Pages. When they run out all the same, idle sessions and then the youngest call of the heaviest key give theirs
 *     back, to a file, and go on later with the same bits.
 * An engine and its sessions belong to the process that made them. */
typedef struct kedge_engine_options {
  size_t struct_size;
  int32_t n_threads;      /* default 0 = kedge_default_threads() */
  int32_t sequences;      /* most sequences in one step; default 16. Any number of sessions may exist */
  uint64_t memory;        /* bytes for KV pages and buffers, held; default 0: room for `sequences` whole contexts, but
                             not more than half of the memory that is free (one context at least) */
  int32_t step_tokens;    /* most tokens of a step; default 512 */
  double step_ms;         /* a step that decodes takes prompt tokens for so long: default 0 = the larger of 25 ms and twice
                             what decoding alone takes. Prompt tokens that fit are learnt from the steps before; a
                             negative number: as many as step_tokens says */
  int32_t waiting;        /* calls that may wait for pages; default 256 */
  int32_t default_tokens; /* most tokens pages are reserved for before a generation begins; default 512 */
  int32_t kv_type;        /* kedge_kv_type; default KEDGE_KV_F16 */
  int32_t numerics;       /* kedge_numerics; default KEDGE_NUMERICS_EXACT */
  kedge_str spill;        /* directory of the file for pages given back; default empty: TMPDIR, else /tmp */
} kedge_engine_options;

KEDGE_API void kedge_engine_options_init(kedge_engine_options* options, size_t struct_size);
KEDGE_API kedge_status kedge_engine_create(const kedge_model* model, const kedge_engine_options* options,
                                           kedge_engine** engine);
KEDGE_API void kedge_engine_free(kedge_engine* engine); /* null is allowed; its sessions live on */

/* A sequence in the engine, without tokens. Of `options` (null: defaults) n_ctx and kv count; n_threads, chunk, kv_type
 * and numerics are the engine's, and must be their defaults or equal to it. */
KEDGE_API kedge_status kedge_engine_session(kedge_engine* engine, const kedge_session_options* options,
                                            kedge_session** session);

/* Owned JSON of counters since the engine was made: {"steps", "busy": null or what is being done now, {"step": its number,
 * null: work on memories between two steps, "ms": since it began, "decoding", "reading": sequences in the step, "keys": of
 * those}, "rows": {"decode", "prefill", "wasted"}, "step_tokens":
 * most prompt tokens now taken beside decoding, "sequences", "running", "waiting", "swapped_out", "admitted", "refused",
 * "cancelled": {"waiting", "prefill", "decode"}, "expired", "paused", "resumed",
 * "pages": {"in_use", "total", "reserved", "bytes_each"}, "memory": {"limit", "pages", "buffers", "sequences"},
 * "histograms": {"step_ms", "queue_ms": of calls admitted, "step_rows": {"decode", "prefill"}: of steps that have some}},
 * each histogram {"le": upper bounds, "counts": one for each of them and one above, "sum"}. */
KEDGE_API kedge_status kedge_engine_stats(const kedge_engine* engine, char** json, size_t* json_size);

/* A session file (kedge_session_save) as a sequence of the engine, from where it goes on bit for bit; as
 * kedge_session_load, but threads and chunk are the engine's, and so must be the type of its cache and the numerics. Of
 * `options` (null: defaults) only the path of a cold tier counts. A prefix cache of the engine may store it.
 * KEDGE_CAPACITY: the engine has no pages for it now. */
KEDGE_API kedge_status kedge_engine_session_load(kedge_engine* engine, const char* path, size_t path_size,
                                                 const kedge_session_options* options, kedge_session** session);

/* --- Sessions --------------------------------------------------------------------------------------------------- */

typedef struct kedge_session_info {
  size_t struct_size; /* set by the caller */
  int32_t n_ctx;
  int32_t n_threads;
  int32_t n_past; /* tokens in the cache; the next token gets this position */
  int32_t n_vocab;
  uint64_t kv_bytes;      /* KV pages in use */
  uint64_t scratch_bytes; /* activations and other buffers */
} kedge_session_info;

/* The logits of one token: n_vocab floats, valid during the call. */
typedef int (*kedge_row_fn)(void* user, int32_t position, const float* logits, size_t n_vocab);

typedef struct kedge_eval_options {
  size_t struct_size;
  kedge_row_fn on_row;           /* default null: only the last token's logits are computed */
  kedge_progress_fn on_progress; /* tokens done and total, after each chunk; default null */
  void* user;
} kedge_eval_options;

KEDGE_API void kedge_session_options_init(kedge_session_options* options, size_t struct_size);
KEDGE_API kedge_status kedge_session_create(const kedge_model* model, const kedge_session_options* options,
                                            kedge_session** session);
KEDGE_API void kedge_session_free(kedge_session* session); /* null is allowed */
KEDGE_API kedge_status kedge_session_get_info(const kedge_session* session, kedge_session_info* info);

/* View of the tokens in the cache, valid until the session changes. */
KEDGE_API kedge_status kedge_session_tokens(const kedge_session* session, const int32_t** tokens, size_t* n_tokens);

/* Appends tokens and computes them. A full context is KEDGE_CAPACITY and appends nothing; after KEDGE_CANCELLED the
 * chunks already done stay. */
KEDGE_API void kedge_eval_options_init(kedge_eval_options* options, size_t struct_size);
KEDGE_API kedge_status kedge_session_eval(kedge_session* session, const int32_t* tokens, size_t n_tokens,
                                          const kedge_eval_options* options);

/* View of the n_vocab logits of the last token evaluated, valid until the session changes; size 0 before the first
 * eval and after truncate. */
KEDGE_API kedge_status kedge_session_logits(const kedge_session* session, const float** logits, size_t* n_vocab);

/* What the routers of a mixture-of-experts model did in this session. Owned JSON:
 * {"n_experts", "n_used", "layers": [{"tokens": [by expert], "n_tokens", "margin", "entropy", "switch_rate"}]}. Margin:
 * smallest chosen probability minus the largest left out; entropy of the router in nats; switch_rate: share of a
 * token's experts that the token before did not use. Means over tokens; "layers" is empty for a dense model. */
KEDGE_API kedge_status kedge_session_experts(const kedge_session* session, char** json, size_t* json_size);

/* Forgets the tokens from position n on (0 <= n <= n_past). */
KEDGE_API kedge_status kedge_session_truncate(kedge_session* session, int32_t n);

/* --- Memory -------------------------------------------------------------------------------------------------------
 * With a budget the KV cache holds at most so many tokens; eviction happens between steps and is the same for any
 * prefill chunk and thread count. Members of kedge_session_options.kv, all optional:
 *   "budget"            tokens (2048), bytes ("64MiB") or a share of n_ctx ("25%"); absent: n_ctx, nothing is evicted
 *   "policy"            "anchor" (default), or another of kedge_settings_schema()'s; "full" reports a full budget
 *                       instead of evicting
 *   "sinks"             first tokens that stay (4)
 *   "recent"            latest tokens that stay: tokens or a share of the budget ("12.5%")
 *   "anchor_threshold"  percentile of attention above which a weak reference is pinned too (0.6)
 *   "anchor_cap"        most of the budget that soft pins may take (0.75)
 *   "anchor_margin"     tokens kept on either side of a pinned span while there is room (4)
 *   "anchor_detect"     mark references in all text (true)
 *   "cold"              "off" (default), "ram" or "file:PATH": where evicted tokens go, to be recalled
 *   "cold_budget"       bytes of the cold tier ("256MiB"); what falls out of it is gone and said to be
 *   "cold_type"         "q8_0", "q4_0" or "same" (default): what it keeps keys and values in
 *   "recall_threshold"  recall cold tokens whose keys could reach this share of attention; 0 (default): only references
 *   "forks"             sequences that may share the pages (1): the arena's bytes are this many budgets
 *   "log"               events kept for kedge_session_kv_log (1024)
 *   "seed"              of the policy "random" (0)
 * An unknown member is an error. */

/* Tells the memory what tokens are. `segments`: JSON array of
 *   {"range": [first position, behind the last], "kind": "system"|"user"|"generated"|"tool"|"retrieved"|"reference",
 *    "source_id": text, "priority": 0-99 (50), "ttl": tokens after the last use for which a pin holds (0: for ever),
 *    "trust": 0-1 (1), "pin": "none"|"soft"|"hard"}
 * Positions may lie ahead of n_past: announce a prompt's segments before evaluating it. "reference" and "system" are
 * pinned softly unless "pin" says otherwise. Hard pins are admitted only while they fit the cap. Owned JSON:
 * {"accepted": n, "refused": [{"range", "reason"}]}. */
KEDGE_API kedge_status kedge_session_add_segments(kedge_session* session, const char* segments, size_t segments_size,
                                                  char** json, size_t* json_size);

/* Owned JSON: {"budget", "policy", "hot", "n_past", "evicted", "demoted", "recalled", "lost", "pins_refused",
 * "gone": tokens that are neither hot in every table nor cold, as of now, under any policy, "gone_ranges": [[first,
 * behind the last]] (the 32 longest), "gone_ranges_more", "references": "on"|"off" (off: nobody looks for references,
 * an empty "detached" then says nothing), "references_forgotten": those too old to be reported, "detached":
 * [{"reference": its source id or the words that the detector found, "position": of the mention, "statements": that
 * have this name and are not all there, "range": of the newest of them, "state": "lost"|"demoted"| "hot", as of now}]
 * (the latest 256), "detached_total", "pages": {"in_use", "total", "bytes_each"}, "slots_wasted", "hot_bytes",
 * "state_bytes": of the recurrent state of a model that has one, "tables": {"evictable": those of layers that keep all
 * of the text, which are all that budget, policy and anchors act on, "windowed": of layers that see the latest tokens},
 * "metadata_bytes", "cold_bytes", "cold_tokens", "anchors", "retention": hex, "events", "tokens": [{"first", "last",
 * "state": "sink"|"pinned"|"recent"|"kept"|"recalled"|"demoted"| "lost"}]}: counts of tokens since the session began,
 * "lost" those that fell out of the cold tier; "tokens" are the runs of positions [first, last) by what became of them
 * (in the first table, where tables differ), there "lost" is whatever is neither hot nor cold. */
KEDGE_API kedge_status kedge_session_kv(const kedge_session* session, char** json, size_t* json_size);
/* Owned JSON array: why each token went, from entry number `from` on: [{"number", "event": entries of one event belong
 * together, "position": of the next token then, "why": "evict"|"demote"|"recall"|"lose"|"refuse", "first", "last": the
 * positions [first, last), "tier", "score", "table": where tables lose different tokens}]. Entries too old to be kept
 * are left out. */
KEDGE_API kedge_status kedge_session_kv_log(const kedge_session* session, uint64_t from, char** json,
                                            size_t* json_size);
/* Brings demoted tokens back: `what` is {"range": [first, behind the last]}, {"source_id": text} or {"text": text that
 * mentions them}. Owned JSON: {"recalled": tokens, "missing": tokens that are gone}. */
KEDGE_API kedge_status kedge_session_recall(kedge_session* session, const char* what, size_t what_size, char** json,
                                            size_t* json_size);

/* A second session with the same state, sharing all pages: both can go on by themselves, on one thread each. The
 * arena must have pages left ("forks"). */
KEDGE_API kedge_status kedge_session_fork(const kedge_session* session, kedge_session** fork);

/* A point to come back to, for regenerating an answer or taking speculated tokens back: pages are shared, not copied.
 * After kedge_session_rollback the session is as it was, scores, evictions, recalls and anchors included: every later bit
 * and every entry of its log is as if the tokens since had never been. A checkpoint serves any number of times, and only
 * the session it was made of. */
KEDGE_API kedge_status kedge_session_checkpoint(const kedge_session* session, kedge_checkpoint** checkpoint);
KEDGE_API kedge_status kedge_session_rollback(kedge_session* session, const kedge_checkpoint* checkpoint);
KEDGE_API void kedge_checkpoint_free(kedge_checkpoint* checkpoint); /* null is allowed */

/* The whole state of a session: tokens, pages, metadata, pins, scores, cold tier, logits; checksummed; the file appears
 * complete or not at all (temporary file, fsync, rename). Loading checks everything before it makes a session, and goes
 * on bit for bit; the model must be the one it was saved with and `options` have equal adapters, n_threads and chunk
 * are free, the rest comes from the file. KEDGE_CORRUPT names what is broken. */
KEDGE_API kedge_status kedge_session_save(const kedge_session* session, const char* path, size_t path_size);
KEDGE_API kedge_status kedge_session_load(const kedge_model* model, const char* path, size_t path_size,
                                          const kedge_session_options* options, kedge_session** session);

/* While `on` is nonzero every eval and generate of the session, running or new, is cancelled. From any thread, and
 * from a signal handler. */
KEDGE_API void kedge_session_set_cancel(kedge_session* session, int on);

/* --- Prefix cache -------------------------------------------------------------------------------------------------
 * Several requests with a common beginning (a system prompt, a document) compute it once. An acquired session is, bit
 * for bit, the one that evaluating the reused tokens anew would give. States that lost tokens are reused only as a
 * whole, by a request that begins with all of their tokens and has the same segments. All functions may be called from
 * any threads (a session given to store: by its own). */
typedef struct kedge_prefix_cache_options {
  size_t struct_size;
  int32_t entries;  /* most states kept; default 64 */
  int32_t sessions; /* that may be in use at once; more may meet a full arena; default 4. The arena has room for twice
                       as many contexts or budgets (or "forks" of them, when that is more); what sessions leave keeps
                       entries, and those used least recently go when sessions need the pages */
} kedge_prefix_cache_options;

KEDGE_API void kedge_prefix_cache_options_init(kedge_prefix_cache_options* options, size_t struct_size);
KEDGE_API kedge_status kedge_prefix_cache_create(const kedge_model* model, const kedge_session_options* session_options,
                                                 const kedge_prefix_cache_options* options, kedge_prefix_cache** cache);
/* A cache of states in an engine's arena, for its sessions: `sessions` of the options does not count, the engine's memory
 * does; entries yield to sequences that need pages. */
KEDGE_API kedge_status kedge_prefix_cache_create_on(kedge_engine* engine, const kedge_session_options* session_options,
                                                    const kedge_prefix_cache_options* options,
                                                    kedge_prefix_cache** cache);
KEDGE_API void kedge_prefix_cache_free(kedge_prefix_cache* cache); /* null is allowed; its sessions live on */

/* A new session that holds the first *n_reused of these tokens; evaluate the others. It is less than n_tokens unless
 * the session has the logits of the last one. `segments`: of the whole request, as for kedge_session_add_segments, or
 * empty; the session has them (refused hard pins are in its log and its counts). */
KEDGE_API kedge_status kedge_prefix_cache_acquire(kedge_prefix_cache* cache, const int32_t* tokens, size_t n_tokens,
                                                  const char* segments, size_t segments_size, kedge_session** session,
                                                  size_t* n_reused);
/* The same for a session with these adapters, in place of those of the cache's session options. What one computes is
 * reused by sessions with equal adapters and scales in the same order. */
KEDGE_API kedge_status kedge_prefix_cache_acquire_adapted(kedge_prefix_cache* cache,
                                                          const struct kedge_adapter_use* adapters, size_t n_adapters,
                                                          const int32_t* tokens, size_t n_tokens, const char* segments,
                                                          size_t segments_size, kedge_session** session,
                                                          size_t* n_reused);
/* Keeps the session's state, sharing its pages. KEDGE_INVALID_ARGUMENT for a session that does not come from acquire.
 * A state that no request could use is not kept: "declined" in the statistics. */
KEDGE_API kedge_status kedge_prefix_cache_store(kedge_prefix_cache* cache, const kedge_session* session);
/* Owned JSON: {"lookups", "hits", "tokens_reused", "tokens_computed", "stored", "declined", "entries",
 * "evicted_entries", "bytes", "pages": {"in_use", "total"}}. bytes: of the entries, each page once. */
KEDGE_API kedge_status kedge_prefix_cache_stats(const kedge_prefix_cache* cache, char** json, size_t* json_size);

/* --- Embeddings ------------------------------------------------------------------------------------------------- */

/* Whose hidden state, behind the final norm, is the vector of a text. */
typedef enum kedge_pooling {
  KEDGE_POOLING_MODEL = -1, /* what the file says (<architecture>.pooling_type), the mean where it says nothing */
  KEDGE_POOLING_NONE = 0,   /* a vector for each token */
  KEDGE_POOLING_MEAN = 1,
  KEDGE_POOLING_CLS = 2, /* the first token's */
  KEDGE_POOLING_LAST = 3 /* the last token's */
} kedge_pooling;

typedef struct kedge_embed_options {
  size_t struct_size;
  int32_t pooling;    /* kedge_pooling; default KEDGE_POOLING_MODEL */
  int32_t normalise;  /* default 1: each vector has length 1 */
  kedge_str key;      /* as in kedge_generate_options */
  double deadline_ms; /* from the beginning of the call, waiting included; default 0: none */
  const kedge_cancel* cancel; /* default null */
} kedge_embed_options;

KEDGE_API void kedge_embed_options_init(kedge_embed_options* options, size_t struct_size);

/* The vector of a text in an engine: owned floats, d_model of kedge_model_info; with KEDGE_POOLING_NONE so many for
 * each token, in their order. The text is a sequence like any other: computed in common steps, admitted as a generation
 * is, and its bits depend on nothing else. KEDGE_TOKENIZE_ADD_BOS also ends a text as the model wants it (tokenizer
 * "add_eos" in kedge_model_describe). Errors: KEDGE_CAPACITY (a text longer than the model's context or the engine's
 * pages, too many waiting), KEDGE_CANCELLED (by `cancel` or the deadline; within a step), KEDGE_UNSUPPORTED (a file
 * whose pooling is another). */
KEDGE_API kedge_status kedge_embed(kedge_engine* engine, const int32_t* tokens, size_t n_tokens,
                                   const kedge_embed_options* options, float** values, size_t* n_values);

/* --- Importance matrices -------------------------------------------------------------------------------------------
 * How much the columns of every matrix are used over a text: sums of squares of what they are multiplied with, and
 * counts, for each expert. `kedge quantize --imatrix` weighs errors by them. */

typedef struct kedge_imatrix_options {
  size_t struct_size;
  int32_t chunk;     /* the text is cut into pieces of so many tokens, each by itself, without the rest; default 512 */
  int32_t chunks;    /* at most; default -1: all */
  int32_t n_threads; /* default 0 = kedge_default_threads() */
  int32_t output;    /* default 0; 1: of the output matrix too, which takes the time of all logits */
  kedge_str dataset; /* name of the text, for the file; default empty */
  const kedge_cancel* cancel;    /* default null */
  kedge_progress_fn on_progress; /* tokens done and total; default null */
  void* user;
} kedge_imatrix_options;

KEDGE_API void kedge_imatrix_options_init(kedge_imatrix_options* options, size_t struct_size);

/* Evaluates the text and writes the file (GGUF, general.type "imatrix", as llama.cpp's tools write and read it), which
 * appears complete or not at all. The first token of each chunk becomes bos where the model wants one. Owned JSON:
 * {"chunks", "tokens", "tensors", "unused_experts": matrices of experts that no token came to}. Errors:
 * KEDGE_INVALID_ARGUMENT (less than one chunk), KEDGE_CANCELLED. */
KEDGE_API kedge_status kedge_imatrix_write(const kedge_model* model, const int32_t* tokens, size_t n_tokens,
                                           const kedge_imatrix_options* options, const char* path, size_t path_size,
                                           char** json, size_t* json_size);

#ifdef __cplusplus
}
#endif

/* Generation, constraints, adapters, and how answers are read. */
#include "kedge/kedge_generation.h"

#endif /* KEDGE_KEDGE_H_ */
