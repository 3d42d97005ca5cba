#include "engine/capi/memory_json.h"

#include "engine/answer_json.h"
#include "kernels/base/hex.h"
#include "kernels/base/json_object.h"

namespace kedge::engine {

namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string dump(const Json& json) { return json.dump(); }

constexpr SegmentKind kKinds[] = {SegmentKind::kSystem, SegmentKind::kUser,      SegmentKind::kGenerated,
                                  SegmentKind::kTool,   SegmentKind::kRetrieved, SegmentKind::kReference};

Status read_range(const Json& json, const std::string& name, int32_t& first, int32_t& last) {
  const auto range = json.find("range");
  if (range == json.end() || !range->is_array() || range->size() != 2) {
    return invalid(name + ".range is not [first, behind the last]");
  }
  KEDGE_ASSIGN(a, whole_number((*range)[0], name + ".range[0]", 0, INT32_MAX));
  KEDGE_ASSIGN(b, whole_number((*range)[1], name + ".range[1]", 0, INT32_MAX));
  if (b <= a) {
    return invalid(name + ".range [" + std::to_string(a) + ", " + std::to_string(b) + ") is empty");
  }
  first = static_cast<int32_t>(a);
  last = static_cast<int32_t>(b);
  return {};
}

Status read_member(const std::string& name, const std::string& key, const Json& value, Segment& s, bool& pin_given) {
  const auto wrong = [&](const char* wanted) {
    return invalid(name + "." + key + " is " + value.dump() + ", must be " + wanted);
  };
  if (key == "range") return {};
  if (key == "kind") {
    for (const SegmentKind kind : kKinds) {
      if (value.is_string() && value.get<std::string>() == segment_kind_name(kind)) {
        s.kind = kind;
        return {};
      }
    }
    return wrong("system, user, generated, tool, retrieved or reference");
  }
  if (key == "pin") {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    if (text != "none" && text != "soft" && text != "hard") return wrong("none, soft or hard");
    s.pin = text == "hard" ? Pin::kHard : text == "soft" ? Pin::kSoft : Pin::kNone;
    pin_given = true;
    return {};
  }
  if (key == "source_id") {
    if (!value.is_string()) return wrong("a text");
    s.source_id = value.get<std::string>();
    return {};
  }
  if (key == "priority") {
    KEDGE_ASSIGN(priority, whole_number(value, name + ".priority", 0, 99));
    s.priority = static_cast<uint8_t>(priority);
    return {};
  }
  if (key == "ttl") {
    KEDGE_ASSIGN(ttl, whole_number(value, name + ".ttl", 0, INT32_MAX));  // tokens, 0 for ever
    s.ttl = static_cast<int32_t>(ttl);
    return {};
  }
  if (key == "trust") {
    KEDGE_ASSIGN(trust, number_within(value, name + ".trust", 0, 1));
    s.trust = static_cast<float>(trust);
    return {};
  }
  return invalid(name + " has an unknown member '" + key +
                 "'; known are range, kind, source_id, priority, ttl, trust, pin");
}

}  // namespace

Result<std::vector<Segment>> parse_segments(std::string_view text) {
  KEDGE_ASSIGN(json, parse_json(text, "segments"));
  if (!json.is_array()) return invalid("segments is not a JSON array");
  std::vector<Segment> segments;
  for (size_t i = 0; i < json.size(); ++i) {
    const std::string name = "segments[" + std::to_string(i) + "]";
    if (!json[i].is_object()) return invalid(name + " is not an object");
    Segment s;
    bool pin_given = false;
    KEDGE_TRY(read_range(json[i], name, s.first, s.last));
    for (const auto& [key, value] : json[i].items()) KEDGE_TRY(read_member(name, key, value, s, pin_given));
    const bool kept = s.kind == SegmentKind::kReference || s.kind == SegmentKind::kSystem;
    if (!pin_given && kept) s.pin = Pin::kSoft;
    segments.push_back(std::move(s));
  }
  return segments;
}

std::string refusals_json(size_t accepted, const std::vector<KvMemory::Refusal>& refusals) {
  Json refused = Json::array();
  for (const auto& r : refusals) refused.push_back({{"range", {r.first, r.last}}, {"reason", r.reason}});
  return dump({{"accepted", accepted}, {"refused", refused}});
}

Result<KvMemory::Recalled> recall_from_json(Session& session, std::string_view what) {
  KEDGE_ASSIGN(json, parse_json(what, "what to recall"));
  if (!json.is_object() || json.size() != 1) {
    return invalid("what to recall is not an object with one of range, source_id and text");
  }
  if (json.contains("range")) {
    int32_t first = 0;
    int32_t last = 0;
    KEDGE_TRY(read_range(json, "what to recall", first, last));
    return session.recall(first, last);
  }
  for (const char* key : {"source_id", "text"}) {
    if (json.contains(key) && json[key].is_string()) return session.recall_mentioned(json[key].get<std::string>());
  }
  return invalid("what to recall is " + json.dump() + ", must be {\"range\"}, {\"source_id\"} or {\"text\"}");
}

Json kv_state(const KvMemory& memory) {
  const KvSequence& sequence = memory.sequence();
  const KvCounts& c = memory.counts();
  Json tokens = Json::array();
  for (const auto& run : memory.token_runs()) {
    tokens.push_back({{"first", run.first}, {"last", run.last}, {"state", token_state_name(run.state)}});
  }
  Json state = {
      {"budget", memory.budget()},
      {"policy", memory.options().policy},
      {"hot", sequence.most_slots()},
      {"n_past", sequence.next_position()},
      {"evicted", c.evicted},
      {"demoted", c.demoted},
      {"recalled", c.recalled},
      {"lost", c.lost},
      {"pins_refused", c.pins_refused},
      {"anchors", memory.index().anchors().size()},
      {"detached", detached_json(memory, c.detached)},
      {"detached_total", c.detached},
      {"pages",
       {{"in_use", sequence.pages()},
        {"total", sequence.arena().pages_total()},
        {"bytes_each", sequence.arena().page_bytes()}}},
      {"slots_wasted", memory.slots_wasted()},
      {"hot_bytes", sequence.pages() * sequence.arena().page_bytes()},
      {"state_bytes", memory.shape().state_bytes()},
      {"tables", {{"evictable", sequence.n_tables()}, {"windowed", sequence.n_all_tables() - sequence.n_tables()}}},
      {"metadata_bytes", memory.metadata_bytes()},
      {"cold_bytes", memory.cold() ? memory.cold()->bytes() : 0},
      {"cold_tokens", memory.cold() ? memory.cold()->tokens() : 0},
      {"retention", hex(memory.retention())},
      {"events", c.events},
      {"tokens", tokens},
      {"references_forgotten", memory.index().forgotten()}};
  state.update(gone_json(memory));
  return state;
}

Json kv_log(const KvMemory& memory, uint64_t from) {
  Json log = Json::array();
  for (const KvLogEntry& e : memory.log().entries()) {
    if (e.number < from) continue;
    Json entry = {{"number", e.number}, {"event", e.event}, {"position", e.position}, {"why", kv_why_name(e.why)},
                  {"first", e.first},   {"last", e.last},   {"tier", e.tier},         {"score", e.score}};
    if (e.table >= 0) entry["table"] = e.table;
    log.push_back(std::move(entry));
  }
  return log;
}

}  // namespace kedge::engine
