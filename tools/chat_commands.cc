#include "tools/chat_commands.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

namespace kedge::tools {

namespace {

struct Command {
  std::string_view name;
  std::string_view argument;  // as the help shows it; empty: it takes none
  std::string_view help;
};

constexpr Command kCommands[] = {
    {"/help", "", "this list"},
    {"/reset", "", "forget the conversation"},
    {"/system", "[TEXT]", "forget the conversation and begin with these instructions"},
    {"/retry", "", "answer the last message again, by other random numbers"},
    {"/edit", "", "the last message again, to be changed"},
    {"/undo", "", "take back the last message and its answer"},
    {"/attach", "FILE", "the next message begins with the text of this file (.pdf too)"},
    {"/json", "SCHEMA|off", "answers are JSON of this schema: a file, or the schema itself"},
    {"/set", "[NAME VALUE]", "a setting of the sampler, for the answers to come; alone: those that are set"},
    {"/model", "[NAME]", "go on with another model; alone: which one this is"},
    {"/save", "[FILE]", "keep the conversation, here or among the chats that --resume goes on with"},
    {"/load", "FILE", "go on with a conversation that was kept"},
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

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({changed, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

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
         "message.\nCtrl-R searches what was said before, Ctrl-C stops an answer.";
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
