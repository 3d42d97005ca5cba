// A chat, whoever answers in it: what is said to it is read, its commands are followed, until it ends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/chat_input.h"
#include "tools/markdown_terminal.h"
#include "tools/saved_chat.h"

namespace kedge::tools {

struct ChatLooks {
  bool colour = false;    // and Markdown, as what it means
  bool plain = false;     // for screen readers: nothing drawn over, words in place of signs
  bool reasoning = true;  // shown
  bool tint = false;      // how likely each token was, as its colour
};

class ChatTalk {
 public:
  virtual ~ChatTalk() = default;
  ChatTalk(const ChatTalk&) = delete;
  ChatTalk& operator=(const ChatTalk&) = delete;

  // Throws what a signal ends a command with.
  void run();
  // The conversation is kept as this one after every answer.
  void keep(SavedChat chat);

 protected:
  // `guard`: of whatever answers; it outlives this.
  ChatTalk(TerminalInput* terminal, const ChatLooks& looks, InterruptGuard& guard)
      : guard_(guard), looks_(looks), input_(terminal, looks.colour), tint_(looks.tint && looks.colour) {}

  virtual void answer(const std::string& message) = 0;
  virtual Json messages() const = 0;  // the system's first, where there is one
  virtual void restore(const Json& messages) = 0;
  virtual void stats() const = 0;
  virtual std::string memory() const = 0;
  virtual std::string why() const = 0;  // of the last answer, in words
  virtual std::string model() const = 0;
  virtual void use_model(const std::string& name) = 0;
  // What has to be obeyed from here on, null: nothing. A Failure when it cannot be.
  virtual void constrain(const Json& constraint) = 0;
  // Whether came_with() is called.
  virtual bool knows_probabilities() const { return false; }
  // How full the context is, in hundredths; -1: not known.
  virtual int fullness() const { return -1; }
  // Whether the line answers a question of the chat, which is then followed.
  virtual bool choose(const std::string&) { return false; }

  // Answers, and keeps what was said; what was attached is in it.
  void say_whole(const std::string& message);
  // The settings of /set over those of the flags.
  void apply_settings(kedge::GenerateOptions& options) const;
  // Another one for every message and every /retry: other random numbers.
  uint64_t retries() const { return retries_; }
  uint64_t request() const { return (retries_ << 32) | messages().size(); }
  // An answer as it comes. No exception: what is called is a callback of the library.
  void begin_answer();
  bool show(std::string_view text, bool reasoning) noexcept;
  // Of the token that what is shown next comes from.
  void came_with(double probability) noexcept { probability_ = probability; }
  void end_answer();

  InterruptGuard& guard_;
  const ChatLooks looks_;
  ChatInput input_;

 private:
  bool command(const std::string& line);  // false: leave
  void say(const std::string& message) { say_whole(attached_ + message); }
  void system(const std::string& text);
  void set(const std::string& arguments);
  void set_json(const std::string& schema);
  void set_tint(const std::string& argument);
  void attach(const std::string& path);
  void save(const std::string& path);
  void load(const std::string& what);
  std::optional<std::string> take_back();  // the last message, which is forgotten with its answer
  void keep_now();
  std::string prompt() const;
  bool put(std::string_view text) noexcept;
  bool put_tinted(std::string_view text) noexcept;

  std::vector<std::pair<std::string, double>> settings_;
  std::string attached_;
  uint64_t retries_ = 0;
  std::optional<SavedChat> kept_;
  std::optional<MarkdownTerminal> markdown_;
  bool begun_ = false;
  bool in_reasoning_ = false;
  bool tint_;
  double probability_ = 1;
};

}  // namespace kedge::tools
