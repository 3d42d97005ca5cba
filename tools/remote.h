// A server of `kedge serve`, or another that speaks OpenAI's API, in place of a model here.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "tools/command.h"

namespace kedge::tools {

class Remote {
 public:
  void add_to(CLI::App* command);  // --url, --key-file
  bool given() const { return !url_.empty(); }
  const std::string& url() const { return url_; }

  // POST of a chat completion: the whole answer. A Failure with the server's words when it refuses.
  Json complete(Json request) const;
  // The same as a stream: `on_text` gets the text of the first choice (false: enough); what it returns is the last
  // chunk with a finish reason, null when there was none. `stop`: asked now and then whether that is enough.
  Json stream(Json request, const std::function<bool(std::string_view)>& on_text,
              const std::function<bool()>& stop = {}) const;

 private:
  std::string key() const;

  std::string url_;
  std::string key_file_;
};

}  // namespace kedge::tools
