#include "tools/eval/route_rows.h"

#include <filesystem>
#include <fstream>

#include "kedge/kedge_router.hpp"

namespace kedge::tools {

namespace {

constexpr std::string_view kRef = "<|ref|>";
constexpr const char* kNotFound = "not found in the sources";

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \n\t");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \n\t") - begin + 1);
}

RouteRow read_row(const Json& json, const std::string& task) {
  RouteRow row;
  row.id = json.at("id");
  row.task = task;
  row.answer = json.at("answer");
  row.value = row.answer.substr(0, row.answer.find(kRef));
  if (task == "facts") row.doc = json.value("doc", "");
  if (task == "openbook") {
    row.sourced = true;
    row.value = json.at("value").is_null() ? kNotFound : json.at("value").get<std::string>();
    Json evidence = Json::array();
    for (const Json& p : json.at("passages")) evidence.push_back({{"id", p.at("id")}, {"text", p.at("text")}});
    row.request = {{"question", json.at("question")}, {"evidence", std::move(evidence)}};
    return row;
  }
  Json messages = Json::array();
  for (const Json& m : json.at("messages")) messages.push_back({{"role", m.at("role")}, {"content", m.at("content")}});
  row.request = {{"messages", std::move(messages)}};
  if (task == "verifier") row.request["allow_special"] = true;  // its passages stand in the message
  return row;
}

// Whether the pattern is found in the text, without regard to case.
bool stands_in(const std::string& pattern, const Json& text) {
  const Json request = {{"question", ""}, {"answer", text}, {"pattern", "(?is).*(?:" + pattern + ").*"}};
  return Json::parse(need(kedge::call(kedge_check_answer, request.dump())))["verdict"] == "pass";
}

}  // namespace

std::vector<Json> read_json_lines(const std::string& file) {
  std::ifstream in(file);
  std::vector<Json> rows;
  size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    auto row = parse_json(line, "a line");
    if (!row.ok() || !row->is_object()) throw Failure(file + ":" + std::to_string(number) + ": not a JSON object");
    rows.push_back(*std::move(row));
  }
  return rows;
}

std::string normalised_answer(std::string text) {
  for (size_t at = text.find(kRef); at != std::string::npos; at = text.find(kRef, at + kRef.size())) {
    while (at > 0 && text[at - 1] == ' ') text.erase(--at, 1);
    while (at + kRef.size() < text.size() && text[at + kRef.size()] == ' ') text.erase(at + kRef.size(), 1);
  }
  return trimmed(text);
}

bool RouteRow::is_right(const Json& answer_text) const {
  if (!answer_text.is_string()) return false;
  if (task == "asked") return !pattern.empty() && stands_in(pattern, answer_text);
  const std::string given = normalised_answer(answer_text.get<std::string>());
  // A fact answered from a passage comes with its source, which the data does not have.
  if (sourced || answer.find(kRef) == std::string::npos) return trimmed(given.substr(0, given.find(kRef))) == value;
  return given == answer;
}

std::vector<RouteRow> read_route_rows(const std::string& folder, int limit) {
  std::vector<RouteRow> rows;
  for (const std::string& task : kRouteTasks) {
    const std::filesystem::path file = std::filesystem::path(folder) / (task + ".jsonl");
    if (!std::filesystem::exists(file)) continue;
    const std::vector<Json> lines = read_json_lines(file.string());
    const size_t n = limit < 0 ? lines.size() : std::min(lines.size(), static_cast<size_t>(limit));
    for (size_t i = 0; i < n; ++i) {
      const size_t at = i * lines.size() / n;
      try {
        rows.push_back(read_row(lines[at], task));
      } catch (const JsonError& e) {
        throw Failure(file.string() + ":" + std::to_string(at + 1) + ": " + e.what());
      }
    }
  }
  if (rows.empty()) throw Failure(folder + ": has none of facts, arithmetic, openbook, chat, verifier (.jsonl)");
  return rows;
}

}  // namespace kedge::tools
