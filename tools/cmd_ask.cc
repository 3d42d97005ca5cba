// kedge ask: a question to the pool, and why the answer is what it is. kedge replay: an answer once more, bit by bit.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tools/answer_screen.h"
#include "tools/ask_files.h"
#include "tools/audit_place.h"
#include "tools/constraint_flags.h"
#include "tools/kv_flags.h"
#include "tools/model_flags.h"
#include "tools/passages.h"
#include "tools/pool_flags.h"
#include "tools/remote.h"
#include "tools/variable.h"
#include "tools/why.h"

namespace kedge::tools {

namespace {

constexpr int kExitNoAnswer = 3;
constexpr const char* kDim = "\033[2m";
constexpr const char* kSure = "\033[1;32m\u2713\033[0m \033[1m";  // in front of what was checked, or is likely enough
constexpr const char* kNormal = "\033[0m";

struct AskFlags {
  PoolFlags pool;
  Remote remote;
  std::string question;
  std::string system;
  std::string model = "auto";
  std::string ground;
  std::vector<std::string> files;
  std::string evidence;
  std::string schema;
  std::string pattern;
  ConstraintFlags constraint;
  std::string conversation;
  std::string audit;
  std::string audit_mirror;
  double min_confidence = -1;
  double deadline = -1;
  double temperature = 0;
  int max_tokens = 512;
  Seed seed;
  bool no_audit = false;
  bool draft = false;
  bool no_stream = false;
  bool explain = false;
  bool compare = false;
  bool json = false;
};

// At temperature 0 nothing is drawn, and the record should not differ by a number that means nothing.
uint64_t seed_of(const AskFlags& f) { return f.seed.drawn() && f.temperature == 0 ? 0 : f.seed.value(); }

Json request_of(const AskFlags& f) {
  const std::string question = text_or_stdin(f.question);
  Json request = {
      {"model", f.model}, {"temperature", f.temperature}, {"seed", seed_of(f)}, {"max_tokens", f.max_tokens}};
  Json messages = Json::array();
  if (!f.system.empty()) messages.push_back({{"role", "system"}, {"content", f.system}});
  messages.push_back({{"role", "user"}, {"content", question}});
  request["messages"] = std::move(messages);
  if (!f.ground.empty()) request["index"] = f.ground;
  if (!f.evidence.empty()) request["evidence"] = read_passages(f.evidence);
  if (f.min_confidence >= 0) request["min_confidence"] = f.min_confidence;
  if (f.deadline >= 0) request["deadline_s"] = f.deadline;
  if (f.draft) request["abstain"] = false;
  if (!f.schema.empty()) request["schema"] = parse_json_text(read_text(f.schema), f.schema);
  if (!f.pattern.empty()) request["pattern"] = f.pattern;
  if (f.constraint.given()) request["constraint"] = f.constraint.options();
  if (!f.conversation.empty()) request["conversation"] = f.conversation;
  if (f.compare) request["compare"] = true;
  return request;
}

std::string number_or(const Json& value, const char* otherwise) {
  return value.is_number() ? format("%.3f", value.get<double>()) : otherwise;
}

void print_citations(const Json& answer) {
  for (const Json& c : answer["citations"]) {
    if (c["resolved_by"] == "none") {
      print(format("  cited [%s], which stands in none of the passages\n", c["written_id"].get<std::string>().c_str()));
      continue;
    }
    const std::string sentence = c.value("sentence", "");
    print("  [" + c["id"].get<std::string>() + "] " + sentence +
          (c["id_agrees"].get<bool>() ? "" : "  (the model wrote [" + c["written_id"].get<std::string>() + "])") +
          "\n");
  }
}

// What the passages say about the question, where no answer from them is given.
void print_matches(const Json& answer) {
  if (!answer.contains("matches") || !answer["matches"].is_array() || answer["matches"].empty()) return;
  print("the passages nearest to the question:\n");
  for (const Json& m : answer["matches"]) {
    print("  [" + m.value("id", "") + "] " + m.value("text", "") +
          (m.value("source", "").empty() ? "" : "  (" + m.value("source", "") + ")") + "\n");
  }
}

// One line about what the memory lost while the answer was written, behind it.
void print_memory(const Json& answer) {
  if (answer["attempts"].empty()) return;
  const Json& kv = answer["attempts"].back()["kv"];
  const std::string line = kv.is_object() ? memory_line(kv.dump()) : "";
  if (!line.empty()) std::fprintf(stderr, "%s\n", line.c_str());
}

// `seen`: text that stands on the screen already; at a terminal what is sure is told apart from what is not.
void print_answer(const Json& answer, bool explain, const std::string& seen, bool colour) {
  const std::string outcome = answer["outcome"];
  const bool weak = outcome == "low_confidence" && !answer["withheld"].get<bool>();
  if (answer["answer"].is_string() && answer["answer"] != "") {
    const std::string text = readable(answer["answer"].get<std::string>());
    const bool sure = outcome == "answered";
    const std::string mark = weak ? "low confidence: " : colour && sure ? kSure : "";
    if (text == seen) {
      print(mark + "(what stands above is the answer)\n");
    } else {
      print(mark + text + (colour && sure ? kNormal : "") + "\n");
    }
  } else {
    print(outcome + ": " + answer["reason"].get<std::string>() + "\n");
  }
  print_citations(answer);
  print_matches(answer);
  if (explain) print(why_drawn(answer));
  if (!explain) print((colour ? kDim : "") + why_short(answer) + (colour ? kNormal : "") + "\n");
  std::string foot = answer["model"].is_string() ? answer["model"].get<std::string>() : "no model";
  if (const Json& d = answer["derivation"]; d.is_object()) {
    foot = "deterministic: " + d["steps"].get<std::string>();
  } else {
    foot += ", p " + number_or(answer["confidence"], "unknown");
  }
  if (answer["attempts"].size() > 1) foot += format(", %zu attempts", answer["attempts"].size());
  foot += format("; %.0f ms", 1e3 * answer["wall_s"].get<double>());
  if (answer.contains("record")) {
    foot += format("; record %lld in ", static_cast<long long>(answer["record"]["seq"].get<int64_t>())) +
            answer["record"]["db"].get<std::string>();
    if (!answer["record"]["anchored"].get<bool>()) foot += ", its head could not be written beside it yet";
  }
  print("(" + foot + ")\n");
  print_memory(answer);
}

void print_comparison(const Json& c) {
  print(format("%-8s %-8s %-14s %7s %10s  %s\n", "", "model", "outcome", "p", "CPU ms", "answer"));
  for (const char* who : {"fast", "deep", "routed"}) {
    const Json& a = c[who];
    print(format("%-8s %-8s %-14s %7s %10.1f  ", who,
                 a["model"].is_string() ? a["model"].get<std::string>().c_str() : "-",
                 a["outcome"].get<std::string>().c_str(), number_or(a["confidence"], "-").c_str(),
                 1e3 * a["cpu_s"].get<double>()) +
          (a["answer"].is_string() ? readable(a["answer"].get<std::string>()) : "(withheld)") + "\n");
  }
  print(format("fast and deep %s; CPU against deep alone: fast %.2f, routed %.2f\n",
               c["same_answer"].get<bool>() ? "agree" : "differ", c["cpu_ratio"]["fast"].get<double>(),
               c["cpu_ratio"]["routed"].get<double>()));
}

// Answers are recorded: where --audit says, else where the pool says, else in the user's own log.
kedge::Router open_router(const AskFlags& f) {
  Json overrides = Json::object();
  if (f.no_audit || !f.audit.empty()) overrides["audit"] = f.no_audit ? "" : f.audit;
  if (!f.audit_mirror.empty()) overrides["audit_mirror"] = f.audit_mirror;
  kedge::Router router = f.pool.open(overrides);
  if (overrides.contains("audit") || !Json::parse(need(router.state()))["audit"].is_null()) return router;
  overrides["audit"] = audit_log_to_write();
  return f.pool.open(overrides);
}

// The question to a server: what the router takes is there the member "kedge", and so is what it answers.
Json ask_remote(const AskFlags& f, const Json& asked) {
  if (f.compare || !f.schema.empty() || !f.pattern.empty() || f.draft || !f.files.empty()) {
    throw Failure("--compare, --schema, --pattern, --draft and --file are not for a server (--url)", kExitUsage);
  }
  Json request = asked;
  request.erase("constraint");
  f.constraint.apply(request);
  Json k = Json::object();
  for (const char* name : {"index", "evidence", "min_confidence", "conversation"}) {
    if (request.contains(name)) k[name] = Json(request[name]);
    request.erase(name);
  }
  if (f.deadline >= 0) k["deadline_ms"] = f.deadline * 1000;
  request.erase("deadline_s");
  request["kedge"] = std::move(k);
  const Json answer = f.remote.complete(request);
  Json told = Json(answer["kedge"]);
  const Json* text = answer.pointee("/choices/0/message/content");
  if (!told.contains("outcome")) told["outcome"] = "answered";  // a model by its name
  const bool given = told["outcome"] == "answered" || (told.contains("withheld") && told["withheld"] == false);
  told["answer"] = given && text != nullptr ? Json(*text) : Json();
  for (const char* name : {"citations", "attempts", "path", "matches"}) {
    if (!told.contains(name)) told[name] = Json::array();
  }
  if (!told.contains("derivation")) told["derivation"] = Json();
  if (!told.contains("wall_s")) told["wall_s"] = told["timings"].value("decode_ms", 0.0) / 1e3;
  if (told["record"].is_null()) told.erase("record");
  return told;
}

// Of the model whose embeddings the router's indexes have: the fast one's.
std::string fast_path(const kedge::Router& router) {
  for (const Json& model : Json::parse(need(router.models()))) {
    for (const Json& alias : model["aliases"]) {
      if (alias == "fast") return model["path"];
    }
  }
  throw Failure("--file needs a pool with a model called fast");
}

void ask(const AskFlags& f) {
  Json request = request_of(f);
  const bool terminal = stdout_is_terminal() && !f.json && !f.compare;
  const bool colour = terminal && variable("NO_COLOR").empty();
  AnswerScreen screen(terminal && stderr_is_terminal() && !f.no_stream, colour);
  const auto asked = [&] {
    if (f.remote.given()) return ask_remote(f, request);
    kedge::Router router = open_router(f);
    if (!f.files.empty()) request["index"] = index_of_files(f.files, fast_path(router));
    request["progress"] = true;
    if (!f.compare) request["stream"] = true;
    const InterruptGuard guard;
    auto answer = router.ask(request_text(request), [&](std::string_view event) {
      screen.event(Json::parse(event));
      return !InterruptGuard::interrupted();
    });
    if (!answer.ok()) (void)screen.finish();
    return Json::parse(need(std::move(answer)));
  };
  const Json answer = asked();
  const std::string seen = screen.finish();
  if (f.json) {
    print_json(answer);
  } else if (f.compare) {
    print_comparison(answer);
  } else {
    print_answer(answer, f.explain, seen, colour);
  }
  check_output();
  if (!f.json && f.seed.drawn() && f.temperature > 0) {
    std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed_of(f)));
  }
  if (f.compare) return;
  if (answer["outcome"] == "failed") throw Failure("", kExitFailure);
  if (answer["outcome"] != "answered") throw Failure("", kExitNoAnswer);
}

