// The C functions of retrieval: requests that are wrong, and one that is right.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "include/kedge/kedge_router.hpp"
#include "kernels/base/json.h"

namespace kedge::router {
namespace {

const std::string kModel = std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf";
const std::string kHarbour = std::string(KEDGE_TEST_DATA) + "/documents/harbour.txt";

std::string index_path() { return ::testing::TempDir() + "/kedge-retrieval-c-" + std::to_string(::getpid()) + ".kidx"; }

void expect_error(const kedge::Result<std::string>& result, kedge_status code, const std::vector<std::string>& words) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, code) << result.error().message;
  for (const std::string& word : words) {
    EXPECT_NE(result.error().message.find(word), std::string::npos) << word << " not in " << result.error().message;
  }
}

TEST(RetrievalCApi, BuildsSearchesDescribes) {
  const std::string path = index_path();
  const Json request = {{"paths", {kHarbour}}, {"out", path}, {"model", kModel}};
  size_t calls = 0;
  const auto built = kedge::index_build(request.dump(), [&](size_t, size_t) { return ++calls > 0; });
  ASSERT_TRUE(built.ok()) << built.error().message;
  EXPECT_GT(calls, 0u);
  const Json report = *parse_json(*built, "answer");
  EXPECT_EQ(report.at("passages"), 1);
  EXPECT_EQ(report.at("normalised"), true);

  Json query = {{"index", path}, {"query", "Gannet"}, {"k", 3}, {"model", kModel}};
  const auto found = kedge::call(kedge_index_search, query.dump());
  ASSERT_TRUE(found.ok()) << found.error().message;
  const Json answer = *parse_json(*found, "answer");
  ASSERT_EQ(answer.at("hits").size(), 1u);
  EXPECT_EQ(answer.at("hits")[0].at("id"), "harbour-1");
  EXPECT_TRUE(answer.at("hits")[0].at("metadata").is_null());
  EXPECT_EQ(answer.at("sha256"), report.at("sha256"));

  query.erase("model");
  expect_error(kedge::call(kedge_index_search, query.dump()), KEDGE_INVALID_ARGUMENT, {"model", "bm25"});
  query["by"] = "bm25";
  EXPECT_TRUE(kedge::call(kedge_index_search, query.dump()).ok());

  const auto info = kedge::call(kedge_index_info, Json{{"index", path}}.dump());
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(parse_json(*info, "answer")->at("formats"), (Json{{"text", 1}}));

  expect_error(kedge::index_build(request.dump(), [](size_t, size_t) { return false; }), KEDGE_CANCELLED, {path});
  EXPECT_TRUE(kedge::call(kedge_index_info, Json{{"index", path}}.dump()).ok()) << "the old index is still there";
  std::filesystem::remove(path);
}

TEST(RetrievalCApi, WrongRequestsNameTheMember) {
  const auto build = [](const Json& request) { return kedge::index_build(request.dump()); };
  const auto search = [](const Json& request) { return kedge::call(kedge_index_search, request.dump()); };
  const kedge_status bad = KEDGE_INVALID_ARGUMENT;
  expect_error(kedge::index_build("{"), bad, {"JSON"});
  expect_error(build(Json::array()), bad, {"kedge_index_build", "object"});
  expect_error(build({{"pahts", 1}}), bad, {"unknown member 'pahts'", "paths"});
  expect_error(build({{"paths", "x"}, {"out", "y"}, {"model", "z"}}), bad, {"request.paths", "list of strings"});
  expect_error(build({{"paths", {"x"}}, {"model", "z"}}), bad, {"request.out", "missing"});
  expect_error(build({{"paths", {"x"}}, {"out", "y"}}), bad, {"request.model", "missing"});
  expect_error(build({{"paths", {"x"}}, {"out", "y"}, {"model", "z"}, {"passage_words", 0}}), bad,
               {"request.passage_words is 0", "10000"});
  expect_error(build({{"paths", {"x"}}, {"out", "y"}, {"model", "z"}, {"skip_bad", 1}}), bad,
               {"request.skip_bad", "true or false: 1"});
  expect_error(search({{"index", "x"}, {"query", "q"}, {"k", 1.5}}), bad, {"request.k", "1.5", "1000"});
  expect_error(search({{"index", "x"}, {"query", "q"}, {"k", 1e10}}), bad, {"request.k"});
  expect_error(search({{"index", "x"}, {"query", "q"}, {"by", "luck"}}), bad, {"request.by", "'luck'"});
  expect_error(search({{"index", "/nonexistent/i.kidx"}, {"query", "q"}, {"by", "bm25"}}), KEDGE_NOT_FOUND,
               {"/nonexistent/i.kidx"});
  expect_error(search({{"index", kHarbour}, {"query", "q"}, {"by", "bm25"}}), KEDGE_CORRUPT, {"not a Kedge index"});
}

}  // namespace
}  // namespace kedge::router
