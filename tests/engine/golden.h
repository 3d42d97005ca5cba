// Reads the golden models: prompts, logits and tolerances (format: tests/data/golden/*/golden.json).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/session.h"

namespace kedge::engine::testing_golden {

inline std::string data_path(const std::string& relative) { return std::string(KEDGE_TEST_DATA) + "/" + relative; }

// The folders of golden models below `root`; `with` names a member their description must have, `file` a file.
inline std::vector<std::string> golden_folders(const std::string& with = "prompts",
                                               const std::string& file = "model.gguf",
                                               const std::string& root = "golden") {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(data_path(root))) {
    std::ifstream in(entry.path() / "golden.json");
    if (!file.empty() && !std::filesystem::exists(entry.path() / file)) continue;
    if (in.good() && nlohmann::json::parse(in).contains(with)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline nlohmann::json read_json(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path;
  return nlohmann::json::parse(in);
}

inline std::vector<float> read_floats(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  EXPECT_TRUE(in.good()) << path;
  std::vector<float> v(static_cast<size_t>(in.tellg()) / sizeof(float));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(float)));
  return v;
}

inline std::shared_ptr<const Model> load(const std::string& path) {
  auto model = Model::load(path);
  EXPECT_TRUE(model.ok()) << model.error().message;
  return model.ok() ? *model : nullptr;
}

// Logits of all tokens, row after row.
inline std::vector<float> all_logits(const std::shared_ptr<const Model>& model, const std::vector<int32_t>& tokens,
                                     const SessionOptions& options) {
  auto session = Session::create(model, options);
  EXPECT_TRUE(session.ok()) << session.error().message;
  std::vector<float> rows;
  const Status s = (*session)->eval_all(tokens, [&](int, std::span<const float> row) -> Status {
    rows.insert(rows.end(), row.begin(), row.end());
    return {};
  });
  EXPECT_TRUE(s.ok()) << (s.ok() ? "" : s.error().message);
  return rows;
}

// The rows of `logits` (all positions) the golden file has: its last `n` rows.
inline std::span<const float> last_rows(const std::vector<float>& logits, size_t n_values) {
  return std::span(logits).last(n_values);
}

}  // namespace kedge::engine::testing_golden