// Numbers of all records, oldest first.
std::vector<std::string> all_records(const std::string& audit) {
  const Json list = Json::parse(need(kedge::call(kedge_audit_list, Json({{"db", audit}, {"limit", 10000}}).dump())));
  std::vector<std::string> ids;
  for (const Json& r : list["records"]) ids.push_back(std::to_string(r["seq"].get<int64_t>()));
  std::reverse(ids.begin(), ids.end());
  return ids;
}

void print_replay(const Json& result) {
  for (const Json& a : result["attempts"]) {
    print(format("%s: tokens %s, logits %s (%s)\n", a["model"].get<std::string>().c_str(),
                 a["tokens_same"].get<bool>() ? "same" : "DIFFER", a["logits_same"].get<bool>() ? "same" : "DIFFER",
                 a["logits_hash"].get<std::string>().c_str()));
  }
  if (const Json& d = result["derivation"]; d.is_object()) {
    print(d["kind"].get<std::string>() + ": worked out again, " + (d["same"].get<bool>() ? "same" : "DIFFERS") + "\n");
  }
  print(format("record %lld: %s\n", static_cast<long long>(result["seq"].get<int64_t>()),
               result["same"].get<bool>() ? "same bits" : "NOT the same"));
}

void replay(const PoolFlags& pool, const std::string& id, const std::string& given, bool json) {
  const std::string audit = audit_log_to_read(given);
  if (!std::filesystem::exists(audit)) throw Failure(audit + ": no such file");  // reading makes no log
  const bool all = id == "all";
  const std::vector<std::string> ids = all ? all_records(audit) : std::vector<std::string>{id};
  kedge::Router router = pool.open({{"audit", audit}});
  Json results = Json::array();
  size_t same = 0;
  for (const std::string& one : ids) {
    Json result = Json::parse(need(router.replay(one)));
    same += result["same"].get<bool>() ? 1 : 0;
    if (!json && (!all || !result["same"].get<bool>())) print_replay(result);
    results.push_back(std::move(result));
  }
  if (json) print_json(all ? results : results[0]);
  if (!json && all) print(format("%zu of %zu records: same bits\n", same, ids.size()));
  check_output();
  if (same != ids.size()) throw Failure("", kExitFailure);
}

