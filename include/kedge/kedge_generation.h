/* Kedge's C interface: generation, what its answers have to obey, and how they are read. Part of kedge.h, whose
 * conventions hold. */
#ifndef KEDGE_KEDGE_GENERATION_H_
#define KEDGE_KEDGE_GENERATION_H_

#include "kedge/kedge.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Adapters -----------------------------------------------------------------------------------------------------
 * LoRA adapters and control vectors, from GGUF files (general.type "adapter" with adapter.type "lora", or
 * "controlvector"), added while a model runs: its weights stay as they are, sequences with other adapters share its steps,
 * and without one the bits are the model's. Two sessions with equal adapters and scales compute the same bits. Prefix
 * caches, session files and records tell them apart. */
typedef struct kedge_adapter_use {
  const kedge_adapter* adapter;
  float scale; /* 1: as it was trained; 0: as if it were not there */
} kedge_adapter_use;

/* Errors: KEDGE_CORRUPT, KEDGE_UNSUPPORTED (another architecture; a tensor the model does not have, or that cannot be
 * adapted: named). Sessions keep it alive. */
KEDGE_API kedge_status kedge_adapter_open(const kedge_model* model, const char* path, size_t path_size,
                                          kedge_adapter** adapter);
KEDGE_API void kedge_adapter_close(kedge_adapter* adapter); /* null is allowed */
/* Owned JSON: {"kind": "lora" | "control_vector", "digest": SHA-256 of the file, "alpha": null of a control vector,
 * "tensors": how many of the model's it adapts, or blocks behind which it is added, "ranks", "bytes": of memory, "name",
 * "task_name", "prompt_prefix"}. */
KEDGE_API kedge_status kedge_adapter_describe(const kedge_adapter* adapter, char** json, size_t* json_size);

/* --- Constraints --------------------------------------------------------------------------------------------------
 * What an answer has to obey, a JSON object with one of
 *   "json_schema": schema     JSON texts it accepts, members in its order; a keyword that cannot be enforced is
 *                             KEDGE_UNSUPPORTED with its JSON pointer
 *   "json_object": true       any JSON object
 *   "grammar": text           GBNF
 *   "regex": pattern          the whole answer matches
 *   "choice": [texts]         one of them
 *   "chat": object            tool calls, as kedge_chat_reader_create takes them; with "response": one of those above, of
 *                             an answer that is no call
 * and
 *   "after": [texts]          it holds behind the first of them (the end of reasoning); before, anything may come
 *   "triggers": [texts]       it holds from one of them on; an answer without any is free
 *   "max_spaces": 1           white space in JSON: at most so many blanks where some may stand; 0: none
 *   "reasoning": {"begin", "end", "budget": tokens, "open": false}, or null  reasoning is closed after so many tokens
 * Only tokens that keep the text on its way to a whole one are ever chosen, so that it is whole unless "length" ends it;
 * near max_tokens only what closes it in time. */

/* Compiles a constraint and keeps it for the generations to come. Owned JSON: {"bytes", "compile_ms", "cached"}. */
KEDGE_API kedge_status kedge_constraint_check(const kedge_model* model, const char* constraint, size_t constraint_size,
                                              char** json, size_t* json_size);

/* --- Reasoning and tool calls in answers ----------------------------------------------------------------------------
 * Models write reasoning and tool calls in a form of their family, found by the chat template. A reader takes an answer's
 * text (of kedge_generate with render_special = 1), in any pieces, and says what it is. */

/* Owned JSON: {"format": name, or null when the template is of none that is known, "reasoning": [begin, end] or null,
 * "triggers": texts with which a call begins, "tools": whether it writes calls}. */
KEDGE_API kedge_status kedge_chat_format(const kedge_model* model, char** json, size_t* json_size);

/* `options`: JSON object or empty:
 *   "tools": array                 as handed to the template: [{"type": "function", "function": {"name", "parameters"}}]
 *   "tool_choice": "auto" (default), "none", "required", or {"type": "function", "function": {"name"}}
 *   "parallel_tool_calls": true
 *   "split_reasoning": true        false: reasoning stays in the content
 *   "reasoning_open": bool         the prompt ended within reasoning; default: see "prompt"
 *   "prompt": text                 the rendered chat, by whose end "reasoning_open" is decided when it is absent
 * The same object as "chat" in a constraint makes the calls well formed (kedge_generate_options.constraint). */
KEDGE_API kedge_status kedge_chat_reader_create(const kedge_model* model, const char* options, size_t options_size,
                                                kedge_chat_reader** reader);
