// A chat with a model that runs here.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string_view>

#include "tools/chat_commands.h"
#include "tools/chat_flags.h"
#include "tools/conversation.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/terminal_input.h"

namespace kedge::tools {

namespace {

// A model and the session that reads for it.
struct Answering {
  kedge::Model model;
  kedge::Session session;
  std::string path;
};

std::unique_ptr<Answering> load_model(ChatFlags& flags, const std::string& name, TerminalInput* terminal) {
  ModelFlags chosen = flags.model;
  if (!name.empty()) chosen.model = name;
  const std::string path = chosen.path();
  kedge::Model model = chosen.open([&] {
    if (terminal != nullptr) terminal->pump();
  });
  if (model.info().has_chat_template == 0) {
    throw Failure(path + ": has no chat template that can be used; 'kedge run' continues plain text");
  }
  kedge::SessionOptions options = flags.session.options();
  options.kv = flags.kv.json();
  options.adapters = flags.adapters.open(model);
  auto session = open_session(model, options, 0);
  return std::make_unique<Answering>(Answering{std::move(model), std::move(session), path});
}

std::string template_options(const ChatFlags& flags) {
  Json options = {{"add_generation_prompt", true}};
  if (flags.thinking) options["enable_thinking"] = true;
  if (flags.no_thinking) options["enable_thinking"] = false;
  return options.dump();
}

class LocalChat final : public ChatTalk {
 public:
  // `terminal`: null when the messages come from a pipe or a file.
  LocalChat(ChatFlags& flags, std::unique_ptr<Answering> answering, TerminalInput* terminal, InterruptGuard& guard)
      : ChatTalk(terminal, flags.looks(), guard),
        flags_(flags),
        answering_(std::move(answering)),
        constraint_(flags.constraint.options()),
        conversation_(template_options(flags), flags.reasoning_budget) {
    (void)request_text(constraint_);
    conversation_.use(answering_->model, answering_->session, flags.kv.given());
    if (!flags.system.empty()) restore(Json::array({Json{{"role", "system"}, {"content", flags.system}}}));
    const std::string seed = flags.sampler.seed_line();
    if (terminal != nullptr) {
      input_.note(answering_->path + (seed.empty() ? "" : ", " + seed) + ". /help lists the commands.");
    } else if (!seed.empty()) {
      std::fprintf(stderr, "%s\n", seed.c_str());
    }
  }

 private:
  kedge::Session& session() const { return answering_->session; }
  Json messages() const override { return conversation_.messages(); }
  void restore(const Json& messages) override { conversation_.restore(messages); }
  bool knows_probabilities() const override { return true; }
  std::string memory() const override { return memory_report(need(session().kv())); }
  std::string model() const override { return answering_->path; }

  int fullness() const override {
    const auto info = session().info();
    return info.n_ctx == 0 ? 0 : static_cast<int>(100LL * info.n_past / info.n_ctx);
  }

  // The conversation is read again by the other model, with the next message.
  void use_model(const std::string& name) override {
    if (flags_.adapters.given()) throw Failure("/model: --lora and --control-vector are of the model that is loaded");
    replace(load_model(flags_, name, input_.terminal()), flags_.kv.given());
    constrain(constraint_);
  }

  void replace(std::unique_ptr<Answering> other, bool mark_roles) {
    guard_.watch(other->session);
    conversation_.use(other->model, other->session, mark_roles);
    answering_ = std::move(other);
    last_ = {};
    certainty_.clear();
  }

  void constrain(const Json& constraint) override {
    if (!constraint.is_null()) (void)need(answering_->model.check_constraint(constraint.dump()));
    constraint_ = constraint;
  }

  void stats() const override {
    const auto rate = [](size_t n, double ms) { return ms > 0 ? static_cast<double>(n) * 1000 / ms : 0.0; };
    const auto info = session().info();
    input_.note(format("context %d of %d tokens, KV %s, %d threads", info.n_past, info.n_ctx,
                       human_bytes(static_cast<double>(info.kv_bytes)).c_str(), info.n_threads));
    if (last_.n_generated == 0) return;
    input_.note(format("last answer: %zu tokens reused, %zu read at %.1f/s, %zu generated at %.1f/s", last_.n_reused,
                       last_.n_prompt, rate(last_.n_prompt, last_.prefill_ms), last_.n_generated,
                       rate(last_.n_generated - 1, last_.decode_ms)));
  }

  void answer(const std::string& message) override {
    guard_.clear();
    Progress progress("reading");
    kedge::GenerateOptions options;
    flags_.sampler.apply(options);
    apply_settings(options);
    options.max_tokens = flags_.n;
    options.request = request();
    options.on_prefill = [&](size_t done, size_t total) {
      if (!looks_.plain) progress.update(done, total);
      if (done == total) progress.finish();
      if (input_.terminal() != nullptr) input_.terminal()->pump();
      return true;
    };
    options.logprobs = 0;  // of the chosen tokens
    certainty_.clear();
    options.on_token = [&](int32_t token, std::span<const kedge_logprob> top) {
      if (top.empty()) return true;
      came_with(std::exp(top.front().logprob));
      certainty_.push_back({token, top.front().logprob});
      return true;
    };
    begin_answer();
    const auto turn = conversation_.say(message, options, constraint_,
                                        [&](std::string_view text, bool reasoning) { return show(text, reasoning); });
    progress.finish();
    check_output();
    if (!turn.ok()) return refuse(turn.error(), message);
    last_ = *turn;
    end_answer();
    if (turn->finish == KEDGE_FINISH_CANCELLED) input_.note("[stopped]");
    if (turn->finish == KEDGE_FINISH_LENGTH)
      input_.note(format("[cut after %d tokens: --max-tokens sets the limit]", flags_.n));
    if (turn->unfinished) input_.note(std::string("[") + kUnfinished + "]");
    if (turn->finish == KEDGE_FINISH_CONTEXT_FULL) {
      input_.note(
          format("[the context of %d tokens is full: /reset, or start with a larger --ctx]", session().info().n_ctx));
      offer("");
    }
    std::fflush(stdout);
    const std::string memory = memory_line(turn->kv);
    if (!memory.empty()) std::fprintf(stderr, "%s\n", memory.c_str());
    guard_.clear();
  }

