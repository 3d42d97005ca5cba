#include "tools/eval/route_asked.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "tools/reword.h"

namespace kedge::tools {

namespace {

constexpr size_t kOneOf = 3;  // rows reworded for a fit

RouteRow asked_row(const Json& json, size_t number) {
  RouteRow row;
  row.task = "asked";
  row.id = json.value("id", "asked-" + std::to_string(number));
  row.kind = json.value("kind", "");
  row.request = {{"question", json.at("question")}};
  const Json& right = json.contains("right") ? json["right"] : json.at("answer");
  if (!right.is_null()) row.pattern = right.get<std::string>();
  return row;
}

void count(Json& figures, const RouteRun& run) {
  const auto add = [&](const char* key, bool yes) {
    Json& n = figures[key];
    n = (n.is_null() ? 0 : n.get<size_t>()) + (yes ? 1 : 0);
  };
  const bool given = is_given(run);
  add("n", true);
  add("given", given);
  add("wrong", given && !is_given_right(run));
  add("not_found", run.answer["outcome"] == "not_found");
  add("deterministic", given && run.answer.value("source", "") == "deterministic");
}

void add_shares(Json& figures) {
  const auto given = figures["given"].get<size_t>();
  const auto wrong = figures["wrong"].get<size_t>();
  figures["wrong_share"] = given == 0 ? Json() : Json(static_cast<double>(wrong) / static_cast<double>(given));
  figures["wrong_interval"] = Json();
  if (given > 0) figures["wrong_interval"] = {wilson(wrong, given).first, wilson(wrong, given).second};
}

Json& last_text(RouteRow& row) {
  return row.request.contains("question") ? row.request["question"] : row.request["messages"].back()["content"];
}

}  // namespace

std::vector<RouteRow> read_asked(const std::string& file) {
  std::vector<RouteRow> rows;
  for (const Json& json : read_json_lines(file)) {
    try {
      rows.push_back(asked_row(json, rows.size()));
    } catch (const JsonError& e) {
      throw Failure(file + ":" + std::to_string(rows.size() + 1) + ": " + e.what());
    }
  }
  if (rows.empty()) throw Failure(file + ": has no questions");
  return rows;
}

std::vector<RouteRow> read_asked_of(const std::string& folder) {
  const auto file = std::filesystem::path(folder) / "asked.jsonl";
  return std::filesystem::exists(file) ? read_asked(file.string()) : std::vector<RouteRow>();
}

std::vector<RouteRow> reworded_rows(const std::vector<RouteRow>& rows, std::string_view kind) {
  std::vector<RouteRow> out;
  for (RouteRow row : rows) {
    Json& asked = last_text(row);
    const std::string text = asked;
    if (text.find("<|doc|>") != std::string::npos) continue;  // passages and all: not as people type
    std::string other = reworded(text, kind);
    if (other == text) continue;
    asked = std::move(other);
    row.id += "~" + std::string(kind);
    row.kind = row.task;
    row.reworded = true;
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<RouteRow> reworded_for_fit(const std::vector<RouteRow>& rows) {
  const auto kinds = fit_rewordings();
  std::vector<std::vector<RouteRow>> by_kind(kinds.size());
  for (const RouteRow& row : rows) {
    uint64_t h = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : row.id) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    if ((h >> 20) % kOneOf == 0) by_kind[(h >> 33) % kinds.size()].push_back(row);
  }
  std::vector<RouteRow> out;
  for (size_t i = 0; i < kinds.size(); ++i) {
    for (RouteRow& row : reworded_rows(by_kind[i], kinds[i])) {
      row.request["max_tokens"] = 128;  // what runs on is wrong by then, and takes its time
      out.push_back(std::move(row));
    }
  }
  return out;
}

bool is_given(const RouteRun& run) {
  return run.answer["outcome"] == "answered" || run.answer["outcome"] == "not_found";
}

bool is_given_right(const RouteRun& run) {
  if (run.row->task == "asked" && run.answer["outcome"] == "not_found") return run.row->pattern.empty();
  return run.right;
}

Json asked_figures(const std::vector<RouteRun>& runs) {
  Json all = Json::object();
  Json kinds = Json::object();
  for (const RouteRun& run : runs) {
    count(all, run);
    if (!run.row->kind.empty()) count(kinds[run.row->kind], run);
  }
  add_shares(all);
  for (auto& [name, figures] : kinds.items()) add_shares(figures);
  all["kinds"] = std::move(kinds);
  return all;
}

std::pair<double, double> wilson(size_t k, size_t n) {
  constexpr double z = 1.959963984540054;
  const auto size = static_cast<double>(n);
  const double p = static_cast<double>(k) / size;
  const double middle = (p + z * z / (2 * size)) / (1 + z * z / size);
  const double half = z / (1 + z * z / size) * std::sqrt(p * (1 - p) / size + z * z / (4 * size * size));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

}  // namespace kedge::tools
