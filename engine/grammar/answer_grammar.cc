#include "engine/grammar/answer_grammar.h"

#include <algorithm>

#include "engine/chat_options.h"
#include "engine/grammar/json_schema.h"
#include "kernels/base/json_object.h"

namespace kedge::engine::grammar {
namespace {

using NodeId = Grammar::NodeId;

constexpr size_t kMostSpaces = 16;         // around reasoning, and the most that "max_spaces" may be
constexpr size_t kMaxReasoning = 1 << 30;  // tokens
constexpr const char* kKinds[] = {"json_schema", "json_object", "grammar", "regex", "choice"};

class Reader {
 public:
  Reader(JsonObject& object, const ChatFormat* format) : object_(object), format_(format) {}

  Result<AnswerGrammar> read() {
    KEDGE_TRY(read_style(object_));
    KEDGE_ASSIGN(kind, kind_of(object_));
    const base::Json* chat = object_.find("chat");
    if (chat != nullptr && kind != nullptr) return object_.wrong("chat", "stands beside '" + std::string(kind) + "'");
    KEDGE_TRY(read_reasoning());
    KEDGE_TRY(object_.texts("after", after_));
    KEDGE_TRY(object_.texts("triggers", triggers_));
    NodeId body = 0;
    if (chat != nullptr) {
      KEDGE_ASSIGN(node, read_chat(*chat));
      body = node;
    } else if (kind != nullptr) {
      KEDGE_ASSIGN(node, read_kind(object_, kind, ""));
      body = node;
    } else if (out_.reasoning && after_.empty() && triggers_.empty()) {
      body = free({});  // an answer whose reasoning is limited, and nothing else
    } else {
      return Error{ErrorCode::kInvalidArgument, object_.name() +
                                                    ": one of json_schema, json_object, grammar, regex, "
                                                    "choice and chat has to be there"};
    }
    KEDGE_TRY(object_.finish());
    out_.grammar.start(behind(body));
    return std::move(out_);
  }

 private:
  Grammar& g() { return out_.grammar; }

  Status read_style(JsonObject& object) {
    int64_t spaces = 1;
    KEDGE_TRY(object.integer("max_spaces", spaces, 0, kMostSpaces));
    style_.max_spaces = static_cast<size_t>(spaces);
    return {};
  }

  // The one of kKinds that is there; null: none.
  static Result<const char*> kind_of(const JsonObject& object) {
    const char* kind = nullptr;
    for (const char* name : kKinds) {
      if (!object.has(name)) continue;
      if (kind != nullptr) return object.wrong(name, "stands beside '" + std::string(kind) + "'");
      kind = name;
    }
    return kind;
  }

  Result<NodeId> read_kind(JsonObject& object, std::string_view kind, const std::string& pointer) {
    if (kind == "json_schema")
      return read_json_schema(*object.find("json_schema"), pointer + "/json_schema", style_, g());
    if (kind == "json_object") {
      bool wanted = false;
      KEDGE_TRY(object.flag("json_object", wanted));
      if (!wanted) return object.wrong("json_object", "is not true");
      return any_json_object(style_, g());
    }
    if (kind == "choice") {
      std::vector<std::string> texts;
      KEDGE_TRY(object.texts("choice", texts));
      if (texts.empty()) return object.wrong("choice", "has no text");
      std::vector<NodeId> parts;
      for (const std::string& text : texts) parts.push_back(g().text(text));
      return g().choice(parts);
    }
    std::string text;
    const bool gbnf = kind == "grammar";
    KEDGE_TRY(object.text(gbnf ? "grammar" : "regex", text));
    auto node = gbnf ? read_gbnf(text, g()) : read_regex(text, g());
    if (node.ok()) return node;
    return Error{node.error().code, pointer + "/" + std::string(kind) + ": " + node.error().message};
  }

  Status read_reasoning() {
    const base::Json* json = object_.find("reasoning");
    if (json == nullptr) return {};
    KEDGE_ASSIGN(object, JsonObject::of(*json, object_.name() + ".reasoning"));
    Reasoning reasoning;
    KEDGE_TRY(object.text("begin", reasoning.begin));
    KEDGE_TRY(object.text("end", reasoning.end));
    KEDGE_TRY(object.flag("open", reasoning.open));
    if (object.has("budget")) {
      int64_t budget = 0;
      KEDGE_TRY(object.integer("budget", budget, 0, kMaxReasoning));
      reasoning.budget = static_cast<size_t>(budget);
    }
    KEDGE_TRY(object.finish({"end"}));
    if (reasoning.end.empty()) return object.wrong("end", "is empty");
    if (reasoning.begin.empty() && !reasoning.open) return object.wrong("begin", "is empty");
    out_.reasoning = std::move(reasoning);
    return {};
  }

