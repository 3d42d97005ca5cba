// Six rows of the recall set (see tests/memory/data): text and the spans of its references, in bytes.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::memory {

struct RecallSpan {
  size_t begin, end;
  std::string key;
  bool asked;
};
struct RecallRow {
  std::string text;  // without the question
  std::string question;
  std::vector<RecallSpan> spans;
  std::vector<std::string> answer_references;  // as an answer names them: "[DOC-569B]", "(Tarman, 2014)"
};

inline std::vector<RecallRow> recall_sample() {
  std::vector<RecallRow> rows;
  std::ifstream in(std::string(KEDGE_SOURCE_DIR) + "/tests/memory/data/recall_sample.jsonl");
  for (std::string line; std::getline(in, line);) {
    const nlohmann::json row = nlohmann::json::parse(line);
    const std::string content = row["content"];
    std::vector<size_t> byte_of;  // by code point
    for (size_t i = 0; i < content.size(); ++i) {
      if ((static_cast<unsigned char>(content[i]) & 0xC0U) != 0x80U) byte_of.push_back(i);
    }
    byte_of.push_back(content.size());
    const size_t question = content.rfind("\n\nQuestion:");
    RecallRow r{content.substr(0, question), content.substr(question), {}, row["refs"]};
    for (const nlohmann::json& s : row["spans"]) {
      r.spans.push_back({byte_of[s["start"]], byte_of[s["end"]], s["key"], s["asked"]});
    }
    rows.push_back(std::move(r));
  }
  return rows;
}

}  // namespace kedge::memory