void add_how(CLI::App* c, AskFlags& f) {
  c->add_option("-m,--model", f.model, "Ask this model of the pool and no other: fast, deep, or its name")
      ->type_name("NAME")
      ->capture_default_str();
  c->add_option("--min-confidence", f.min_confidence, "Withhold answers less likely to be right than this")
      ->type_name("P")
      ->check(in_range(0, 1));
  c->add_option("--deadline", f.deadline, "Seconds the answer may take")->type_name("S")->check(in_range(0, 86400));
  auto* ground = c->add_option("--ground", f.ground, "Answer from the passages of this index (kedge index build)");
  ground->type_name("INDEX");
  c->add_option("--file", f.files, "Answer from this document or folder: .txt .md .html .pdf .jsonl (may be repeated)")
      ->type_name("PATH")
      ->excludes(ground);
  c->add_option("--evidence", f.evidence, "Answer from these passages: JSON lines of {\"id\", \"text\"}")
      ->type_name("FILE");
  c->add_option("--schema", f.schema, "JSON schema the answer has to obey")->type_name("FILE");
  c->add_option("--pattern", f.pattern, "Regular expression the whole answer has to match")->type_name("REGEX");
  f.constraint.add_to(c);
  c->add_option("--system", f.system, "System message")->type_name("TEXT");
  c->add_option("--temperature,--temp", f.temperature,
                "Temperature of the first answer; weak answers are asked for again at 0")
      ->check(in_range(0, 100))
      ->capture_default_str();
  f.seed.add_to(c, "Seed of chance, where the temperature leaves something to it");
  c->add_option("-n,--max-tokens", f.max_tokens, "Longest answer")->check(in_range(1, 1 << 24))->capture_default_str();
  add_preset(c);
  c->add_flag("--draft", f.draft, "Give weak answers instead of withholding them");
}

}  // namespace