  // A format's calls, where they may stand: at once, behind what begins them, or instead of a response.
  Result<NodeId> read_chat(const base::Json& chat) {
    if (format_ == nullptr) {
      return Error{ErrorCode::kUnsupported, "/chat: the model's chat template has no form of tool calls that is known"};
    }
    auto options = read_chat_options(chat, *format_);
    if (!options.ok()) return Error{options.error().code, "/chat: " + options.error().message};
    if (!object_.has("reasoning") && format_->reasoning_begin[0] != '\0') {
      out_.reasoning = Reasoning{.begin = format_->reasoning_begin,
                                 .end = format_->reasoning_end,
                                 .budget = {},
                                 .open = options->reasoning_open};
    }
    std::optional<NodeId> response;
    if (const base::Json* json = object_.find("response")) {
      KEDGE_ASSIGN(object, JsonObject::of(*json, object_.name() + ".response"));
      KEDGE_ASSIGN(kind, kind_of(object));
      if (kind == nullptr)
        return object_.wrong("response", "has none of json_schema, json_object, grammar, regex, choice");
      KEDGE_ASSIGN(node, read_kind(object, kind, "/response"));
      KEDGE_TRY(object.finish());
      response = node;
    }
    if (options->choice == ToolChoice::kNone || options->tools.empty()) return response ? *response : free({});
    auto calls = format_->calls(*options, g());
    if (!calls.ok()) return Error{calls.error().code, in_chat(calls.error().message)};
    if (options->choice != ToolChoice::kAuto) return calls;
    if (response) return g().choice({*calls, *response});
    std::vector<std::string> triggers(format_->triggers.begin(), format_->triggers.end());
    return g().sequence({free(triggers), g().optional(*calls)});
  }

  // Formats name a tool's place within the object they are given.
  static std::string in_chat(std::string message) {
    const size_t at = message.find("/tools/");
    return at == std::string::npos ? "/chat: " + message : message.insert(at, "/chat");
  }

  // Any text in which none of these is, control tokens included.
  NodeId free(const std::vector<std::string>& without) {
    const NodeId node = text_without(without);
    out_.open.push_back(node);
    return node;
  }

  NodeId text_without(const std::vector<std::string>& texts) {
    const NodeId any = g().repeat(g().any_char(), 0);
    if (texts.empty()) return g().without(any, g().nothing());
    return g().without(any, g().sequence({any, one_of(texts, false), any}));
  }

  NodeId one_of(const std::vector<std::string>& texts, bool markers) {
    std::vector<NodeId> parts;
    for (const std::string& text : texts) parts.push_back(markers ? g().marker(text) : g().text(text));
    return g().choice(parts);
  }

  NodeId behind(NodeId body) {
    if (!triggers_.empty()) body = g().sequence({free(triggers_), g().optional(body)});
    if (!after_.empty()) body = g().sequence({free(after_), one_of(after_, true), body});
    if (!out_.reasoning) return body;
    const Reasoning& reasoning = *out_.reasoning;
    const NodeId spaces = g().repeat(g().chars({{' ', ' '}, {'\t', '\n'}, {'\r', '\r'}}), 0, kMostSpaces);
    const NodeId inside = g().sequence({text_without({reasoning.end}), g().marker(reasoning.end), spaces});
    if (reasoning.open) return g().sequence({inside, body});
    return g().sequence({g().optional(g().sequence({spaces, g().marker(reasoning.begin), inside})), body});
  }

  JsonObject& object_;
  const ChatFormat* format_;
  JsonStyle style_;
  std::vector<std::string> after_;
  std::vector<std::string> triggers_;
  AnswerGrammar out_;
};

}  // namespace

Result<AnswerGrammar> read_answer_grammar(std::string_view spec, const ChatFormat* format) {
  KEDGE_ASSIGN(object, JsonObject::parse(spec, "constraint"));
  return Reader(object, format).read();
}

}  // namespace kedge::engine::grammar
