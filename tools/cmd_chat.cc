// kedge chat: a conversation on the terminal, or one message a line from a pipe.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string_view>

#include "tools/conversation.h"
#include "tools/interrupt.h"
#include "tools/kv_flags.h"
#include "tools/line_reader.h"
#include "tools/model_flags.h"
#include "tools/progress.h"
#include "tools/terminal_input.h"

namespace kedge::tools {

namespace {

struct ChatFlags {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  SamplerFlags sampler;
  std::string system;
  int n = -1;
  bool thinking = false;
  bool no_thinking = false;
  bool no_color = false;
};

constexpr const char* kHelp =
    "/help           this list\n"
    "/reset          forget the conversation\n"
    "/system [TEXT]  forget the conversation and begin with these instructions\n"
    "/stats          speed and memory of the last answer\n"
    "/kv             what the memory holds, and what left it\n"
    "/quit           leave (or Ctrl-D)\n"
    "Any other line is a message; so is one of these with another / before it, which is taken off: //help.\n"
    "A line that ends in \\ goes on in the next one; a pasted text is one message. Ctrl-C stops an answer.\n";

constexpr std::string_view kCommands[] = {"/help", "/reset", "/stats", "/kv", "/quit", "/exit"};

// Only what the help lists: a path that begins a message is no command.
bool is_command(const std::string& line) {
  const std::string_view name = std::string_view(line).substr(0, line.find_last_not_of(" \t") + 1);
  if (line.find('\n') != std::string::npos) return false;
  return name == "/system" || name.starts_with("/system ") ||
         std::find(std::begin(kCommands), std::end(kCommands), name) != std::end(kCommands);
}

// "//help" is the message "/help".
bool is_escaped_command(const std::string& line) {
  const size_t slashes = std::min(line.find_first_not_of('/'), line.size());
  return slashes > 1 && is_command(line.substr(slashes - 1));
}

class Chat {
 public:
  // `terminal`: null when the messages come from a pipe or a file.
  Chat(const ChatFlags& flags, const kedge::Model& model, kedge::Session& session, TerminalInput* terminal)
      : flags_(flags),
        session_(session),
        guard_(session),
        conversation_(model, session, template_options(flags), flags.kv.given()),
        terminal_(terminal),
        colour_(stdout_is_terminal() && !flags.no_color) {
    conversation_.reset(flags.system);
  }

  void run() {
    const std::string seed = flags_.sampler.seed_line();
    if (terminal_ != nullptr) {
      note(flags_.model.path() + (seed.empty() ? "" : ", " + seed) + ". /help lists the commands.");
    } else if (!seed.empty()) {
      std::fprintf(stderr, "%s\n", seed.c_str());
    }
    std::string message;
    while (!InterruptGuard::terminated() && read_message(message)) {
      if (message.find_first_not_of(" \t\n") == std::string::npos) continue;
      if (is_command(message)) {
        if (!command(message)) return;
      } else {
        answer(is_escaped_command(message) ? message.substr(1) : message);
      }
    }
    if (InterruptGuard::terminated()) throw interrupted();
  }

 private:
  static std::string template_options(const ChatFlags& flags) {
    Json options = {{"add_generation_prompt", true}};
    if (flags.thinking) options["enable_thinking"] = true;
    if (flags.no_thinking) options["enable_thinking"] = false;
    return options.dump();
  }

  void note(const std::string& text) const {
    print(colour_ ? "\033[2m" + text + "\033[0m\n" : text + "\n");
    std::fflush(stdout);
  }
  std::string prompt() const { return colour_ ? "\033[1;32m> \033[0m" : "> "; }

  // The next message; false at the end of the input. The second Ctrl-C in a row at the prompt leaves.
  bool read_message(std::string& message) {
    if (terminal_ == nullptr) return read_lines(message);
    for (bool warned = false;; warned = true) {
      std::fflush(stdout);
      const auto outcome = terminal_->read(prompt(), message);
      if (outcome == TerminalInput::Outcome::kMessage) return true;
      print("\n");
      if (outcome == TerminalInput::Outcome::kEnd || warned || InterruptGuard::terminated()) return false;
      guard_.clear();
      note("Ctrl-C again, or /quit, leaves.");
    }
  }

  // From a pipe: a line, and those that follow a line that ends in a backslash.
  bool read_lines(std::string& message) {
    message.clear();
    for (;;) {
      std::string line;
      const auto outcome = reader_.read(line);
      if (outcome == LineReader::Outcome::kEnd) return !message.empty();
      if (outcome == LineReader::Outcome::kInterrupted) {
        if (InterruptGuard::interrupted()) return false;
        continue;  // some other signal
      }
      message += line;
      if (line.empty() || line.back() != '\\') return true;
      message.back() = '\n';
    }
  }