void add_ask(CLI::App& app) {
  auto f = std::make_shared<AskFlags>();
  CLI::App* c = app.add_subcommand("ask", "Ask the pool: fast model first, checked, grounded, recorded");
  c->add_option("question", f->question, "The question; - reads standard input")->required();
  f->pool.add_to(c);
  add_how(c, *f);
  f->remote.add_to(c);
  c->add_option("--audit,--db", f->audit, std::string("Database of records [") + kAuditPlace + "]")->type_name("FILE");
  c->add_option(
       "--audit-mirror", f->audit_mirror,
       "Also keep the signed heads of the records here, on another disk or machine, for 'audit verify --against'")
      ->type_name("FILE");
  c->add_flag("--no-audit", f->no_audit, "Keep no record");
  c->add_option("--conversation", f->conversation, "An id of yours, for the record")->type_name("ID");
  c->add_flag("--explain", f->explain, "Draw every step and what it was decided on");
  c->add_flag("--no-stream", f->no_stream,
              "At a terminal, do not show the text while it is written and not yet checked");
  c->add_flag("--compare", f->compare, "Ask the fast and the deep model as well, and compare");
  c->add_flag("--json", f->json, "Print everything as JSON");
  c->footer(
      "Ends with 0 when there is an answer, 3 when it is withheld or not in the sources, 1 when no model answered, 2 "
      "when\n"
      "the command was used wrongly, 130 after Ctrl-C. 'kedge why' tells the whole story of an answer.\n"
      "Examples:\n"
      "  kedge ask \"What is 417 + 268?\" --explain\n"
      "  kedge index build -o docs.kidx docs/ && kedge ask \"What is a page?\" --ground docs.kidx\n"
      "  kedge ask \"Which pump is in the cellar?\" --file handbook.pdf\n"
      "  kedge ask \"What is 17 * 23?\" --url http://127.0.0.1:8080\n"
      "  kedge why last && kedge replay last");
  c->callback([f] { ask(*f); });
}

void add_replay(CLI::App& app) {
  struct Flags {
    PoolFlags pool;
    std::string id;
    std::string audit;
    bool json = false;
  };
  auto f = std::make_shared<Flags>();
  CLI::App* c = app.add_subcommand("replay", "Generate a recorded answer again and compare bits");
  c->add_option("record", f->id, "Its id, its number, last, or all")->required();
  f->pool.add_to(c);
  c->add_option("--audit,--db", f->audit, std::string("Database of records [") + kAuditPlace + "]")->type_name("FILE");
  c->add_flag("--json", f->json, "Print everything as JSON");
  c->footer("Ends with 1 when a bit differs. The models are found by their digests.");
  c->callback([f] { replay(f->pool, f->id, f->audit, f->json); });
}

}  // namespace kedge::tools
