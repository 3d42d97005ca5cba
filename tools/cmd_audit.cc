// kedge audit: what the audit log holds, and whether it is as it was written.
#include <cstdio>

#include "kedge/kedge_router.h"
#include "kernels/base/utf8_cut.h"
#include "tools/audit_place.h"
#include "tools/command.h"

namespace kedge::tools {

namespace {

using AuditFunction = kedge_status (*)(const char*, size_t, char**, size_t*);

std::string call(AuditFunction function, const Json& request) {
  const std::string text = request.dump();
  char* out = nullptr;
  size_t size = 0;
  if (function(text.data(), text.size(), &out, &size) != KEDGE_OK) throw Failure(kedge_last_error());
  std::string answer(out, size);
  kedge_free(out);
  return answer;
}

struct AuditFlags {
  std::string db;
  std::string record = "last";
  std::string format = "jsonl";
  std::string model, outcome, since, public_key, against, out;
  int limit = 20;
  bool artifacts = false;
  bool json = false;
};

constexpr size_t kShownQuestion = 100;

std::string member(const Json& json, const char* key, const char* otherwise = "-") {
  if (!json.is_object() || !json.contains(key) || json[key].is_null()) return otherwise;
  if (json[key].is_number_float()) return format("%.3f", json[key].get<double>());
  return json[key].is_string() ? json[key].get<std::string>() : json[key].dump();
}

const Json& list_of(const Json& json, const char* key) {
  static const Json kNone = Json::array();
  return json.is_object() && json.contains(key) && json[key].is_array() ? json[key] : kNone;
}

// On one line, cut between characters.
std::string short_line(std::string text, size_t most) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  const std::string_view start = utf8_cut(text, most);
  return start.size() < text.size() ? std::string(start) + "..." : text;
}

void list(const AuditFlags& flags) {
  const Json answer = Json::parse(call(kedge_audit_list, {{"db", audit_log_to_read(flags.db)},
                                                          {"limit", flags.limit},
                                                          {"model", flags.model},
                                                          {"outcome", flags.outcome},
                                                          {"since", flags.since}}));
  if (flags.json) return print_json(answer);
  print(format("%8s  %-19s  %-14s  %-10s  %s\n", "seq", "created (UTC)", "outcome", "model", "question"));
  for (const Json& r : answer["records"]) {
    print(format("%8lld  %-19.19s  %-14s  %-10s  ", static_cast<long long>(r["seq"].get<int64_t>()),
                 r["created"].get<std::string>().c_str(), r["outcome"].get<std::string>().c_str(),
                 r["model"].get<std::string>().c_str()) +
          short_line(member(r, r.contains("problem") ? "problem" : "question"), kShownQuestion) + "\n");
  }
  print(format("%zu of %lld records\n", answer["records"].size(),
               static_cast<long long>(answer["total"].get<int64_t>())));
}

// What stands in the record about the answer, for people. Records may be of another version: nothing has to be there.
void print_decision(const Json& kedge) {
  print("reason    " + member(kedge, "reason") + "\n");
  for (const Json& step : list_of(kedge, "path")) {
    print("  " + member(step, "state") + ", " + member(step, "rule") + ": " +
          short_line(member(step, "detail", ""), 2 * kShownQuestion) + "\n");
  }
  int number = 0;
  for (const Json& a : list_of(kedge, "attempts")) {
    print(format("attempt %d: ", ++number) + member(a, "purpose") + ", " + member(a, "model") + ", p " +
          member(a, "p", "unknown") + ", threshold " + member(a, "threshold", "none") + ", then " +
          member(a, "action") + "\n");
    for (const Json& c : list_of(a, "checks")) {
      print("  " + member(c, "name") + ": " + member(c, "verdict") + " (" +
            short_line(member(c, "explanation", ""), 2 * kShownQuestion) + ")\n");
    }
  }
  for (const Json& c : list_of(kedge, "citations")) {
    print("cited [" + member(c, "id") + "] by " + member(c, "resolved_by") + ": " +
          short_line(member(c, "sentence", ""), 2 * kShownQuestion) + "\n");
  }
}

void show(const AuditFlags& flags) {
  const Json shown =
      Json::parse(call(kedge_audit_show, {{"db", audit_log_to_read(flags.db)}, {"record", flags.record}}));
  if (flags.json) return print_json(shown);
  const Json& record = shown["record"];
  print("record    " + member(shown, "seq") + ", " + member(shown, "created") + ", " + member(shown, "id") + "\n");
  print("question  " + member(shown, "question") + "\n");
  for (const Json& a : shown["artifacts"]) {
    const std::string kind = member(a, "kind");
    if (kind == "response") print("answer    " + member(a, "text", "(not UTF-8, see --json)") + "\n");
    if (kind == "draft") print("withheld  " + member(a, "text", "(not UTF-8, see --json)") + "\n");
  }
  print("outcome   " + member(record, "outcome") + ", model " + member(record, "model") + "\n");
  if (record.contains("kedge")) print_decision(record["kedge"]);
  for (const Json& a : shown["artifacts"]) {
    print("artifact  " + member(a, "kind") + ", " + member(a, "bytes") + " bytes, " + member(a, "sha256") + "\n");
  }
  print("prev      " + member(shown, "prev") + "\nhash      " + member(shown, "hash") +
        ": checked, it is that of this record (the chain and its signatures: kedge audit verify)\n"
        "in words: kedge why " +
        member(shown, "seq") + "; everything there is: --json\n");
}

void verify(const AuditFlags& flags) {
  Json request = {{"db", audit_log_to_read(flags.db)}};
  if (!flags.public_key.empty()) request["public_key"] = flags.public_key;
  if (!flags.against.empty()) request["against"] = flags.against;
  const Json report = Json::parse(call(kedge_audit_verify, request));
  if (flags.json) {
    print_json(report);
  } else {
    for (const Json& p : report["problems"]) {
      const int64_t seq = p["seq"].get<int64_t>();
      print(p["where"].get<std::string>() + (seq > 0 ? " " + std::to_string(seq) : "") + ": " +
            p["what"].get<std::string>() + "\n");
    }
    for (const Json& note : report["notes"]) print("note: " + note.get<std::string>() + "\n");
    print(report["ok"].get<bool>() ? "ok: " : format("%zu problems: ", report["problems"].size()));
    print(format("%lld records, %lld artifacts, %lld heads\npublic key %s\n",
                 static_cast<long long>(report["records"].get<int64_t>()),
                 static_cast<long long>(report["artifacts"].get<int64_t>()),
                 static_cast<long long>(report["heads"].get<int64_t>()),
                 report["public_key"].get<std::string>().c_str()));
  }
  check_output();
  if (!report["ok"].get<bool>()) throw Failure("");
}

void export_log(const AuditFlags& flags) {
  const bool to_file = !flags.out.empty() && flags.out != "-";
  if (to_file) need_outputs({flags.out});
  const std::string text =
      call(kedge_audit_export,
           {{"db", audit_log_to_read(flags.db)}, {"format", flags.format}, {"artifacts", flags.artifacts}});
  to_file ? write_text(flags.out, text) : print(text);
}

CLI::App* add(CLI::App* parent, const char* name, const char* help, AuditFlags& flags) {
  CLI::App* c = parent->add_subcommand(name, help);
  c->add_option("--db,--audit", flags.db, std::string("The log's database [") + kAuditPlace + "]")->type_name("FILE");
  return c;
}

}  // namespace

