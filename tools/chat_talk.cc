#include "tools/chat_talk.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>

#include "tools/attachment.h"
#include "tools/chat_commands.h"
#include "tools/schema.h"

namespace kedge::tools {

namespace {

constexpr const char* kDim = "\033[2m";
constexpr const char* kNormal = "\033[0m";

// The colour of a token at least so likely.
struct Tint {
  double least;
  const char* colour;
};
constexpr Tint kTints[] = {{0.9, "\033[39m"}, {0.5, "\033[38;5;228m"}, {0.2, "\033[38;5;215m"}, {0, "\033[38;5;203m"}};
constexpr const char* kNoTint = "\033[39m";

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\n") + 1 - begin);
}

// A Failure when there is no such setting, or it cannot be that.
double setting_value(const Json& setting, const std::string& text) {
  const std::string name = setting.at("name");
  double value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = setting.at("type") != "int" || value == std::floor(value);
  if (error != std::errc() || rest != text.data() + text.size() || !whole) {
    throw Failure(name + ": '" + text + "' is no " + (whole ? "" : "whole ") + "number");
  }
  const Json& min = setting.at("min");
  const Json& max = setting.at("max");
  if ((min.is_number() && value < min.get<double>()) || (max.is_number() && value > max.get<double>())) {
    throw Failure(name + " is from " + min.dump() + " to " + max.dump() + ", not " + text);
  }
  return value;
}

const Json& setting_named(const std::string& name) {
  std::string names;
  for (const Json& setting : settings_schema().at("settings")) {
    const auto& known = setting.at("name").get_ref<const std::string&>();
    if (same_name(known, name) || (name == "temp" && known == "temperature")) return setting;
    names += (names.empty() ? "" : ", ") + known;
  }
  throw Failure("no setting is called '" + name + "': " + names);
}

}  // namespace

void ChatTalk::run() {
  std::string message;
  while (!InterruptGuard::terminated() && input_.read(prompt(), message, guard_)) {
    if (message.find_first_not_of(" \t\n") == std::string::npos || choose(trimmed(message))) continue;
    if (is_chat_command(message)) {
      if (!command(message)) break;
    } else if (const std::string none = no_such_command(message); !none.empty()) {
      input_.note(none);
    } else {
      retries_ = 0;
      say(unescaped(message));
    }
  }
  if (InterruptGuard::terminated()) throw interrupted();
  if (kept_ && input_.terminal() != nullptr && !messages().empty()) {
    input_.note("This chat is kept: kedge chat --resume " + kept_->id());
  }
}

std::string ChatTalk::prompt() const {
  const int full = fullness();
  if (looks_.plain) return full < 0 ? "Message: " : format("Message, %d percent of the context used: ", full);
  return full < 0 ? "> " : format("[%d %%] > ", full);
}

void ChatTalk::say_whole(const std::string& message) {
  const size_t before = messages().size();
  answer(message);
  if (messages().size() == before) return;  // not taken: what is attached stays so
  attached_.clear();
  keep_now();
}

// What fails is said, and the chat goes on: a wrong file name is no reason to lose a conversation.
bool ChatTalk::command(const std::string& line) {
  const size_t space = line.find_first_of(" \t");
  const std::string name = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : trimmed(line.substr(space));
  try {
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") input_.note(chat_help());
    if (name == "/stats") stats();
    if (name == "/kv") input_.note(memory());
    if (name == "/why") input_.note(why());
    if (name == "/tint") set_tint(rest);
    if (name == "/system") system(rest);
    if (name == "/set") set(rest);
    if (name == "/json") set_json(rest);
    if (name == "/attach") attach(rest);
    if (name == "/save") save(rest);
    if (name == "/load") load(rest);
    if (name == "/model") {
      if (!rest.empty()) use_model(rest);
      input_.note("The model is " + model() + ".");
    }
    if (name == "/reset") {
      const Json all = messages();
      const bool instructed = !all.empty() && all.front().value("role", "") == "system";
      restore(instructed ? Json::array({all.front()}) : Json::array());
      if (kept_) kept_ = SavedChat::begin();
      input_.note("The conversation is forgotten.");
    }
    if (name == "/retry" || name == "/undo" || name == "/edit") {
      if (name == "/edit" && input_.terminal() == nullptr) throw Failure("/edit needs a terminal to edit at");
      const auto message = take_back();
      if (!message) {
        input_.note("Nothing has been said yet.");
      } else if (name == "/undo") {
        input_.note("The last message and its answer are taken back.");
      } else if (name == "/edit") {
        input_.terminal()->prefill(*message);
      } else {
        ++retries_;
        answer(*message);
      }
      keep_now();
    }
  } catch (const Failure& failure) {
    if (InterruptGuard::terminated() || std::string_view(failure.what()).empty()) throw;
    input_.note(failure.what());
  }
  return true;
}

void ChatTalk::system(const std::string& text) {
  restore(text.empty() ? Json::array() : Json::array({Json{{"role", "system"}, {"content", text}}}));
  if (kept_) kept_ = SavedChat::begin();
  input_.note(text.empty() ? "A new conversation without instructions."
                           : "A new conversation with these instructions.");
}

void ChatTalk::set(const std::string& arguments) {
  const size_t space = arguments.find_first_of(" \t=");
  if (arguments.empty()) {
    std::string all;
    for (const auto& [name, value] : settings_) all += (all.empty() ? "" : ", ") + name + format(" %g", value);
    return input_.note(all.empty() ? "Nothing is set by /set NAME VALUE." : all);
  }
  const Json& setting = setting_named(arguments.substr(0, space));
  if (space == std::string::npos) {
    return input_.note(setting.at("name").get<std::string>() + ": " + setting.at("doc").get<std::string>() + " [" +
                       setting.at("default").dump() + "]");
  }
  const std::string name = setting.at("name");
  const double value = setting_value(setting, trimmed(arguments.substr(space + 1)));
  std::erase_if(settings_, [&](const auto& s) { return s.first == name; });
  settings_.emplace_back(name, value);
  input_.note(name + format(" is %g from here on.", value));
}

