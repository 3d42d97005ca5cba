// The flags of the memory (section "Memory" of kedge.h), the same in every subcommand that has a session.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

struct KvFlags {
  std::string budget;
  std::string policy;
  std::string cold;

  // A command that measures several budgets, policies and cold tiers has its own flags for these.
  enum Which { kAll, kWithoutLists };
  void add_to(CLI::App* command, Which which = kAll);
  bool given() const { return !options().empty(); }
  Json options() const;      // an object with the members that were given
  std::string json() const;  // for SessionOptions.kv; empty when no flag was given
  double recall_share() const { return recall_threshold_.value_or(0); }

 private:
  std::optional<int> sinks_;
  std::string recent_;
  std::optional<double> anchor_threshold_;
  std::optional<double> anchor_cap_;
  std::optional<int> anchor_margin_;
  std::string anchor_detect_;
  std::string cold_budget_;
  std::string cold_type_;
  std::optional<double> recall_threshold_;
};

// One line on what the memory did (kedge_generation_result.kv), empty when nothing left it and nothing came back.
std::string memory_line(std::string_view kv);
// The state of a session's memory (kedge_session_kv) for people, several lines.
std::string memory_report(std::string_view kv);

// --memory, of an engine, as in "512MiB"; 0 when it is not given.
void add_memory(CLI::App* command, uint64_t& bytes);

}  // namespace kedge::tools