/* More text; `end` is nonzero with the last of it. Owned JSON array of events, in order: {"content": text} |
 * {"reasoning": text} | {"call": n, "name", "id"} (a call begins; "id" null where the format has none) |
 * {"call": n, "arguments": more of its JSON text} | {"call": n, "end": true}. At the end a call that was cut off is
 * KEDGE_INVALID_ARGUMENT; the events before it are still given. */
KEDGE_API kedge_status kedge_chat_reader_push(kedge_chat_reader* reader, const char* text, size_t text_size, int end,
                                              char** events, size_t* events_size);
KEDGE_API void kedge_chat_reader_free(kedge_chat_reader* reader); /* null is allowed */

/* --- Generation ------------------------------------------------------------------------------------------------- */

typedef struct kedge_setting { /* one sampler setting by its name in kedge_settings_schema() */
  kedge_str name;
  double value;
} kedge_setting;

typedef struct kedge_logit_bias {
  int32_t token;
  float bias; /* added to the logit before anything else; -INFINITY forbids the token */
} kedge_logit_bias;

typedef struct kedge_logprob {
  int32_t token;
  double logprob; /* natural logarithm of its probability by the raw logits: before bias, penalties, temperature */
} kedge_logprob;

typedef enum kedge_finish_reason {
  KEDGE_FINISH_STOP_TOKEN = 1,   /* the model ended its answer */
  KEDGE_FINISH_STOP_STRING = 2,  /* one of the stop strings; neither it nor what follows is in the text */
  KEDGE_FINISH_LENGTH = 3,       /* max_tokens */
  KEDGE_FINISH_CONTEXT_FULL = 4, /* no room in the KV cache for another token */
  KEDGE_FINISH_CANCELLED = 5,    /* by a callback or kedge_session_set_cancel */
  KEDGE_FINISH_DEADLINE = 6      /* deadline_ms passed; what was chosen by then is there */
} kedge_finish_reason;

typedef int (*kedge_text_fn)(void* user, const char* text, size_t text_size);
typedef int (*kedge_token_fn)(void* user, int32_t token, const kedge_logprob* top, size_t n_top);

typedef struct kedge_generate_options {
  size_t struct_size;
  int32_t max_tokens;     /* default -1: until the model stops or the context is full; 0: only evaluate the prompt */
  int32_t logprobs;       /* default -1: none; 0: of the chosen tokens; n: also of the n most likely (at most 100) */
  int32_t ignore_eos;     /* default 0; 1: tokens that end a generation are never chosen */
  int32_t render_special; /* default 0; 1: control tokens appear in the text */
  uint64_t seed;          /* default 0. Equal seed, request and position: equal random numbers */
  uint64_t request;       /* default 0 */
  const kedge_setting* settings; /* default none: the defaults of the schema; an unknown name is an error */
  size_t n_settings;
  const kedge_str* stop; /* stop strings, none empty */
  size_t n_stop;
  const kedge_logit_bias* logit_bias;
  size_t n_logit_bias;
  kedge_text_fn on_text;        /* whole UTF-8 characters as they become certain; default null */
  kedge_token_fn on_token;      /* every token chosen; `top` as in the result (chosen first); default null */
  kedge_progress_fn on_prefill; /* prompt tokens done and total, after each chunk; default null */
  void* user;
  kedge_str key;      /* whose call it is: an engine shares its steps fairly among keys; default empty, a key like others */
  double deadline_ms; /* from the beginning of the call, waiting included; default 0: none */
  double weight;      /* of the key: prompts of a key of weight 2 are read twice as fast as those of one of weight 1 when
                         both wait; default 0 = 1 */
  kedge_str constraint;  /* JSON, see "Constraints"; default empty */
  kedge_str samplers;    /* names in the order they run, with ';' between; those left out are off, but for mirostat and
                            adaptive_p, which run last in any order when their settings switch them on. Default empty:
                            all, in the order of the schema */
  kedge_str speculation; /* JSON: {"kind": "ngram" | "draft" | "tokens" | "mtp", "max": most guessed at once (8),
                            "tokens": [ids] of that kind, "adaptive": true}. Never changes an answer, only its speed. Default empty: none */
  kedge_session* draft;  /* of kind "draft": a session of a small model with the same vocabulary, used by this call alone;
                            it is brought to the same tokens. Default null */
} kedge_generate_options;

