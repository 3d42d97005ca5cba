// recall.jsonl: documents with references in them and questions about some.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

struct RecallSpan {  // bytes of messages[1].content
  size_t begin = 0;
  size_t end = 0;
  std::string key;        // what identifies the reference
  bool asked = false;     // one of the questions is about it
  bool reference = true;  // false: a span of filler that claims to be one
};

struct RecallRow {
  std::string id;
  int length = 0;  // the size class: 1024, 2048, ...
  Json messages;
  std::vector<std::string> values;
  std::vector<std::string> sources;
  std::vector<RecallSpan> spans;

  std::string_view content() const { return messages[1]["content"].get_ref<const std::string&>(); }
  size_t bytes() const { return content().size(); }
  int max_tokens() const { return values.size() >= 3 ? 96 : 64; }
};

// A line that is no such row is a Failure that names file and line.
std::vector<RecallRow> read_recall_rows(const std::string& path);

// The first `n` rows, as many of each length as there are.
std::vector<RecallRow> first_rows(std::vector<RecallRow> rows, size_t n);

// Random spans of filler, of like lengths, until they are `share` of all spans or no room is left; by the row's id.
void add_false_spans(RecallRow& row, double share);

// The messages with every span as a segment of kind "reference".
std::string marked_messages(const RecallRow& row);

}  // namespace kedge::tools
