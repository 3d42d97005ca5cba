// What somebody asks of the router.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/comparator.h"
#include "tokenizer/chat_template.h"

namespace kedge::router {

enum class Grounding {
  kNever,
  kWeak,    // retrieve when the answer from memory is weak
  kAlways,  // answer from retrieved passages only
};

struct AskRequest {
  std::vector<ChatMessage> messages;  // the last one is the user's; with tools, or a tool's
  bool allow_special = false;         // control tokens written out in messages count: only for text one trusts
  std::string model = "auto";         // or an alias or name of the pool, which is then the only one asked
  std::vector<Evidence> evidence;     // passages to answer from, given by the caller
  Grounding grounding = Grounding::kNever;
  std::string index;  // to ground in; empty: the configuration's
  std::optional<double> min_confidence;
  std::optional<double> deadline_s;
  std::optional<int> max_attempts;
  std::optional<bool> abstain;
  double temperature = 0;
  uint64_t seed = 0;
  int max_tokens = 512;
  Json schema;                // null: none. Answers are written under it where the engine can, and checked against it
  Json constraint;            // of answers, as kedge_generate_options.constraint has it; null: none but the schema
  Json tools;                 // functions that may be called, as templates take them; null: none
  Json tool_choice = "auto";  // or "none", "required", {"type": "function", "function": {"name"}}
  bool parallel_calls = true;
  std::string pattern;       // empty: none
  std::string conversation;  // an id of the caller's, kept in the record
  std::string key;           // whose question it is: engines are fair among keys; empty: the conversation's
  bool stream = false;       // events with the text of attempts while they are written
  bool progress = false;     // events that say what takes time now, and how far a prompt is read
  bool record = true;        // false: not written to the audit log
  bool compare = false;      // ask fast and deep, and say how they differ
  std::string json;          // the request as it came, for the record

  // What the user said last.
  const std::string& question() const {
    const auto said = std::find_if(messages.rbegin(), messages.rend(), [](const auto& m) { return m.role == "user"; });
    return said == messages.rend() ? messages.back().content : said->content;
  }
};

// Members: see kedge_router_ask in kedge_router.h. Errors: kInvalidArgument, naming the member.
Result<AskRequest> parse_ask_request(std::string_view json);

}  // namespace kedge::router
