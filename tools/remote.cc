#include "tools/remote.h"

#include "tools/serve/http/client.h"

namespace kedge::tools {

namespace {

constexpr const char* kPath = "/v1/chat/completions";

// The words of an error's body; the status where it has none.
std::string words(const serve::HttpAnswer& answer) {
  const auto json = base::parse_json(answer.body, "the answer");
  const Json* message = json.ok() ? json->pointee("/error/message") : nullptr;
  if (message != nullptr && message->is_string()) return message->get<std::string>();
  return "the server answered with status " + std::to_string(answer.status);
}

Json parsed(std::string_view text) { return need(base::parse_json(text, "what the server sent")); }

}  // namespace

void Remote::add_to(CLI::App* command) {
  const CLI::CommonOptions common(command);
  command->add_option("--url", url_, "Ask this server in place of a model here (kedge serve)")->type_name("URL");
  command->add_option("--key-file", key_file_, "File with the key that the server wants")->type_name("FILE");
}

std::string Remote::key() const {
  if (key_file_.empty()) return "";
  std::string key = read_text(key_file_);
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
  return key;
}

Json Remote::complete(Json request) const {
  const auto target = need(serve::parse_url(url_));
  const InterruptGuard guard;
  const serve::HttpClientOptions options{.key = key(), .cancelled = [] { return InterruptGuard::interrupted(); }};
  const auto answer = need(serve::http_request(target, "POST", kPath, request_text(request), options));
  if (answer.status != 200) throw Failure(words(answer));
  return parsed(answer.body);
}

Json Remote::stream(Json request, const std::function<bool(std::string_view)>& on_text,
                    const std::function<bool()>& stop) const {
  request["stream"] = true;
  const auto target = need(serve::parse_url(url_));
  const serve::HttpClientOptions options{.key = key(), .cancelled = stop};
  std::string waiting;
  Json last;
  std::string error;
  const auto on_line = [&](std::string_view line) {
    if (!line.starts_with("data: ") || line == "data: [DONE]") return true;
    const Json chunk = parsed(line.substr(6));
    if (const Json* message = chunk.pointee("/error/message")) error = message->get<std::string>();
    const Json* finish = chunk.pointee("/choices/0/finish_reason");
    if (finish != nullptr && !finish->is_null()) last = chunk;
    const Json* text = chunk.pointee("/choices/0/delta/content");
    return text == nullptr || !text->is_string() || on_text(text->get<std::string>());
  };
  const auto answer =
      serve::http_request(target, "POST", kPath, request_text(request), options, [&](std::string_view more) {
        waiting += more;
        for (size_t end = 0; (end = waiting.find('\n')) != std::string::npos; waiting.erase(0, end + 1)) {
          std::string_view line = std::string_view(waiting).substr(0, end);
          if (line.ends_with('\r')) line.remove_suffix(1);
          if (!on_line(line)) return false;
        }
        return true;
      });
  if (!answer.ok() && static_cast<int>(answer.error().code) == KEDGE_CANCELLED) return last;
  if (need(answer).status != 200) throw Failure(words(*answer));
  if (!error.empty()) throw Failure(error);
  return last;
}

}  // namespace kedge::tools
