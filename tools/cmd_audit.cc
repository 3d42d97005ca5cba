// kedge audit: what the audit log holds, and whether it is as it was written.
#include <cstdio>

#include "kedge/kedge_router.h"
#include "tools/command.h"

namespace kedge::tools {

namespace {

using AuditFunction = kedge_status (*)(const char*, size_t, char**, size_t*);

std::string call(AuditFunction function, const Json& request) {
  const std::string text = request.dump(-1, ' ', false, Json::error_handler_t::replace);
  char* out = nullptr;
  size_t size = 0;
  if (function(text.data(), text.size(), &out, &size) != KEDGE_OK) throw Failure(kedge_last_error());
  std::string answer(out, size);
  kedge_free(out);
  return answer;
}

struct AuditFlags {
  std::string db = "kedge-audit.db";
  std::string record = "last";
  std::string format = "jsonl";
  std::string model, outcome, since, public_key, out;
  int limit = 20;
  bool artifacts = false;
  bool json = false;
};

void list(const AuditFlags& flags) {
  const Json answer = Json::parse(call(kedge_audit_list, {{"db", flags.db},
                                                          {"limit", flags.limit},
                                                          {"model", flags.model},
                                                          {"outcome", flags.outcome},
                                                          {"since", flags.since}}));
  if (flags.json) return print_json(answer);
  print(format("%8s  %-24s  %-36s  %-16s  %s\n", "seq", "created", "id", "model", "outcome"));
  for (const Json& r : answer["records"]) {
    print(format("%8lld  %-24s  %-36s  %-16s  %s\n", static_cast<long long>(r["seq"].get<int64_t>()),
                 r["created"].get<std::string>().c_str(), r["id"].get<std::string>().c_str(),
                 r["model"].get<std::string>().c_str(), r["outcome"].get<std::string>().c_str()));
  }
  print(format("%zu of %lld records\n", answer["records"].size(),
               static_cast<long long>(answer["total"].get<int64_t>())));
}

void show(const AuditFlags& flags) {
  const Json shown = Json::parse(call(kedge_audit_show, {{"db", flags.db}, {"record", flags.record}}));
  if (flags.json) return print_json(shown);
  print("hash " + shown["hash"].get<std::string>() + "\nprev " + shown["prev"].get<std::string>() + "\n");
  print_json(shown["record"]);
  for (const Json& a : shown["artifacts"]) {
    print("\n--- " + a["kind"].get<std::string>() + " " + a["sha256"].get<std::string>() + "\n");
    print(a.value("text", a.value("base64", "")) + "\n");
  }
}

void verify(const AuditFlags& flags) {
  Json request = {{"db", flags.db}};
  if (!flags.public_key.empty()) request["public_key"] = flags.public_key;
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
  const std::string text =
      call(kedge_audit_export, {{"db", flags.db}, {"format", flags.format}, {"artifacts", flags.artifacts}});
  flags.out.empty() ? print(text) : write_text(flags.out, text);
}

CLI::App* add(CLI::App* parent, const char* name, const char* help, AuditFlags& flags) {
  CLI::App* c = parent->add_subcommand(name, help);
  c->add_option("--db", flags.db, "The log's database")->capture_default_str()->type_name("FILE");
  return c;
}

}  // namespace

void add_audit(CLI::App& app) {
  CLI::App* audit = app.add_subcommand("audit", "The record of answers: list, show, verify, export");
  audit->require_subcommand(1);
  audit->footer("Example:\n  kedge audit verify --db kedge-audit.db");
  auto flags = std::make_shared<AuditFlags>();
  CLI::App* c = add(audit, "list", "The records, newest first", *flags);
  c->add_option("-n,--limit", flags->limit, "Records at most")->check(in_range(1, 10000))->capture_default_str();
  c->add_option("--model", flags->model, "Only this model's");
  c->add_option("--outcome", flags->outcome, "Only of this outcome");
  c->add_option("--since", flags->since, "Only from this time on, UTC: 2026-01-31, 2026-01-31T23:59");
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->callback([flags] { list(*flags); });
  c = add(audit, "show", "A record and its artifacts", *flags);
  c->add_option("record", flags->record, "Its id, its number, or 'last'")->capture_default_str();
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->callback([flags] { show(*flags); });
  c = add(audit, "verify", "Find every change of the log; exit code 1 when there is one", *flags);
  c->add_option("--public-key", flags->public_key, "The key signatures must be of [that of the key file]")
      ->type_name("HEX");
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->callback([flags] { verify(*flags); });
  c = add(audit, "export", "The log as lines of JSON that others can check", *flags);
  c->add_option("--format", flags->format, "jsonl or in-toto")
      ->check(CLI::IsMember({"jsonl", "in-toto"}))
      ->capture_default_str();
  c->add_flag("--artifacts", flags->artifacts, "With the contents (jsonl)");
  c->add_option("-o,--out", flags->out, "File to write [standard output]")->type_name("FILE");
  c->callback([flags] { export_log(*flags); });
}

}  // namespace kedge::tools
