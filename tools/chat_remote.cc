#include "tools/chat_remote.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "tools/chat_commands.h"
#include "tools/kv_flags.h"
#include "tools/why.h"

namespace kedge::tools {

namespace {

// "top_k;top_p" as an array, the form that other servers take too.
Json names_in(std::string_view samplers) {
  Json names = Json::array();
  for (size_t at = 0; at <= samplers.size();) {
    const size_t end = std::min(samplers.find(';', at), samplers.size());
    names.push_back(std::string(samplers.substr(at, end - at)));
    at = end + 1;
  }
  return names;
}

class RemoteChat final : public ChatTalk {
 public:
  RemoteChat(const RemoteChatOptions& options, TerminalInput* terminal, InterruptGuard& guard)
      : ChatTalk(terminal, options.looks, guard), options_(options), model_(options.model) {
    if (!options.system.empty()) messages_.push_back({{"role", "system"}, {"content", options.system}});
    options.constraint.apply(constraint_);
    if (terminal != nullptr) input_.note(options_.remote.url() + ". /help lists the commands.");
  }

 private:
  Json messages() const override { return messages_; }
  void restore(const Json& messages) override { messages_ = messages; }
  std::string model() const override { return model_.empty() ? "what the server says" : model_; }
  void use_model(const std::string& name) override { model_ = name; }
  void constrain(const Json& constraint) override {
    constraint_ = Json::object();
    if (!constraint.is_null()) ConstraintFlags::apply(constraint, constraint_);
  }

  std::string memory() const override {
    if (!kedge_.contains("kv")) return "Nothing is known of the memory.";
    const std::string line = memory_line(kedge_["kv"].dump());
    return line.empty() ? "Nothing has left the memory." : line;
  }

  std::string why() const override {
    if (messages_.empty() || messages_.back().value("role", "") != "assistant") return "Nothing has been answered yet.";
    if (kedge_.contains("outcome")) {
      Json told = kedge_;
      told["answer"] = messages_.back()["content"];
      return why_long(account_of({{"kedge", told}}, "the answer"));
    }
    return options_.remote.url() + " says nothing of how it came about.";
  }

  void stats() const override {
    for (const char* member : {"model", "outcome", "reason", "confidence", "threshold", "record", "timings"}) {
      if (kedge_.contains(member) && !kedge_[member].is_null()) {
        input_.note(std::string(member) + ": " + kedge_[member].dump());
      }
    }
  }

  void answer(const std::string& message) override {
    guard_.clear();
    Json messages = messages_;
    messages.push_back({{"role", "user"}, {"content", message}});
    kedge::GenerateOptions generate;
    options_.sampler.apply(generate);
    apply_settings(generate);
    Json request = {{"messages", messages}, {"seed", options_.sampler.seed() + retries()}};
    if (!model_.empty()) request["model"] = model_;
    if (options_.max_tokens >= 0) request["max_tokens"] = options_.max_tokens;
    if (options_.reasoning_budget >= 0) request["reasoning_budget_tokens"] = options_.reasoning_budget;
    request.update(constraint_);
    if (!generate.stop.empty()) request["stop"] = generate.stop;
    for (const auto& [name, value] : generate.settings) request[name] = value;
    if (!generate.samplers.empty()) request["samplers"] = names_in(generate.samplers);
    std::string text;
    begin_answer();
    const auto stopped = [] { return InterruptGuard::interrupted(); };
    const Json last = options_.remote.stream(
        request,
        [&](std::string_view more) {
          text += more;
          return show(more, false) && !stopped();
        },
        stopped);
    check_output();
    end_answer();
    if (stopped()) input_.note("[stopped]");
    const Json* why = last.is_object() ? last.pointee("/choices/0/finish_reason") : nullptr;
    if (why != nullptr && *why == "length") input_.note("[cut: --max-tokens and the server's context set the limit]");
    std::fflush(stdout);
    const Json* told = last.is_object() ? last.pointee("/kedge") : nullptr;
    kedge_ = told == nullptr ? Json::object() : *told;
    guard_.clear();
    if (text.empty()) return;
    messages_ = std::move(messages);
    messages_.push_back({{"role", "assistant"}, {"content", text}});
  }

  const RemoteChatOptions& options_;
  std::string model_;                 // empty: what the server says
  Json constraint_ = Json::object();  // members of a request
  Json messages_ = Json::array();
  Json kedge_ = Json::object();  // what the server said beside the last answer
};

}  // namespace

void chat_remote(const RemoteChatOptions& options) {
  const auto terminal = TerminalInput::open(is_chat_command, options.looks.plain, chat_history_file());
  if (terminal != nullptr) terminal->complete_with(chat_completions);
  InterruptGuard guard;
  RemoteChat chat(options, terminal.get(), guard);
  if (options.keep != nullptr) chat.keep(*options.keep);
  chat.run();
}

}  // namespace kedge::tools
