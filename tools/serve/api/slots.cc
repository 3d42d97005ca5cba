// llama-server's /slots: sequences by number, their sessions to files and back. There are no slots here, one prefix
// cache serves all: a number is a client's name for a sequence (id_slot), or the first that was free. What is restored
// is what later requests that begin so find in the cache. Everybody has slots and files of their own.
#include <chrono>
#include <filesystem>
#include <set>

#include "tools/serve/api/parts.h"
#include "tools/serve/key_files.h"
#include "tools/serve/wire/fields.h"
#include "tools/serve/wire/members.h"

namespace kedge::tools::serve {

namespace {

constexpr size_t kMostFiles = 64;  // of a key

using Clock = std::chrono::steady_clock;

Json timing(const char* name, Clock::time_point begin) {
  return {{name, std::chrono::duration<double, std::milli>(Clock::now() - begin).count()}};
}

struct Request {
  std::string filename;
  std::string model;
  std::string cache_salt;
  std::string kv;
};

Answer<Request> read_request(const Call& call) {
  const auto body = json_body(call.request);
  if (!body.ok()) return body.error();
  Request out;
  Members in(*body, "");
  if (!in.text("filename", out.filename)) in.wrong("filename", "is missing");
  in.text("model", out.model);
  in.text("cache_salt", out.cache_salt);
  if (const Json* given = in.object("kedge")) {
    Members m(*given, "kedge");
    if (const Json* kv = m.object("kv")) out.kv = kv->dump();
    for (const std::string& name : m.unknown()) m.fail(bad_request("'" + name + "' is not known", name));
    if (m.error()) in.fail(*m.error());
  }
  for (const std::string& name : in.unknown()) in.fail(bad_request("'" + name + "' is not known", name));
  if (in.error()) return *in.error();
  return out;
}

// In the library's words, without the server's folders.
ApiError of_file(ApiError error, const std::string& path, const std::string& name) {
  for (size_t at = error.message.find(path); at != std::string::npos; at = error.message.find(path, at + name.size()))
    error.message.replace(at, path.size(), name);
  return error;
}

Answer<bool> room_for(const KeyFiles& files, const std::string& name) {
  const auto all = files.list();
  if (!all.ok()) return all.error();
  for (const Json& file : *all) {
    if (file["name"] == name) return true;  // it is replaced
  }
  if (all->size() < kMostFiles) return true;
  return ApiError{.status = 507,
                  .code = "too_many_sessions",
                  .message = "there are " + std::to_string(all->size()) +
                             " saved sessions, which is the limit: DELETE " +
                             "/v1/kedge/sessions/{name} takes one away"};
}

void save(Parts& parts, const Call& call, int slot) {
  const auto request = read_request(call);
  if (!request.ok()) return call.send_error(request.error());
  const auto sequence = parts.sequences.in_slot(call.who.name, slot);
  if (!sequence) {
    return call.send_error(
        {.status = 404, .code = "not_found", .message = "nothing is in slot " + std::to_string(slot) + " (any more)"});
  }
  const KeyFiles files = session_files(parts.state, call.who.name);
  const auto path = files.path(request->filename);
  if (!path.ok()) return call.send_error(path.error());
  if (const auto room = room_for(files, request->filename); !room.ok()) return call.send_error(room.error());
  if (const auto made = files.make(); !made.ok()) return call.send_error(made.error());
  const auto begin = Clock::now();
  const auto saved = sequence->save(*path);
  if (!saved.ok()) return call.send_error(of_file(saved.error(), *path, request->filename));
  std::error_code unknown;
  const auto bytes = std::filesystem::file_size(*path, unknown);
  call.send_json({{"id_slot", slot},
                  {"filename", request->filename},
                  {"n_saved", *saved},
                  {"n_written", unknown ? 0 : bytes},
                  {"timings", timing("save_ms", begin)},
                  {"kedge", {{"model", sequence->model_name}, {"sequence", sequence->id}}}});
}

void restore(Parts& parts, const Call& call, int slot) {
  const auto request = read_request(call);
  if (!request.ok()) return call.send_error(request.error());
  const auto path = session_files(parts.state, call.who.name).path(request->filename);
  if (!path.ok()) return call.send_error(path.error());
  if (parts.catalog.limited()) {
    return call.send_error(bad_request(
        "this pool has a limit of memory: models, and what is cached of them, go when others need the room"));
  }
  auto alias = parts.catalog.resolve(request->model);
  if (alias.ok() && *alias == "auto") alias = bad_request("'model' is missing: a session is of one model", "model");
  if (!alias.ok()) return call.send_error(alias.error());
  const auto begin = Clock::now();
  const auto model = parts.catalog.open(*alias);
  if (!model.ok()) return call.send_error(model.error());
  auto session = (*model)->restore(*path, call.who.name + '\n' + request->cache_salt, request->kv);
  if (!session.ok()) return call.send_error(of_file(session.error(), *path, request->filename));
  const int n = session->info().n_past;
  parts.sequences.put(call.who.name, *model, std::move(*session), slot);
  std::error_code unknown;
  const auto bytes = std::filesystem::file_size(*path, unknown);
  call.send_json({{"id_slot", slot},
                  {"filename", request->filename},
                  {"n_restored", n},
                  {"n_read", unknown ? 0 : bytes},
                  {"timings", timing("restore_ms", begin)},
                  {"kedge", {{"model", (*model)->name()}}}});
}

void erase(Parts& parts, const Call& call, int slot) {
  const auto sequence = parts.sequences.in_slot(call.who.name, slot);
  if (sequence && sequence->working())
    return call.send_error(bad_request("slot " + std::to_string(slot) + " is at work"));
  const auto tokens = sequence ? sequence->summary(false)["tokens"] : Json(0);
  parts.sequences.forget(call.who.name, slot);
  call.send_json({{"id_slot", slot}, {"n_erased", tokens}});
}

void act(Parts& parts, const Call& call) {
  const auto number = base::parse_json(call.capture("id"), "id");
  if (!number.ok() || !number->is_number_unsigned() || number->get<uint64_t>() > kMostSlot) {
    return call.send_error(
        bad_request("'" + std::string(call.capture("id")) + "' is no slot: 0 to " + std::to_string(kMostSlot), "id"));
  }
  const int slot = number->get<int>();
  const auto action = call.request.parameter("action");
  if (action == "save") return save(parts, call, slot);
  if (action == "restore") return restore(parts, call, slot);
  if (action == "erase") return erase(parts, call, slot);
  call.send_error(
      bad_request("'action' is '" + std::string(action) + "', and may be save, restore or erase", "action"));
}

void list(Parts& parts, const Call& call) {
  std::set<int> said;
  Json all = Json::array();
  for (const auto& sequence : parts.sequences.of(call.who.name)) {
    if (!said.insert(sequence->slot).second) continue;  // the newest of each
    const Json summary = sequence->summary(false);
    all.push_back({{"id", sequence->slot},
                   {"is_processing", sequence->working()},
                   {"n_prompt_tokens", summary["prompt_tokens"]},
                   {"n_tokens", summary["tokens"]},
                   {"model", sequence->model_name},
                   {"kedge", {{"sequence", sequence->id}, {"state", summary["state"]}}}});
  }
  call.send_json(all);
}

void saved_sessions(Parts& parts, const Call& call) {
  auto all = session_files(parts.state, call.who.name).list();
  if (!all.ok()) return call.send_error(all.error());
  call.send_json({{"sessions", *std::move(all)}});
}

void remove(Parts& parts, const Call& call) {
  const auto removed = session_files(parts.state, call.who.name).remove(call.capture("name"));
  if (!removed.ok()) return call.send_error(removed.error());
  call.send_json({{"session", call.capture("name")}, {"deleted", true}});
}

}  // namespace

void add_slots(Routes& routes, Parts& parts) {
  const auto add = [&](const char* method, const char* path, auto f) {
    routes.add(
        method, path, Role::kUse, [&parts, f](const Call& call) { f(parts, call); }, Where::kWorker);
  };
  add("GET", "/slots", list);
  add("POST", "/slots/{id}", act);
  add("GET", "/v1/kedge/sessions", saved_sessions);
  add("DELETE", "/v1/kedge/sessions/{name}", remove);
}

}  // namespace kedge::tools::serve
