// Answers under a constraint and with tools, through the router: what is enforced, what is checked, what is recorded.
#include "router/answer_form.h"

#include <algorithm>

#include "tests/router/router_harness.h"
#include "tests/router/template_model.h"

namespace kedge::router {
namespace {

const Json kWeather = Json::parse(R"({"type": "object", "properties": {"city": {"enum": ["Oslo", "Bergen"]},
    "days": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["city", "days"],
    "additionalProperties": false})");
const Json kTools =
    Json::array({{{"type", "function"}, {"function", {{"name", "get_weather"}, {"parameters", kWeather}}}}});

void expect_weather(const Json& value) {
  EXPECT_TRUE(value["city"] == "Oslo" || value["city"] == "Bergen") << value;
  EXPECT_GE(value["days"].get<int>(), 1) << value;
  EXPECT_LE(value["days"].get<int>(), 9) << value;
  EXPECT_EQ(value.size(), 2u) << value;
}

class AnswerForms : public RouterFixture {
 protected:
  // Both models with a template that has tools.
  std::unique_ptr<Router> calling(const Json& changes = Json::object()) {
    write_with_template(kScout, folder_ + "/scout.gguf", kCallingTemplate);
    write_with_template(kSage, folder_ + "/sage.gguf", kCallingTemplate);
    Json pool = {
        {"models", {{"scout", {{"path", folder_ + "/scout.gguf"}}}, {"sage", {{"path", folder_ + "/sage.gguf"}}}}},
        {"audit", folder_ + "/audit.db"}};
    pool.merge_patch(changes);
    return open(pool);
  }
  const Json question_ = {{"question", "How will the weather be?"}, {"max_tokens", 100}, {"abstain", false}};
  Json with(Json members) const {
    Json request = question_;
    request.update(members);
    return request;
  }
};

TEST_F(AnswerForms, AnAnswerIsWrittenUnderItsSchema) {
  const auto router = open({{"audit", folder_ + "/audit.db"}});
  for (const double temperature : {0.0, 1.0}) {
    const Json answer = ask(*router, with({{"model", "fast"}, {"schema", kWeather}, {"temperature", temperature}}));
    ASSERT_TRUE(answer["answer"].is_string()) << answer;
    expect_weather(*parse_json(answer["answer"].get<std::string>(), "the answer"));
  }
  const auto replayed = router->replay("last");
  ASSERT_TRUE(replayed.ok()) << replayed.error().message;
  EXPECT_EQ((*replayed)["same"], true) << *replayed;
}

TEST_F(AnswerForms, AConstraintIsKeptTo) {
  const auto router = open();
  const Json answer = ask(*router, with({{"model", "fast"}, {"constraint", {{"regex", "[0-9]{4}"}}}}));
  const std::string text = answer["answer"];
  EXPECT_EQ(text.size(), 4u) << text;
  EXPECT_EQ(text.find_first_not_of("0123456789"), std::string::npos) << text;
  expect_refused(try_ask(*router, with({{"model", "fast"}, {"constraint", {{"regex", "("}}}})),
                 ErrorCode::kInvalidArgument, {});
}

TEST_F(AnswerForms, ToolsNeedATemplateThatHasThem) {
  const auto router = open();
  expect_refused(try_ask(*router, with({{"tools", kTools}})), ErrorCode::kUnsupported, {"tools", "template"});
}

TEST_F(AnswerForms, CallsObeyTheirSchemaAndReplay) {
  const auto router = calling();
  const Json answer = ask(*router, with({{"tools", kTools}, {"tool_choice", "required"}}));
  EXPECT_EQ(answer["outcome"], "answered") << answer;
  EXPECT_EQ(answer["task"], "tools");
  ASSERT_GE(answer["calls"].size(), 1u);
  for (const Json& call : answer["calls"]) {
    EXPECT_EQ(call["name"], "get_weather");
    expect_weather(*parse_json(call["arguments"].get<std::string>(), "the arguments"));
  }
  const Json& attempt = answer["attempts"].back();
  const auto passed = [](const Json& c) { return c["name"] == "tool_call" && c["verdict"] == "pass"; };
  EXPECT_TRUE(std::ranges::any_of(attempt["checks"], passed)) << attempt["checks"];
  // The weights never saw a call: the fast model is not sure of its tokens, and the deep one is asked.
  EXPECT_EQ(purposes(answer), (Texts{"fast generate", "deep escalate"}));
  EXPECT_EQ(answer["attempts"][size_t{0}]["action"], "escalate");
  const auto replayed = router->replay("last");
  ASSERT_TRUE(replayed.ok()) << replayed.error().message;
  EXPECT_EQ((*replayed)["same"], true) << *replayed;
  EXPECT_EQ((*replayed)["replayed"], 2);
}

TEST_F(AnswerForms, AConversationGoesOnFromACall) {
  const auto router = calling();
  const Json call = {{"id", "c1"},
                     {"type", "function"},
                     {"function", {{"name", "get_weather"}, {"arguments", {{"city", "Oslo"}, {"days", 2}}}}}};
  const Json messages = Json::array({{{"role", "user"}, {"content", "How will the weather be?"}},
                                     {{"role", "assistant"}, {"content", ""}, {"tool_calls", Json::array({call})}},
                                     {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "rain"}}});
  const Json answer =
      ask(*router, {{"messages", messages}, {"tools", kTools}, {"tool_choice", "none"}, {"max_tokens", 8}});
  EXPECT_EQ(answer["calls"], Json::array());
  EXPECT_EQ(answer["outcome"], "answered") << answer;
}

}  // namespace
}  // namespace kedge::router