typedef struct kedge_generation_result { /* all pointers are views into the kedge_generation */
  size_t struct_size;                    /* set by the caller */
  int32_t finish_reason;                 /* kedge_finish_reason */
  int32_t stop_index;                    /* index of the stop string met, or -1 */
  const int32_t* tokens;                 /* every token chosen, the stop token included */
  size_t n_tokens;
  kedge_str text; /* a character cut in two by max_tokens is not in it: what goes on from here begins with it, whole */
  const kedge_logprob* logprobs; /* n_tokens rows of logprobs_per_token: the chosen one, then the most likely */
  size_t logprobs_per_token;     /* 0 when not asked for */
  size_t n_prompt;               /* prompt tokens evaluated (fewer than given only when cancelled) */
  double prefill_ms;
  double decode_ms;   /* from the first token chosen to the end */
  kedge_str settings; /* JSON: every setting as it took effect */
  kedge_str kv;       /* JSON: what the memory did during this generation: {"hot", "evicted", "demoted", "recalled",
                         "lost", "pins_refused", "detached": [...]} and, as of its end, "gone", "gone_ranges",
                         "gone_ranges_more", "references", all as in kedge_session_kv */
  double cpu_s;       /* thread-seconds of the steps it was in, by its share of their rows */
  kedge_str speculation; /* JSON: {"kind", "steps", "guessed", "accepted"}; empty when there was none */
  int32_t unfinished;    /* 1: it ended where its constraint's text is not whole */
} kedge_generation_result;

KEDGE_API void kedge_generate_options_init(kedge_generate_options* options, size_t struct_size);

/* Appends `prompt` to the session and generates. A prompt that does not fit the rest of the context is KEDGE_CAPACITY,
 * never shortened; an empty prompt goes on from the session's last logits. Afterwards the session holds the prompt and
 * every generated token but the last. Being cancelled is a finish reason, not an error. */
KEDGE_API kedge_status kedge_generate(kedge_session* session, const int32_t* prompt, size_t n_prompt,
                                      const kedge_generate_options* options, kedge_generation** generation);
KEDGE_API kedge_status kedge_generation_get(const kedge_generation* generation, kedge_generation_result* result);
KEDGE_API void kedge_generation_free(kedge_generation* generation); /* null is allowed */

/* --- Beam search --------------------------------------------------------------------------------------------------
 * The most likely answers that keeping the best beginnings at every token finds. At each step the pairs of a beginning
 * and a token are taken in the order of their log-probabilities: one that ends the answer is an answer when it is among
 * the `beams` best pairs, others are the beginnings of the next step until there are enough. Nothing is drawn. */

typedef enum kedge_beam_stop { /* the search ends when it has n_best answers and ... */
  KEDGE_BEAM_STOP_FIRST = 1,         /* at once */
  KEDGE_BEAM_STOP_AS_THEY_STAND = 2, /* no beginning, scored as it stands, is better than the worst of them */
  KEDGE_BEAM_STOP_PROVEN = 3         /* none can become better, were all its tokens certain and as many as may be */
} kedge_beam_stop;

typedef struct kedge_beam_options {
  size_t struct_size;
  int32_t beams;          /* beginnings kept, 1 to 256; default 4 */
  int32_t n_best;         /* answers wanted; default 0: `beams` */
  int32_t max_tokens;     /* default -1: until the context is full */
  int32_t stop;           /* kedge_beam_stop; default KEDGE_BEAM_STOP_AS_THEY_STAND */
  int32_t render_special; /* default 0; 1: control tokens appear in the texts */
  double length_penalty;  /* the score is the sum of the tokens' log-probabilities by their number to this power, 0 to 10;
                             default 1 */
  kedge_str constraint;   /* JSON, see "Constraints"; default empty. Forbidden tokens make others no more likely */
  double deadline_ms;     /* from the beginning of the call; default 0: none. When it passes: KEDGE_CANCELLED */
  kedge_progress_fn on_prefill; /* prompt tokens done and total; default null */
  void* user;
} kedge_beam_options;

KEDGE_API void kedge_beam_options_init(kedge_beam_options* options, size_t struct_size);

/* Appends `prompt` to the session, which then holds no more than that, and searches from there: beginnings are forks of
 * it, whose pages are shared, and go through common steps. The session has to be one of a kedge_engine, best with as many
 * sequences as there are beams; otherwise KEDGE_UNSUPPORTED. Owned JSON: {"answers": [{"tokens", "text", "logprob": sum
 * of natural logarithms by the raw logits, "score", "finish_reason", "unfinished"}, ...] best first, "n_prompt", "steps",
 * "prefill_ms", "search_ms"}. */
KEDGE_API kedge_status kedge_beam_search(kedge_session* session, const int32_t* prompt, size_t n_prompt,
                                         const kedge_beam_options* options, char** json, size_t* json_size);

#ifdef __cplusplus
}
#endif

#endif /* KEDGE_KEDGE_GENERATION_H_ */
