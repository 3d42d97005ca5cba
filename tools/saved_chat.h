// Conversations that are kept: a JSON file each, for its owner alone, in $XDG_STATE_HOME/kedge/chats:
// {"kedge_chat": 1, "id", "model", "title", "updated", "messages": [{"role", "content"}, ...]}.
#pragma once

#include <string>

#include "tools/command.h"

namespace kedge::tools {

class SavedChat {
 public:
  // A new one; it becomes a file with its first write().
  static SavedChat begin();
  // By its id, the beginning of one, or "last"; a Failure that names those there are.
  static SavedChat find(const std::string& id);
  // Of a file anywhere; a Failure when it is no conversation.
  static SavedChat read(const std::string& path);

  const std::string& id() const { return id_; }
  const std::string& model() const { return model_; }
  const std::string& path() const { return path_; }
  const Json& messages() const { return messages_; }

  // A Failure says why it could not be kept. `path`: somewhere else, once.
  void write(const std::string& model, const Json& messages, const std::string& path = "");

 private:
  std::string id_;
  std::string path_;
  std::string model_;
  Json messages_ = Json::array();
};

}  // namespace kedge::tools
