// /v1/kedge/arena: the KV cache of the engines and the sequences in it, each key's own.
#include "tools/serve/api/parts.h"

namespace kedge::tools::serve {

namespace {

void arena(Parts& parts, const Call& call) {
  const bool whole = call.request.parameter("brief") != "true";
  const auto sequences = parts.sequences.of(call.who.name);
  Json engines = Json::array();
  for (const auto& [name, model] : parts.catalog.opened()) {
    const auto stats = model->engine().stats();
    if (!stats.ok()) return call.send_error(library_error(stats.error()));
    Json own = Json::array();
    for (const auto& sequence : sequences) {
      if (sequence->model_name == name) own.push_back(sequence->summary(whole));
    }
    engines.push_back({{"model", name},
                       {"stats", Json::parse(*stats)},
                       {"prefix", model->prefix_stats()},
                       {"sequences", std::move(own)}});
  }
  call.send_json({{"engines", std::move(engines)}});
}

void with_sequence(Parts& parts, const Call& call, auto f) {
  const auto sequence = parts.sequences.find(call.who.name, call.capture("id"));
  if (sequence) return f(*sequence);
  call.send_error({.status = 404,
                   .code = "not_found",
                   .message = "there is no sequence '" + std::string(call.capture("id")) + "' (any more)"});
}

void one(Parts& parts, const Call& call) {
  with_sequence(parts, call, [&](const Sequences::Sequence& s) { call.send_json(s.summary(true)); });
}

void log(Parts& parts, const Call& call) {
  uint64_t from = 0;
  if (const auto given = call.request.parameter("from"); !given.empty()) {
    const auto number = base::parse_json(given, "from");
    if (!number.ok() || !number->is_number_unsigned()) {
      return call.send_error(bad_request("'from' must be the number of an entry", "from"));
    }
    from = number->get<uint64_t>();
  }
  with_sequence(parts, call, [&](const Sequences::Sequence& s) {
    const auto entries = s.log(from);
    entries.ok() ? call.send_json(*entries) : call.send_error(entries.error());
  });
}

void text(Parts& parts, const Call& call) {
  with_sequence(parts, call, [&](const Sequences::Sequence& s) { call.send_json(s.text()); });
}

}  // namespace

void add_arena(Routes& routes, Parts& parts) {
  const auto add = [&](const char* path, auto f) {
    routes.add(
        "GET", path, Role::kUse, [&parts, f](const Call& call) { f(parts, call); }, Where::kWorker);
  };
  add("/v1/kedge/arena", arena);
  add("/v1/kedge/arena/{id}", one);
  add("/v1/kedge/arena/{id}/log", log);
  add("/v1/kedge/arena/{id}/text", text);
}

}  // namespace kedge::tools::serve
