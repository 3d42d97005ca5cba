// Questions of which only the given answers count: as people type them, or the labelled ones in other words. What is
// wrong among what the router gives, with an interval.
#pragma once

#include <string>
#include <vector>

#include "tools/eval/route_runs.h"

namespace kedge::tools {

// JSON lines of {"question", "right" or "answer": a pattern found anywhere in a right answer, without regard to case;
// null: every answer is wrong, and only "not found" is right}, "id" and "kind" if wanted.
std::vector<RouteRow> read_asked(const std::string& file);
// <folder>/asked.jsonl; nothing when there is none.
std::vector<RouteRow> read_asked_of(const std::string& folder);

// The rows whose last message the kind changes, so changed; ids end with "~" and the kind.
std::vector<RouteRow> reworded_rows(const std::vector<RouteRow>& rows, std::string_view kind);
// A third of the rows, each in one rewording of fits, chosen by its id.
std::vector<RouteRow> reworded_for_fit(const std::vector<RouteRow>& rows);

struct AskedSet {
  std::string name;
  std::vector<RouteRow> rows;
  std::vector<RouteRun> runs;
};

bool is_given(const RouteRun& run);
bool is_given_right(const RouteRun& run);

// {"n", "given", "wrong", "wrong_share" and "wrong_interval" (null when nothing is given), "not_found",
// "deterministic": given without a model, "kinds": {name: the same}}.
Json asked_figures(const std::vector<RouteRun>& runs);

// Of k among n: Wilson's 95 % interval (1927). n > 0.
std::pair<double, double> wilson(size_t k, size_t n);

}  // namespace kedge::tools
