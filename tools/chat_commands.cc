#include "tools/chat_commands.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "tools/model_flags.h"
#include "tools/nearest.h"
#include "tools/schema.h"

namespace kedge::tools {

namespace {

enum class Takes { kText, kFile, kModel, kSetting, kSwitch };

struct Command {
  std::string_view name;
  std::string_view argument;  // as the help shows it; empty: it takes none
  std::string_view help;
  Takes takes = Takes::kText;
};

constexpr Command kCommands[] = {
    {"/help", "", "this list"},
    {"/reset", "", "forget the conversation"},
    {"/system", "[TEXT]", "forget the conversation and begin with these instructions"},
    {"/retry", "", "answer the last message again, by other random numbers"},
    {"/edit", "", "the last message again, to be changed"},
    {"/undo", "", "take back the last message and its answer"},
    {"/attach", "FILE", "the next message begins with the text of this file (.pdf too)", Takes::kFile},
    {"/json", "SCHEMA|off", "answers are JSON of this schema: a file, or the schema itself", Takes::kFile},
    {"/set", "[NAME VALUE]", "a setting of the sampler, for the answers to come; alone: those that are set",
     Takes::kSetting},
    {"/model", "[NAME]", "go on with another model; alone: which one this is", Takes::kModel},
    {"/save", "[FILE]", "keep the conversation, here or among the chats that --resume goes on with", Takes::kFile},
    {"/load", "FILE", "go on with a conversation that was kept", Takes::kFile},
    {"/why", "", "how sure the last answer is, and what it rests on"},
    {"/tint", "[on|off]", "show how likely each token was, as a colour", Takes::kSwitch},
    {"/stats", "", "the last answer: speed and memory"},
    {"/kv", "", "what the memory holds, and what left it"},
    {"/quit", "", "leave (or Ctrl-D)"},
    {"/exit", "", ""},
};

const Command* command_named(std::string_view name) {
  const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands), [&](auto& c) { return c.name == name; });
  return found == std::end(kCommands) ? nullptr : found;
}

std::string_view first_word(std::string_view line) { return line.substr(0, line.find_first_of(" \t")); }

}  // namespace

bool is_chat_command(const std::string& line) {
  if (line.find('\n') != std::string::npos) return false;
  const std::string_view text = std::string_view(line).substr(0, line.find_last_not_of(" \t") + 1);
  const Command* command = command_named(first_word(text));
  return command != nullptr && (!command->argument.empty() || command->name.size() == text.size());
}

std::string chat_help() {
  std::string text;
  for (const Command& c : kCommands) {
    if (c.help.empty()) continue;
    std::string usage = std::string(c.name) + (c.argument.empty() ? "" : " ") + std::string(c.argument);
    usage.resize(std::max<size_t>(usage.size() + 2, 20), ' ');
    text += usage + std::string(c.help) + "\n";
  }
  return text +
         "Any other line is a message; so is one of these with another / before it, which is taken off: //help.\n"
         "A line that ends in \\ goes on in the next one, as does all from \"\"\" to \"\"\"; a pasted text is one "
         "message.\nCtrl-R searches what was said before, Tab completes a command, Ctrl-C stops an answer.";
}

namespace {

// Of a folder: those that begin so, folders with a slash behind.
std::vector<std::string> files_beginning(const std::string& given) {
  namespace fs = std::filesystem;
  const size_t slash = given.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : given.substr(0, slash + 1);
  const std::string name = given.substr(folder.size());
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, error)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(name) || (file.starts_with('.') && name.empty())) continue;
    found.push_back(folder + file + (entry.is_directory(error) ? "/" : ""));
  }
  return found;
}

std::vector<std::string> choices_of(Takes takes, const std::string& given) {
  if (takes == Takes::kFile) return files_beginning(given);
  if (takes == Takes::kSwitch) return {"on", "off"};
  std::vector<std::string> names;
  if (takes == Takes::kModel) names = model_names();
  if (takes == Takes::kSetting) {
    for (const Json& setting : settings_schema().at("settings")) names.push_back(setting.at("name").get<std::string>());
  }
  return names;
}

}  // namespace

std::vector<std::string> chat_completions(const std::string& before) {
  std::vector<std::string> found;
  const size_t space = before.find(' ');
  if (space == std::string::npos) {
    for (const Command& c : kCommands) {
      if (c.name.starts_with(before)) found.push_back(std::string(c.name) + (c.argument.empty() ? "" : " "));
    }
    return found;
  }
  const Command* command = command_named(std::string_view(before).substr(0, space));
  if (command == nullptr) return found;
  const size_t begin = std::min(before.find_first_not_of(' ', space), before.size());
  for (const std::string& choice : choices_of(command->takes, before.substr(begin))) {
    if (choice.starts_with(std::string_view(before).substr(begin))) found.push_back(before.substr(0, begin) + choice);
  }
  std::sort(found.begin(), found.end());
  return found;
}

// A word by itself, as commands are; of a longer line only what is a letter away from one that takes something.
std::string no_such_command(const std::string& line) {
  const std::string_view text = std::string_view(line).substr(0, line.find_last_not_of(" \t\n") + 1);
  const std::string_view word = first_word(text);
  const bool alone = word.size() == text.size();
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  if (word.size() < 2 || word[0] != '/' || !std::all_of(word.begin() + 1, word.end(), is_letter)) return "";
  if (command_named(word) != nullptr) return "";
  const auto* nearest = std::min_element(std::begin(kCommands), std::end(kCommands), [&](auto& a, auto& b) {
    return edit_distance(word, a.name) < edit_distance(word, b.name);
  });
  const size_t distance = edit_distance(word, nearest->name);
  if (!alone && (distance > 1 || nearest->argument.empty())) return "";
  const std::string name(word);
  std::string said = "There is no command " + name;
  if (distance <= 2) said += "; perhaps " + std::string(nearest->name) + " is meant";
  return said + ". /help lists them, /" + name + " says it to the model.";
}

std::string unescaped(const std::string& line) {
  const size_t slashes = std::min(line.find_first_not_of('/'), line.size());
  if (slashes < 2) return line;
  const std::string bare = line.substr(slashes - 1);
  return is_chat_command(bare) || !no_such_command(bare).empty() ? line.substr(1) : line;
}

}  // namespace kedge::tools
