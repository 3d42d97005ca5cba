// Requests as they come in: contents in parts, numbers in their ranges, nothing unknown.
#include "router/ask_request.h"

#include <gtest/gtest.h>

namespace kedge::router {
namespace {

std::string problem(const std::string& request) {
  const auto parsed = parse_ask_request(request);
  return parsed.ok() ? "" : parsed.error().message;
}

TEST(AskRequest, ContentsMayComeInParts) {
  const auto request = parse_ask_request(
      R"({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [
          {"type": "text", "text": "What is "}, {"type": "text", "text": "12 * 12?"}]}]})");
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_EQ(request->messages[0].content, "Be brief.");
  EXPECT_EQ(request->messages[1].content, "What is 12 * 12?");
}

TEST(AskRequest, PartsThatAreNoTextAreRefusedByTheirPlace) {
  const auto with = [](const std::string& part) {
    return problem(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, )" + part + "]}]}");
  };
  EXPECT_NE(with(R"({"type": "image_url", "image_url": {"url": "x"}})")
                .find("request.messages[0].content[1].type is 'image_url'; the models read parts of type text only"),
            std::string::npos);
  EXPECT_NE(with(R"({"text": "b"})").find("content[1].type is ''"), std::string::npos);
  EXPECT_NE(with(R"({"type": "text"})").find("content[1].text is missing"), std::string::npos);
  EXPECT_NE(with(R"({"type": "text", "text": 5})").find("content[1].text is not a string: 5"), std::string::npos);
  EXPECT_NE(with(R"("b")").find("content[1] is not a JSON object"), std::string::npos);
}

TEST(AskRequest, KeyAndStream) {
  const auto request = parse_ask_request(R"({"question": "x", "key": "team-a", "stream": true})");
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_EQ(request->key, "team-a");
  EXPECT_TRUE(request->stream);
  EXPECT_FALSE(parse_ask_request(R"({"question": "x"})")->stream);
  EXPECT_NE(problem(R"({"question": "x", "stream": true, "compare": true})").find("request.stream and compare"),
            std::string::npos);
}

TEST(AskRequest, NumbersHaveTheirRanges) {
  const auto with = [](const std::string& member) { return problem(R"({"question": "x", )" + member + "}"); };
  EXPECT_EQ(with(R"("seed": 9007199254740992)"), "");
  EXPECT_EQ(with(R"("max_tokens": 16)"), "");
  for (const char* member : {R"("seed": -1)", R"("seed": 9007199254740993)", R"("seed": 18446744073709551615)",
                             R"("max_tokens": 4294967297)", R"("max_tokens": 1.5)", R"("max_attempts": 0)",
                             R"("temperature": -1)", R"("temperature": "1")", R"("min_confidence": 1.5)"}) {
    EXPECT_NE(with(member).find(", must be a "), std::string::npos) << member << ": " << with(member);
  }
  EXPECT_NE(with(R"("temperature": 1e999)").find("beyond what a double holds"), std::string::npos);
}

TEST(AskRequest, ToolsAndWhatAnswersObey) {
  const auto request = parse_ask_request(R"({"messages": [{"role": "user", "content": "What is 2 + 2?"},
      {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function",
        "function": {"name": "add", "arguments": {"a": 2, "b": 2}}}]},
      {"role": "tool", "content": "4", "tool_call_id": "c1"}],
      "tools": [{"type": "function", "function": {"name": "add"}}], "tool_choice": "required",
      "parallel_tool_calls": false, "constraint": {"regex": "a+"}})");
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_EQ(request->question(), "What is 2 + 2?") << "what a tool says is no question";
  EXPECT_EQ(*parse_json(request->messages[1].extra_json, "extra")->pointee("/tool_calls/0/function/arguments/a"), 2);
  EXPECT_EQ((*parse_json(request->messages[2].extra_json, "extra"))["tool_call_id"], "c1");
  EXPECT_EQ(request->tool_choice, "required");
  EXPECT_FALSE(request->parallel_calls);
  EXPECT_EQ(request->constraint, Json::parse(R"({"regex": "a+"})"));
  const auto with = [](const std::string& member) { return problem(R"({"question": "x", )" + member + "}"); };
  EXPECT_NE(with(R"("tools": [{"name": "add"}])").find("request.tools has an element 0"), std::string::npos);
  EXPECT_NE(with(R"("tool_choice": "perhaps")").find("request.tool_choice is none of"), std::string::npos);
  EXPECT_NE(with(R"("constraint": "a+")").find("request.constraint is not an object"), std::string::npos);
  EXPECT_NE(with(R"("tools": [{"function": {"name": "f"}}], "evidence": [{"id": "a", "text": "b"}])").find("passages"),
            std::string::npos);
}

}  // namespace
}  // namespace kedge::router
