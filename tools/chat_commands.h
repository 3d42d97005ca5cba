// The commands of a chat: their names, what the help says, and what is none of them.
#pragma once

#include <string>
#include <vector>

namespace kedge::tools {

// Only what the help lists: a path that begins a message is no command.
bool is_chat_command(const std::string& line);
std::string chat_help();
// What a line that begins with a command may go on as: names of commands, files, models, settings. Whole lines.
std::vector<std::string> chat_completions(const std::string& before);
// What to say of a line that looks like a command and is none; empty: it is a message.
std::string no_such_command(const std::string& line);
// "//help" is the message "/help": a line as the message that it is.
std::string unescaped(const std::string& line);

}  // namespace kedge::tools
