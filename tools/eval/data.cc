#include "tools/eval/data.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tools/eval/score.h"

namespace kedge::tools {

namespace {

// What is wrong with a row; the reader adds file and line.
using Wrong = std::runtime_error;

const Json& member(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end()) throw Wrong(std::string("has no '") + name + "'");
  return *it;
}

std::vector<std::string> texts(const Json& row, const char* name) {
  const Json& list = member(row, name);
  if (!list.is_array() || list.empty()) throw Wrong(std::string("'") + name + "' is not a list of texts");
  std::vector<std::string> out;
  for (const Json& text : list) {
    if (!text.is_string()) throw Wrong(std::string("'") + name + "' is not a list of texts");
    out.push_back(text);
  }
  return out;
}

std::vector<RecallSpan> spans_of(const Json& row, std::string_view content) {
  const Json& list = member(row, "spans");
  if (!list.is_array() || list.empty()) throw Wrong("'spans' is empty: there is no reference to recall");
  const auto starts = code_point_starts(content);
  std::vector<RecallSpan> spans;
  for (const Json& span : list) {
    if (!span.is_object() || !member(span, "start").is_number_unsigned() || !member(span, "end").is_number_unsigned()) {
      throw Wrong("'spans' needs objects with 'start' and 'end'");
    }
    const auto start = span["start"].get<size_t>();
    const auto end = span["end"].get<size_t>();
    if (start >= end || end >= starts.size()) {
      throw Wrong(
          format("span %zu to %zu is not within the %zu characters of the message", start, end, starts.size() - 1));
    }
    spans.push_back({.begin = starts[start],
                     .end = starts[end],
                     .key = span.value("key", std::string()),
                     .asked = span.value("asked", false)});
  }
  std::sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  return spans;
}

RecallRow row_of(const Json& json) {
  if (!json.is_object()) throw Wrong("is not a JSON object");
  RecallRow row;
  if (!member(json, "id").is_string()) throw Wrong("'id' is not a text");
  row.id = json["id"];
  if (!member(json, "length").is_number_integer()) throw Wrong("'length' is not a number");
  row.length = json["length"];
  row.messages = member(json, "messages");
  if (!row.messages.is_array() || row.messages.size() < 2) throw Wrong("'messages' has no second message");
  for (const Json& message : row.messages) {
    if (!message.is_object() || !message.contains("role") || !message.contains("content") ||
        !message["role"].is_string() || !message["content"].is_string()) {
      throw Wrong("'messages' needs objects with 'role' and 'content'");
    }
  }
  row.values = texts(json, "values");
  row.sources = texts(json, "refs");
  row.spans = spans_of(json, row.content());
  return row;
}

}  // namespace

std::vector<RecallRow> read_recall_rows(const std::string& path) {
  const std::string text = read_text(path);
  std::vector<RecallRow> rows;
  std::set<std::string> ids;
  size_t number = 0;
  for (const std::string_view line : detail::split(text, "\n")) {
    ++number;
    if (trimmed(line).empty()) continue;
    try {
      rows.push_back(row_of(need(parse_json(line, "this"))));
      if (!ids.insert(rows.back().id).second) throw Wrong("the id '" + rows.back().id + "' is there twice");
    } catch (const Failure& e) {
      throw Failure(format("%s:%zu: not JSON: %s", path.c_str(), number, e.what()));
    } catch (const Wrong& e) {
      throw Failure(format("%s:%zu: %s", path.c_str(), number, e.what()));
    }
  }
  if (rows.empty()) throw Failure(path + ": has no rows");
  return rows;
}

std::vector<RecallRow> first_rows(std::vector<RecallRow> rows, size_t n) {
  if (n >= rows.size()) return rows;
  std::map<int, std::vector<size_t>> by_length;
  for (size_t i = 0; i < rows.size(); ++i) by_length[rows[i].length].push_back(i);
  std::vector<size_t> chosen;
  for (size_t turn = 0; chosen.size() < n; ++turn) {
    for (const auto& [length, indices] : by_length) {
      if (turn < indices.size() && chosen.size() < n) chosen.push_back(indices[turn]);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  std::vector<RecallRow> out;
  for (const size_t i : chosen) out.push_back(std::move(rows[i]));
  return out;
}

void add_false_spans(RecallRow& row, double share) {
  constexpr int kTries = 200;
  const std::vector<RecallSpan> references = row.spans;
  const auto wanted = static_cast<size_t>(std::nearbyint(static_cast<double>(references.size()) * share / (1 - share)));
  const std::string_view content = row.content();
  // The question is not filler.
  const size_t room = std::min(content.rfind("Question:"), content.size());
  const auto starts = code_point_starts(content.substr(0, room));
  SplitMix random(text_seed(row.id));
  for (size_t made = 0; made < wanted; ++made) {
    for (int i = 0; i < kTries; ++i) {
      const RecallSpan& like = references[random.below(references.size())];
      const size_t begin = starts[random.below(starts.size())];
      const auto last = std::lower_bound(starts.begin(), starts.end(), begin + (like.end - like.begin));
      if (last == starts.end()) continue;
      const size_t end = *last;
      const bool taken = std::any_of(row.spans.begin(), row.spans.end(),
                                     [&](const RecallSpan& s) { return s.begin < end && begin < s.end; });
      if (taken) continue;
      row.spans.push_back({.begin = begin, .end = end, .key = format("false-%zu", made + 1), .reference = false});
      break;
    }
  }
  std::sort(row.spans.begin(), row.spans.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
}

std::string marked_messages(const RecallRow& row) {
  Json messages = row.messages;
  Json& segments = messages[1]["segments"] = Json::array();
  for (const RecallSpan& span : row.spans) {
    segments.push_back({{"range", {span.begin, span.end}}, {"kind", "reference"}, {"source_id", span.key}});
  }
  return messages.dump();
}

}  // namespace kedge::tools