void ChatTalk::apply_settings(kedge::GenerateOptions& options) const {
  for (const auto& setting : settings_) {
    std::erase_if(options.settings, [&](const auto& s) { return s.first == setting.first; });
    options.settings.push_back(setting);
  }
}

void ChatTalk::set_json(const std::string& schema) {
  if (schema.empty()) throw Failure("/json SCHEMA: a file, or the schema itself; /json off ends it");
  if (schema == "off") {
    constrain(Json());
    return input_.note("Answers are free text again.");
  }
  auto parsed = base::parse_json(schema.front() == '{' ? schema : read_text(schema), "the schema");
  if (!parsed.ok()) throw Failure(parsed.error().message);
  constrain({{"json_schema", *parsed}});
  input_.note("Answers are JSON of this schema, until /json off.");
}

void ChatTalk::set_tint(const std::string& argument) {
  if (argument != "" && argument != "on" && argument != "off") throw Failure("/tint on, or /tint off");
  if (!looks_.colour) throw Failure("/tint needs a terminal with colours; /why says it in words");
  if (!knows_probabilities()) throw Failure("/tint: a server does not say how likely a token is");
  tint_ = argument.empty() ? !tint_ : argument == "on";
  if (!tint_) return input_.note("Answers are not tinted.");
  std::string legend = "How likely each token was:";
  double from = 1;
  for (const Tint& t : kTints) {
    legend += std::string("  ") + t.colour + format("%.0f to %.0f %%", 100 * t.least, 100 * from) + kNormal;
    from = t.least;
  }
  print(legend + "\n");
}

void ChatTalk::attach(const std::string& path) {
  if (path.empty()) throw Failure("/attach FILE: which file?");
  const std::string text = attachment_text(path);
  attached_ += path + ":\n\n" + text + (text.ends_with('\n') ? "\n" : "\n\n");
  input_.note(path + format(" (%zu bytes of text) goes along with the next message.", text.size()));
}

void ChatTalk::save(const std::string& path) {
  SavedChat chat = kept_ ? *kept_ : SavedChat::begin();
  chat.write(model(), messages(), path);
  input_.note("The conversation is in " + (path.empty() ? chat.path() : path) + ".");
  if (path.empty()) kept_ = std::move(chat);
}

void ChatTalk::load(const std::string& what) {
  if (what.empty()) throw Failure("/load FILE: which file?");
  const SavedChat chat = SavedChat::read(what);
  restore(chat.messages());
  if (kept_) kept_ = SavedChat::begin();
  input_.note(format("%zu messages of ", chat.messages().size()) + what + "; it goes on with " + model() + ".");
}

std::optional<std::string> ChatTalk::take_back() {
  const Json all = messages();
  size_t n = all.size();
  while (n > 0 && all.at(n - 1).value("role", "") != "user") --n;
  if (n == 0) return std::nullopt;
  Json rest = Json::array();
  for (size_t i = 0; i + 1 < n; ++i) rest.push_back(all.at(i));
  restore(rest);
  return all.at(n - 1).value("content", "");
}

void ChatTalk::keep(SavedChat chat) {
  if (!chat.messages().empty()) restore(chat.messages());
  kept_ = std::move(chat);
}

void ChatTalk::keep_now() try {
  if (kept_) kept_->write(model(), messages());
} catch (const Failure& failure) {
  kept_.reset();  // said once
  input_.note(failure.what());
}

void ChatTalk::begin_answer() {
  begun_ = in_reasoning_ = false;
  markdown_.reset();
  if (looks_.colour) markdown_.emplace();
  if (looks_.plain && input_.terminal() != nullptr) print("Answer:\n");
}

bool ChatTalk::put_tinted(std::string_view text) noexcept {
  const Tint* tint = kTints;
  while (probability_ < tint->least) ++tint;  // the last one's is 0
  return stream_text(tint->colour) && put(text) && stream_text(kNoTint);
}

bool ChatTalk::put(std::string_view text) noexcept {
  if (!markdown_) return stream_text(text);
  try {
    return stream_text(markdown_->push(text));
  } catch (const std::exception&) {
    return false;  // no memory
  }
}

bool ChatTalk::show(std::string_view text, bool reasoning) noexcept {
  if (input_.terminal() != nullptr) input_.terminal()->pump();
  if (reasoning && !looks_.reasoning) return true;
  // The space that templates leave before an answer, or between reasoning and it, is not for the reader.
  if (reasoning != in_reasoning_) {
    if (begun_ && !stream_text(looks_.colour ? "\033[0m\n\n" : looks_.plain ? "\nEnd of the reasoning.\n" : "\n\n"))
      return false;
    in_reasoning_ = reasoning;
    begun_ = false;
  }
  if (!begun_) text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
  if (text.empty()) return true;
  if (!begun_ && reasoning && !stream_text(looks_.colour ? kDim : "Reasoning: ")) return false;
  begun_ = true;
  return reasoning ? stream_text(text) : tint_ ? put_tinted(text) : put(text);
}

void ChatTalk::end_answer() {
  if (in_reasoning_ && looks_.colour) print(kNormal);
  if (markdown_) print(markdown_->finish());
  markdown_.reset();
  print("\n");
}

}  // namespace kedge::tools
