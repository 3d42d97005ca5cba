// kedge why: what became of a question, in plain words.
#include <filesystem>

#include "kedge/kedge_router.hpp"
#include "tools/audit_place.h"
#include "tools/passages.h"
#include "tools/why.h"

namespace kedge::tools {

namespace {

struct WhyFlags {
  std::string record = "last";
  std::string audit;
  bool draw = false;
  bool json = false;
};

// A file, of one answer or of a line each; else a record of the log.
Json account(const WhyFlags& flags) {
  std::error_code error;
  const bool is_file = flags.record == "-" || std::filesystem::is_regular_file(flags.record, error);
  if (!is_file || !flags.audit.empty()) {
    const Json request = {{"db", audit_log_to_read(flags.audit)}, {"record", flags.record}};
    return account_of(Json::parse(need(kedge::call(kedge_audit_show, request_text(request)))),
                      "record " + flags.record);
  }
  const std::string name = flags.record == "-" ? "standard input" : flags.record;
  return account_of(parse_json_text(read_text(flags.record), name), name);
}

}  // namespace

void add_why(CLI::App& app) {
  auto flags = std::make_shared<WhyFlags>();
  CLI::App* c =
      app.add_subcommand("why", "What became of a question: who answered, what was checked, why it was given");
  c->add_option("record", flags->record,
                "A record by its number or id, 'last', or a file: what 'ask --json', 'audit show --json' or a server "
                "gave ('-': standard input)")
      ->capture_default_str();
  c->add_option("--audit,--db", flags->audit, std::string("Database of records [") + kAuditPlace + "]")
      ->type_name("FILE");
  c->add_flag("--draw", flags->draw, "As a drawing");
  c->add_flag("--json", flags->json, "What is told, as JSON");
  c->footer(
      "Examples:\n"
      "  kedge why\n"
      "  kedge why 12 --draw\n"
      "  kedge ask \"What is 417 + 268?\" --json > answer.json; kedge why answer.json");
  c->callback([flags] {
    const Json told = account(*flags);
    if (flags->json) return print_json(told);
    print(flags->draw ? why_drawn(told) : why_long(told));
  });
}

}  // namespace kedge::tools
