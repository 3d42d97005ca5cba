#include "tools/saved_chat.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <vector>

#include "tools/state_folder.h"

namespace kedge::tools {

namespace {

namespace fs = std::filesystem;

constexpr size_t kTitleBytes = 60;

std::string chats_folder() {
  const std::string folder = state_folder();
  return folder.empty() ? "" : folder + "/chats";
}

std::string time_text(const char* pattern) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, pattern, &parts)};
}

// The one written last first.
std::vector<fs::path> all_chats() {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(chats_folder(), error)) {
    if (entry.path().extension() == ".json") files.emplace_back(entry.last_write_time(error), entry.path());
  }
  std::sort(files.begin(), files.end(), std::greater<>());
  std::vector<fs::path> paths;
  for (auto& file : files) paths.push_back(std::move(file.second));
  return paths;
}

std::string first_said(const Json& messages) {
  for (const Json& message : messages) {
    if (message.value("role", "") != "user") continue;
    const std::string text = message.value("content", "");
    size_t end = std::min({text.find('\n'), text.size(), kTitleBytes});
    while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end);
  }
  return "";
}

bool are_messages(const Json& messages) {
  return messages.is_array() && std::all_of(messages.begin(), messages.end(), [](const Json& m) {
           const Json* role = m.pointee("/role");
           const Json* content = m.pointee("/content");
           return role != nullptr && role->is_string() && content != nullptr && content->is_string();
         });
}

}  // namespace

SavedChat SavedChat::begin() {
  SavedChat chat;
  chat.id_ = time_text("%Y%m%d-%H%M%S-") + std::to_string(getpid());
  const std::string folder = chats_folder();
  if (!folder.empty()) chat.path_ = folder + "/" + chat.id_ + ".json";
  return chat;
}

SavedChat SavedChat::read(const std::string& path) {
  const auto json = base::parse_json(read_text(path), path.c_str());
  if (!json.ok()) throw Failure(json.error().message);
  const Json* messages = json->pointee("/messages");
  if (!json->is_object() || messages == nullptr || !are_messages(*messages)) {
    throw Failure(path + ": no conversation: it should have \"messages\", each with a role and a content");
  }
  SavedChat chat;
  chat.path_ = path;
  chat.id_ = fs::path(path).stem().string();
  chat.model_ = json->value("model", "");
  chat.messages_ = *messages;
  return chat;
}

SavedChat SavedChat::find(const std::string& id) {
  constexpr size_t kNamed = 5;
  const auto chats = all_chats();
  if (chats.empty()) throw Failure("no chat is kept in " + chats_folder());
  if (id.empty() || id == "last") return read(chats.front().string());
  std::vector<std::string> found;
  for (const fs::path& path : chats) {
    if (path.stem() == id) return read(path.string());
    if (path.stem().string().starts_with(id)) found.push_back(path.string());
  }
  if (found.size() == 1) return read(found.front());
  std::string named;
  for (size_t i = 0; i < std::min(chats.size(), kNamed); ++i) {
    const SavedChat chat = read(chats[i].string());
    named += "\n  " + chat.id() + "  " + first_said(chat.messages());
  }
  const std::string problem = found.empty() ? "no chat is called '" : "more than one chat begins with '";
  throw Failure(problem + id + "'; the last ones:" + named);
}

void SavedChat::write(const std::string& model, const Json& messages, const std::string& path) {
  const std::string& to = path.empty() ? path_ : path;
  if (to.empty()) throw Failure("there is no home folder to keep chats in: /save FILE names a place");
  const Json json = {{"kedge_chat", 1},
                     {"id", id_},
                     {"model", model},
                     {"title", first_said(messages)},
                     {"updated", time_text("%Y-%m-%dT%H:%M:%S%z")},
                     {"messages", messages}};
  if (!write_private(to, json.dump(1) + "\n")) throw Failure(to + ": cannot keep the chat: " + std::strerror(errno));
}

}  // namespace kedge::tools
