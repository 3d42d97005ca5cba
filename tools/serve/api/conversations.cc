// /v1/kedge/conversations: histories that outlive the page. Each is a JSON object of its client's making, kept as it
// is; everybody sees those of their own key.
#include "kernels/base/sha256.h"
#include "tools/serve/api/parts.h"

namespace kedge::tools::serve {

namespace {

constexpr size_t kMostConversations = 10000;

// Folders are named by digests: names of keys may hold what names of files cannot.
std::string folder_of(const Principal& who) {
  base::Sha256 sum;
  sum.bytes(who.name);
  return "conversations-" + sum.hex().substr(0, 32);
}

std::string file_of(std::string_view id) { return std::string(id) + ".json"; }

void list(Parts& parts, const Call& call) {
  const std::string folder = folder_of(call.who);
  const auto entries = parts.state.list(folder);
  if (!entries.ok()) return call.send_error(entries.error());
  Json all = Json::array();
  for (const auto& entry : *entries) {
    if (!entry.name.ends_with(".json")) continue;
    const auto text = parts.state.read(folder, entry.name);
    if (!text.ok()) continue;  // removed meanwhile
    const auto json = base::parse_json(*text, entry.name.c_str());
    const Json* title = json.ok() ? json->pointee("/title") : nullptr;
    const Json* updated = json.ok() ? json->pointee("/updated") : nullptr;
    all.push_back({{"id", entry.name.substr(0, entry.name.size() - 5)},
                   {"title", title == nullptr ? Json() : *title},
                   {"updated", updated == nullptr ? Json(1000 * entry.modified) : *updated},
                   {"bytes", entry.bytes}});
  }
  call.send_json({{"conversations", std::move(all)}});
}

Answer<Json> stored(Parts& parts, const Call& call) {
  const auto text = parts.state.read(folder_of(call.who), file_of(call.capture("id")));
  if (!text.ok()) {
    if (text.error().status != 404) return text.error();
    return ApiError{.status = 404,
                    .code = "not_found",
                    .message = "there is no conversation '" + std::string(call.capture("id")) + "'"};
  }
  auto json = base::parse_json(*text, "the conversation");
  if (!json.ok()) return ApiError{.status = 500, .code = "corrupt", .message = json.error().message};
  return *std::move(json);
}

void get(Parts& parts, const Call& call) {
  const auto json = stored(parts, call);
  json.ok() ? call.send_json(*json) : call.send_error(json.error());
}

void put(Parts& parts, const Call& call) {
  const auto body = json_body(call.request);
  if (!body.ok()) return call.send_error(body.error());
  const std::string folder = folder_of(call.who);
  const auto entries = parts.state.list(folder);
  if (!entries.ok()) return call.send_error(entries.error());
  if (entries->size() >= kMostConversations) {
    return call.send_error({.status = 507,
                            .code = "too_many",
                            .message = "this key has " + std::to_string(entries->size()) +
                                       " conversations, the most there may be: delete some"});
  }
  const auto written = parts.state.write(folder, file_of(call.capture("id")), body->dump());
  if (!written.ok()) return call.send_error(written.error());
  call.send_json({{"id", call.capture("id")}, {"stored", true}});
}

void remove(Parts& parts, const Call& call) {
  const auto removed = parts.state.remove(folder_of(call.who), file_of(call.capture("id")));
  if (!removed.ok()) return call.send_error(removed.error());
  call.send_json({{"id", call.capture("id")}, {"deleted", true}});
}

// The conversation, and the records of the answers in it with their artifacts.
void export_one(Parts& parts, const Call& call) {
  const auto json = stored(parts, call);
  if (!json.ok()) return call.send_error(json.error());
  Json records = Json::array();
  for (const std::string& id : record_ids(*json)) {
    const auto shown = audit(parts, kedge_audit_show, {{"record", id}});
    records.push_back(shown.ok() ? *shown : Json{{"id", id}, {"error", shown.error().message}});
  }
  call.send_json({{"conversation", *json}, {"records", std::move(records)}}, 200,
                 {{"content-disposition", "attachment; filename=\"conversation.json\""}});
}

}  // namespace

void add_conversations(Routes& routes, Parts& parts) {
  const auto add = [&](const char* method, const char* path, auto f) {
    routes.add(
        method, path, Role::kUse, [&parts, f](const Call& call) { f(parts, call); }, Where::kWorker);
  };
  add("GET", "/v1/kedge/conversations", list);
  add("GET", "/v1/kedge/conversations/{id}", get);
  add("PUT", "/v1/kedge/conversations/{id}", put);
  add("DELETE", "/v1/kedge/conversations/{id}", remove);
  add("GET", "/v1/kedge/conversations/{id}/export", export_one);
}

}  // namespace kedge::tools::serve
