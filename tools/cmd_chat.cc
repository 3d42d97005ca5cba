// kedge chat: a conversation on the terminal, or one message a line from a pipe.
#include <unistd.h>

#include <memory>
#include <optional>

#include "tools/chat_flags.h"
#include "tools/chat_remote.h"
#include "tools/variable.h"

namespace kedge::tools {

ChatLooks ChatFlags::looks() const {
  const bool colour = stdout_is_terminal() && !no_color && !plain && variable("NO_COLOR").empty();
  return {.colour = colour, .plain = plain, .reasoning = reasoning == "show", .tint = tint};
}

void add_chat(CLI::App& app) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* c = app.add_subcommand("chat", "Talk to a model");
  flags->model.add_to(c);
  c->add_option("-s,--system", flags->system, "Instructions to the model, before the conversation");
  c->add_option("-n,--max-tokens", flags->n, "Tokens of an answer at most; -1: until the model stops")
      ->check(in_range(-1, 1 << 30))
      ->capture_default_str();
  flags->session.add_to(c);
  flags->kv.add_to(c);
  flags->adapters.add_to(c);
  flags->sampler.add_to(c);
  flags->constraint.add_to(c);
  flags->remote.add_to(c);
  auto* thinking = c->add_flag("--thinking", flags->thinking, "Let models that can think do so first");
  c->add_flag("--no-thinking", flags->no_thinking, "Tell models that can think not to")->excludes(thinking);
  c->add_option("--reasoning", flags->reasoning, "Whether what a model thinks before an answer is shown")
      ->check(CLI::IsMember({"show", "hide"}))
      ->capture_default_str();
  flags->reasoning_budget.add_to(c);
  auto* resume = c->add_option("--resume", flags->resume, "Go on with a chat that was kept: its id, or last")
                     ->type_name("ID|last")
                     ->expected(0, 1);
  c->add_flag("--no-save", flags->no_save, "Do not keep this chat; at a terminal chats are kept otherwise");
  c->add_flag("--no-color", flags->no_color, "No colours on the terminal, and Markdown as it is written");
  c->add_flag("--plain", flags->plain, "For screen readers: nothing is drawn over, words in place of signs");
  c->add_flag("--tint", flags->tint, "Show how likely each token was, as its colour (/tint)");
  c->footer(
      "Examples:\n"
      "  kedge chat\n"
      "  kedge chat -m model.gguf -s 'Answer in one sentence.' --ctx 8192\n"
      "  echo 'What is 17 + 25?' | kedge chat -m sage --temp 0\n"
      "  kedge chat --resume          goes on with the last chat\n"
      "  kedge chat --url http://127.0.0.1:8080 -m fast   with a model of 'kedge serve'\n"
      "From a pipe, every line is a message.");
  c->callback([flags, c, resume] {
    std::optional<SavedChat> keep;
    if (resume->count() > 0) {
      keep = SavedChat::find(flags->resume);
    } else if (isatty(STDIN_FILENO) == 1 && !flags->no_save) {
      keep = SavedChat::begin();
    }
    flags->model_named = c->get_option("--model")->on_command_line();
    const SavedChat* kept = keep ? &*keep : nullptr;
    if (flags->remote.given()) {
      if (flags->adapters.given()) {
        throw Failure("--lora and --control-vector are for a model that runs here, not for --url", kExitUsage);
      }
      return chat_remote({.remote = flags->remote,
                          .model = flags->model_named ? flags->model.model : "",
                          .system = flags->system,
                          .max_tokens = flags->n,
                          .reasoning_budget = flags->reasoning_budget.tokens(),
                          .sampler = flags->sampler,
                          .constraint = flags->constraint,
                          .looks = flags->looks(),
                          .keep = kept});
    }
    chat_local(*flags, kept);
  });
}

}  // namespace kedge::tools