  std::string why() const override {
    if (certainty_.empty()) return "Nothing has been answered yet.";
    double sum = 0;
    for (const kedge_logprob& c : certainty_) sum += c.logprob;
    const auto n = certainty_.size();
    std::string text =
        answering_->path + " wrote it; nothing was looked up or checked ('kedge ask' does that).\n" +
        format("%zu tokens, each %.0f %% likely on average", n, 100 * std::exp(sum / static_cast<double>(n)));
    constexpr size_t kShown = 3;
    std::vector<kedge_logprob> least = certainty_;
    std::stable_sort(least.begin(), least.end(), [](auto& a, auto& b) { return a.logprob < b.logprob; });
    for (size_t i = 0; i < std::min(kShown, n); ++i) {
      const auto token = answering_->model.token(least[i].token);
      text += (i == 0 ? "; the least likely: " : ", ") + Json(token.ok() ? std::string(token->piece) : "?").dump() +
              format(" %.1f %%", 100 * std::exp(least[i].logprob));
    }
    text += format(".\n%zu tokens of the conversation were known already, %zu were read for it.", last_.n_reused,
                   last_.n_prompt);
    if (const std::string memory = memory_line(last_.kv); !memory.empty()) text += "\n" + memory;
    if (!constraint_.is_null()) text += "\nIt had to obey what /json or a flag says, token by token.";
    if (last_.unfinished) text += std::string("\n") + kUnfinished;
    return text;
  }

  // On a terminal a message that cannot be answered is no reason to leave; in a script it is.
  void refuse(const kedge::Error& error, const std::string& message) {
    const bool of_the_message = error.code == KEDGE_CAPACITY || error.code == KEDGE_INVALID_ARGUMENT;
    if (input_.terminal() == nullptr || !of_the_message) throw Failure(error.message);
    input_.note(error.message);
    if (error.code != KEDGE_CAPACITY || conversation_.fits(message)) return input_.note("The message was not taken.");
    input_.note("The message was not taken: /reset forgets the conversation, --ctx sets the size of the context.");
    offer(message);
  }

  // What a full context can be made to hold; the next line may choose. `message`: still to be answered, or empty.
  void offer(const std::string& message) {
    if (input_.terminal() == nullptr) return;
    offered_ = true;
    refused_ = message;
    input_.note(
        std::string("Or type f to forget the oldest turns") +
        (larger_context() > 0 ? ", b to go on in the same memory with a KV budget that keeps what matters most" : "") +
        (message.empty() ? "." : "; the message is then answered."));
  }

  // How far positions may go beyond this context; 0: no further, or there is a budget already.
  int larger_context() const {
    constexpr int kTimes = 8;
    const int now = session().info().n_ctx;
    const int most = std::min(answering_->model.info().n_ctx_train, now * kTimes);
    return flags_.kv.given() || in_budget_ || most <= now ? 0 : most;
  }

  bool choose(const std::string& line) override {
    if (!std::exchange(offered_, false)) return false;
    const std::string message = std::exchange(refused_, {});
    if (line == "f" || line == "forget") {
      const auto n_ctx = static_cast<size_t>(session().info().n_ctx);
      const auto turns = conversation_.make_room(message, n_ctx / 4);
      if (!turns.ok()) return input_.note(turns.error().message), true;
      input_.note(format("The oldest %zu turn%s forgotten.", *turns, *turns == 1 ? " is" : "s are"));
    } else if ((line == "b" || line == "budget") && larger_context() > 0) {
      go_on_in_budget();
    } else {
      return false;
    }
    if (!message.empty()) say_whole(message);
    return true;
  }

  void go_on_in_budget() {
    kedge::SessionOptions options = flags_.session.options();
    const int budget = session().info().n_ctx;
    options.n_ctx = larger_context();
    options.kv = Json{{"budget", budget}}.dump();
    options.adapters = flags_.adapters.open(answering_->model);
    auto session = need(kedge::Session::create(answering_->model, options));
    guard_.watch(session);
    answering_->session = std::move(session);
    conversation_.use(answering_->model, answering_->session, true);
    guard_.watch(answering_->session);
    in_budget_ = true;
    input_.note(format("From here on %d tokens are kept, of up to %d; /kv says what has left.", budget, options.n_ctx));
  }

  ChatFlags& flags_;
  std::unique_ptr<Answering> answering_;
  Json constraint_;
  Conversation conversation_;
  Conversation::Turn last_;
  std::vector<kedge_logprob> certainty_;  // of the last answer's tokens
  std::string refused_;
  bool offered_ = false;
  bool in_budget_ = false;
};

}  // namespace

void chat_local(ChatFlags& flags, const SavedChat* keep) {
  const auto terminal = TerminalInput::open(is_chat_command, flags.plain, chat_history_file());
  // A conversation goes on with the model it was with, unless another one is named.
  const bool resumes = keep != nullptr && !keep->model().empty() && !flags.model_named;
  if (terminal != nullptr) terminal->complete_with(chat_completions);
  auto answering = load_model(flags, resumes ? keep->model() : "", terminal.get());
  InterruptGuard guard(answering->session);
  LocalChat chat(flags, std::move(answering), terminal.get(), guard);
  if (keep != nullptr) chat.keep(*keep);
  chat.run();
}

}  // namespace kedge::tools
