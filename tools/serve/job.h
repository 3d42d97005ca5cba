// A generation as a client asked for it, in no API's words: wire/ makes these of requests, Runner works on them, and a
// Sink hears what comes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/kedge.hpp"
#include "tools/serve/error.h"

namespace kedge::tools::serve {

// One thing to go on from: a chat, a text, or tokens.
struct Prompt {
  Json messages;                // of a chat, as kedge_chat_tokenize takes them; null: no chat
  Json chat_options;            // an object: "tools", "enable_thinking", "variables", ...
  std::string text;             // of a completion
  std::vector<int32_t> tokens;  // of a completion that came as token ids
};

// What an answer has to obey, and how it is read; of no model yet (answer_form.h).
struct Form {
  // Of chats: functions as templates take them, [{"type": "function", "function": {"name", "description",
  // "parameters"}}], or null; "auto", "none", "required", or {"type": "function", "function": {"name"}}.
  Json tools;
  std::vector<std::string> tool_paths;  // of their parameters in the request, for errors
  Json tool_choice = "auto";
  bool parallel_calls = true;
  // One of kedge_generate_options.constraint's: {"json_schema": ...}, {"json_object": true}, {"grammar": ...},
  // {"regex":
  // ...}, {"choice": [...]}; null: free. `path`: the request's member that said so, for errors.
  Json constraint;
  std::string path;
  std::optional<int> reasoning_budget;  // tokens
  bool split_reasoning = true;          // false: reasoning stays in the text
};

// The request member "kedge". What nobody set is what the configuration says.
struct KedgeOptions {
  std::optional<double> min_confidence;
  std::optional<double> deadline_ms;  // from the arrival of the request
  std::optional<int> max_attempts;
  std::string index;        // grounding: name of an index
  Json evidence;            // grounding: [{"id", "text", "source"}], or null
  Json segments;            // as kedge_session_add_segments takes them, of the prompt's tokens; or null
  Json kv;                  // memory options as kedge_session_options.kv takes them, an object or null
  bool optimistic = false;  // stream_mode
  bool strict = false;      // unknown members are errors
  bool compare = false;
  std::string conversation;
  std::string speculation;  // "none", "ngram", "draft"; empty: as the configuration says
};

// An adapter by its number in the configuration (GET /lora-adapters).
struct LoraUse {
  int id = 0;
  double scale = 1;
};

struct Job {
  std::string model;  // as the client wrote it
  std::vector<Prompt> prompts;
  int n = 1;  // choices of each prompt
  bool echo = false;
  // settings (temperature, ...), stop, seed, logit_bias, logprobs, ignore_eos; max_tokens: -1 when not given
  kedge::GenerateOptions options;
  bool seeded = false;     // the client gave a seed
  std::string user;        // whose request it is, within its key; for fairness
  std::string cache_salt;  // prefixes are shared within it only
  int slot = -1;           // the client's name for the sequence, to save it by; -1: any that is free
  Form form;
  std::optional<std::vector<LoraUse>> lora;  // the adapters to use; absent: as the configuration says
  KedgeOptions kedge;
  std::vector<std::string> ignored;  // members that nobody knows
};

struct TokenTop {
  std::string piece;  // bytes, not always UTF-8
  int32_t token = 0;
  double logprob = 0;
};
struct TokenInfo {
  TokenTop chosen;
  std::vector<TokenTop> top = {};  // the likeliest, as many as were asked for
};

// A call that an answer makes; its arguments come in pieces.
struct ToolCall {
  size_t index = 0;  // of its choice, from 0
  std::string id;    // no other call of the answer has it
  std::string name;
};

struct Usage {
  size_t prompt = 0;
  size_t cached = 0;  // of the prompt, taken from the prefix cache
  size_t generated = 0;
  size_t reasoning = 0;  // of the generated
};

struct Started {
  std::string model;    // name of the file's model, or "auto"
  int64_t created = 0;  // seconds since 1970
  Usage usage;          // of the prompt
};

struct Finish {
  kedge_finish_reason reason = KEDGE_FINISH_STOP_TOKEN;
  std::string stop = {};  // the stop string met
  size_t calls = 0;       // that the choice makes
  bool refused = false;   // there is no answer
};

struct Outcome {
  Usage usage;
  Json kedge;  // an object: the answer's member "kedge"
  double queue_ms = 0;
  double prefill_ms = 0;
  double decode_ms = 0;
};

// Hears what becomes of a job, in this order: started, then for every choice text (of chats reasoning and calls too)
// and finished, then done; or failed in place of any of them, and nothing after it. Choices of a job may take turns,
// calls do not overlap. False: nobody listens any more, stop.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual bool started(const Started& started) = 0;
  virtual bool progress(size_t /*done*/, size_t /*total*/) { return true; }  // of reading the prompt, in tokens
  // Whole characters, and the tokens chosen since the last call when log-probabilities were asked for (a stop string
  // or a token in the middle of a character keeps them waiting).
  virtual bool text(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) = 0;
  // Of chats, each with the tokens since the last of these calls, as text() has them. Arguments are of the call begun
  // last; all pieces together are one JSON object.
  virtual bool reasoning(size_t /*choice*/, std::string_view /*text*/, std::span<const TokenInfo>) { return true; }
  virtual bool call(size_t /*choice*/, const ToolCall&, std::span<const TokenInfo>) { return true; }
  virtual bool arguments(size_t /*choice*/, std::string_view /*json*/, std::span<const TokenInfo>) { return true; }
  // In place of an answer that would have to obey something: why there is none.
  virtual bool refused(size_t choice, std::string_view why) { return text(choice, why, {}); }
  virtual bool finished(size_t choice, const Finish& finish) = 0;
  // Nothing has come for a while; called from another thread, never beside another call.
  virtual bool ping() { return true; }
  virtual bool is_whole() const { return false; }  // nothing is said before the end; a ping fixes the status
  // An answer given so far that does not count (stream_mode optimistic): choice `by` replaces it.
  virtual bool superseded(size_t /*choice*/, size_t /*by*/, std::string_view /*reason*/) { return true; }
  virtual bool can_supersede() const { return false; }
  virtual void done(const Outcome& outcome) = 0;
  virtual void failed(const ApiError& error) = 0;
};

}  // namespace kedge::tools::serve
