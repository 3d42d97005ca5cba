// The labelled questions of `kedge calibrate` and `kedge eval route`: a folder like tests/data/eval/route, and whether
// an answer to one of them is right.
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

struct RouteRow {
  std::string id;
  std::string task;      // of the file: "facts", "arithmetic", "openbook", "chat", "verifier"
  Json request;          // what kedge_router_ask takes: messages, evidence
  std::string answer;    // as the data has it
  std::string value;     // of answers with a source: what stands before it; else the answer
  bool sourced = false;  // answered from passages: only the value counts
  std::string doc;       // of a fact: the document of the corpus that tells it
  std::string kind;      // groups rows of one set in figures; may be empty
  std::string pattern;   // of rows as they are asked ("asked"): found in a right answer; empty: none is right
  bool reworded = false;

  // Of an answer as the model wrote it. A withheld answer (null) is not right.
  bool is_right(const Json& answer_text) const;
};

inline const std::vector<std::string> kRouteTasks = {"facts", "arithmetic", "openbook", "chat", "verifier"};

// At most `limit` rows of each task (negative: all), evenly over the file. Tasks without a file are left out.
// A Failure when there is none, or a row lacks a member.
std::vector<RouteRow> read_route_rows(const std::string& folder, int limit);

// The objects of a file of JSON lines. A Failure, naming the line.
std::vector<Json> read_json_lines(const std::string& file);

// The answer with the spaces around <|ref|> gone, and those at its ends.
std::string normalised_answer(std::string text);

}  // namespace kedge::tools
