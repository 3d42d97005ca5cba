// How a family of models writes reasoning and tool calls: a file of engine/chat_format/ each. The file's stem is its
// key; it defines `constinit const ChatFormat <stem>` in namespace kedge::engine::formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/grammar.h"
#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::engine {

struct ChatTool {
  std::string name;
  base::Json parameters;  // a JSON schema; null: any object
};

enum class ToolChoice { kNone, kAuto, kRequired, kNamed };

// What a request says that an answer's reader has to know.
struct ChatReadOptions {
  std::vector<ChatTool> tools = {};
  ToolChoice choice = ToolChoice::kAuto;
  std::string named = {};       // of kNamed
  bool parallel = true;         // several calls in one answer
  bool reasoning_open = false;  // the prompt ended within reasoning (it wrote "<think>" itself)
  bool split_reasoning = true;  // false: reasoning stays in the content, markers included
};

// What a piece of an answer's text turned out to be. `call` counts the calls from 0.
struct ChatEvent {
  enum class Kind { kContent, kReasoning, kCallBegin, kCallArguments, kCallEnd };
  Kind kind;
  std::string text = {};  // content, reasoning, or more of the arguments' JSON (together: one valid JSON object)
  size_t call = 0;
  std::string name = {};  // kCallBegin
  std::string id = {};    // kCallBegin, where the format has ids of its own; empty: none
};

// Reads an answer as it comes, in any pieces: whole characters, control tokens written out. What is given out is never
// taken back; text that may yet be a marker waits.
class ChatReader {
 public:
  virtual ~ChatReader() = default;
  virtual Status push(std::string_view text, std::vector<ChatEvent>& out) = 0;
  // The answer ended. A call cut off by the end: kInvalidArgument that names the tool and what is missing, after
  // everything certain was given out; prose where a call could have been is content.
  virtual Status end(std::vector<ChatEvent>& out) = 0;
};

struct ChatFormat {
  const char* name;
  // How well it fits this chat template, by the markers in its text: 0 not at all; the highest wins.
  int (*fits)(std::string_view chat_template);
  std::unique_ptr<ChatReader> (*reader)(const ChatReadOptions& options);
  // The texts of an answer's calls as an expression for the grammar: one call (or more where parallel), arguments by
  // the tools' schemas, markers included. Errors: those of read_json_schema, by "/tools/<i>/function/parameters...".
  Result<grammar::Grammar::NodeId> (*calls)(const ChatReadOptions& options, grammar::Grammar& into);
  // Texts with which a call begins: with choice auto, the grammar holds from one of them on.
  std::span<const char* const> triggers;
  // What reasoning stands between; empty: none.
  const char* reasoning_begin;
  const char* reasoning_end;
};

// All formats, by name.
std::span<const ChatFormat* const> chat_formats();
// Of a template; null when no format fits: such a model takes no tools, and its answers are content only.
const ChatFormat* chat_format_of(std::string_view chat_template);

}  // namespace kedge::engine
