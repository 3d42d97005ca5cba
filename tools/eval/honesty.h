// `kedge eval honesty`: facts are told, other text follows, and a mention asks. Does the memory say when what is named
// has left, and only then?
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

struct HonestyRow {
  std::string name;
  std::string facts;  // each a line
  std::string mention;
  bool named = false;  // the mention has a name of a reference in the facts
};

// JSON lines with "name", "facts", "mention" and "expect": "named" or "gone". A Failure names the line.
std::vector<HonestyRow> read_honesty_rows(const std::string& path);

struct HonestySetting {
  std::string policy;
  int budget = 0;  // tokens
  std::string cold = "off";
};

struct HonestyCounts {
  HonestySetting setting;
  bool references = false;    // the memory looks for them
  size_t named_gone = 0;      // runs in which a named fact had left
  size_t answered = 0;        // of these, with an alarm, or recalled
  size_t left_meanwhile = 0;  // runs that say nothing: the fact left while the mention was read
  size_t quiet = 0;           // runs with nothing to say: the fact was there, or another one or none was named
  size_t false_alarms = 0;    // of these
  size_t any_gone = 0;        // runs in which something had left
  size_t counted = 0;         // of these, with a number of tokens that are gone or cold
  size_t recalled = 0;        // tokens

  Json json() const;
};

// Every row three times: facts, flood, mention; flood, facts, mention; facts, flood, the mention of another row. `jobs`
// of these at once on the engine; the counts do not depend on it.
HonestyCounts run_honesty(const kedge::Model& model, kedge::Engine& engine, const std::vector<HonestyRow>& rows,
                          const std::string& flood, const HonestySetting& setting, int jobs);

std::string honesty_table(const std::vector<HonestyCounts>& all);

}  // namespace kedge::tools