void add_audit(CLI::App& app) {
  CLI::App* audit = app.add_subcommand("audit", "The record of answers: list, show, verify, export");
  audit->require_subcommand(1);
  audit->footer("Examples:\n  kedge audit list\n  kedge audit verify --against /mnt/usb/audit.heads");
  auto flags = std::make_shared<AuditFlags>();
  CLI::App* c = add(audit, "list", "The records, newest first", *flags);
  c->add_option("-n,--limit", flags->limit, "Records at most")->check(in_range(1, 10000))->capture_default_str();
  c->add_option("--model", flags->model, "Only this model's");
  c->add_option("--outcome", flags->outcome, "Only of this outcome");
  c->add_option("--since", flags->since, "Only from this time on, UTC: 2026-01-31, 2026-01-31T23:59");
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->callback([flags] { list(*flags); });
  c = add(audit, "show", "A record: question, answer, why; --json has everything", *flags);
  c->add_option("record", flags->record, "Its id, its number, or 'last'")->capture_default_str();
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->callback([flags] { show(*flags); });
  c = add(audit, "verify", "Find every change of the log; exit code 1 when there is one", *flags);
  c->add_option("--public-key", flags->public_key, "The key signatures must be of [that of the key file]")
      ->type_name("HEX");
  c->add_option("--against", flags->against,
                "Heads kept elsewhere (ask --audit-mirror, or lines of a .heads file): each has to be in the log")
      ->type_name("FILE");
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->callback([flags] { verify(*flags); });
  c = add(audit, "export", "The log as lines of JSON that others can check", *flags);
  c->add_option("--format", flags->format, "jsonl or in-toto")
      ->check(CLI::IsMember({"jsonl", "in-toto"}))
      ->capture_default_str();
  c->add_flag("--artifacts", flags->artifacts, "With the contents (jsonl)");
  c->add_option("-o,--out", flags->out, "File to write [-: standard output]")->type_name("FILE");
  c->callback([flags] { export_log(*flags); });
}

}  // namespace kedge::tools