  // False: leave.
  bool command(const std::string& line) {
    const size_t space = line.find_first_of(" \t");
    const std::string name = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      note(kHelp);
    } else if (name == "/reset") {
      conversation_.reset(conversation_.system());
      note("The conversation is forgotten.");
    } else if (name == "/system") {
      conversation_.reset(rest);
      note(rest.empty() ? "A new conversation without instructions." : "A new conversation with these instructions.");
    } else if (name == "/stats") {
      stats();
    } else if (name == "/kv") {
      note(memory_report(need(session_.kv())));
    }
    return true;
  }

  void stats() const {
    const auto rate = [](size_t n, double ms) { return ms > 0 ? static_cast<double>(n) * 1000 / ms : 0.0; };
    const auto info = session_.info();
    note(format("context %d of %d tokens, KV %s, %d threads", info.n_past, info.n_ctx,
                human_bytes(static_cast<double>(info.kv_bytes)).c_str(), info.n_threads));
    if (last_.n_generated == 0) return;
    note(format("last answer: %zu tokens reused, %zu read at %.1f/s, %zu generated at %.1f/s", last_.n_reused,
                last_.n_prompt, rate(last_.n_prompt, last_.prefill_ms), last_.n_generated,
                rate(last_.n_generated - 1, last_.decode_ms)));
  }

  void answer(const std::string& message) {
    guard_.clear();
    Progress progress("reading");
    kedge::GenerateOptions options;
    flags_.sampler.apply(options);
    options.max_tokens = flags_.n;
    options.request = conversation_.n_messages();  // another turn, other random numbers
    options.on_prefill = [&](size_t done, size_t total) {
      progress.update(done, total);
      if (done == total) progress.finish();
      if (terminal_ != nullptr) terminal_->pump();
      return true;
    };
    // The space that templates leave before an answer is not for the reader.
    bool begun = false;
    options.on_text = [&](std::string_view text) {
      if (terminal_ != nullptr) terminal_->pump();
      if (!begun) text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
      begun = begun || !text.empty();
      return stream_text(text);
    };
    const auto turn = conversation_.say(message, options);
    progress.finish();
    check_output();
    if (!turn.ok()) {
      refuse(turn.error());
      return;
    }
    last_ = *turn;
    print("\n");
    if (turn->finish == KEDGE_FINISH_CANCELLED) note("[stopped]");
    if (turn->finish == KEDGE_FINISH_LENGTH)
      note(format("[cut after %d tokens: --max-tokens sets the limit]", flags_.n));
    if (turn->finish == KEDGE_FINISH_CONTEXT_FULL) {
      note(format("[the context of %d tokens is full: /reset, or start with a larger --ctx]", session_.info().n_ctx));
    }
    std::fflush(stdout);
    const std::string memory = memory_line(turn->kv);
    if (!memory.empty()) std::fprintf(stderr, "%s\n", memory.c_str());
    guard_.clear();
  }

  // On a terminal a message that cannot be answered is no reason to leave; in a script it is.
  void refuse(const kedge::Error& error) const {
    const bool of_the_message = error.code == KEDGE_CAPACITY || error.code == KEDGE_INVALID_ARGUMENT;
    if (terminal_ == nullptr || !of_the_message) throw Failure(error.message);
    note(error.message);
    note("The message was not taken: /reset forgets the conversation, --ctx sets the size of the context.");
  }

  const ChatFlags& flags_;
  kedge::Session& session_;
  InterruptGuard guard_;
  Conversation conversation_;
  TerminalInput* terminal_;
  LineReader reader_;
  Conversation::Turn last_;
  bool colour_;
};

}  // namespace

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
  flags->sampler.add_to(c);
  auto* thinking = c->add_flag("--thinking", flags->thinking, "Let models that can think do so first");
  c->add_flag("--no-thinking", flags->no_thinking, "Tell models that can think not to")->excludes(thinking);
  c->add_flag("--no-color", flags->no_color, "No colours on the terminal");
  c->footer(
      "Examples:\n"
      "  kedge chat\n"
      "  kedge chat -m model.gguf -s 'Answer in one sentence.' --ctx 8192\n"
      "  echo 'What is 17 + 25?' | kedge chat -m sage --temp 0\n"
      "From a pipe, every line is a message.");
  c->callback([flags] {
    const auto terminal = TerminalInput::open(is_command);
    const kedge::Model model = flags->model.open([&] {
      if (terminal) terminal->pump();
    });
    if (model.info().has_chat_template == 0) {
      throw Failure(flags->model.path() + ": has no chat template that can be used; 'kedge run' continues plain text");
    }
    kedge::SessionOptions options = flags->session.options();
    options.kv = flags->kv.json();
    auto session = need(kedge::Session::create(model, options));
    Chat(*flags, model, session, terminal.get()).run();
  });
}

}  // namespace kedge::tools
