// Reasoning and tool calls as the clients of each API read them.
#include <gtest/gtest.h>

#include "tests/tools/serve_wire.h"

namespace kedge::tools::serve {
namespace {

const Outcome kOutcome = {.usage = {.prompt = 9, .cached = 4, .generated = 12, .reasoning = 3},
                          .kedge = {{"model", "scout"}},
                          .queue_ms = 1,
                          .prefill_ms = 2,
                          .decode_ms = 3};

// An answer that thinks, says something and makes two calls.
void speak(Sink& sink, kedge_finish_reason reason = KEDGE_FINISH_STOP_TOKEN) {
  const std::vector<TokenInfo> token = {{.chosen = {.piece = "t", .token = 1, .logprob = -0.5}}};
  sink.started({.model = "scout", .created = 1700000000, .usage = kOutcome.usage});
  sink.reasoning(0, "Let ", token);
  sink.reasoning(0, "me see.", token);
  sink.text(0, "I look.", token);
  sink.call(0, {.index = 0, .id = "call_a", .name = "weather"}, token);
  sink.arguments(0, "{\"city\":", token);
  sink.arguments(0, "\"Oslo\"}", token);
  sink.call(0, {.index = 1, .id = "call_b", .name = "now"}, token);
  sink.arguments(0, "{}", token);
  sink.finished(0, {.reason = reason, .calls = 2});
  sink.done(kOutcome);
}

std::shared_ptr<KeptReply> answered(WireReader reader, std::string_view body,
                                    kedge_finish_reason reason = KEDGE_FINISH_STOP_TOKEN) {
  auto wire = read(reader, body);
  auto reply = std::make_shared<KeptReply>();
  EXPECT_TRUE(wire.ok()) << (wire.ok() ? "" : wire.error().message);
  if (wire.ok()) speak(*wire->sink(reply), reason);
  EXPECT_TRUE(reply->ended_);
  return reply;
}

TEST(OpenAiCalls, AWholeAnswer) {
  const char* const body = R"({"messages": [{"role": "user", "content": "x"}], "logprobs": true})";
  const Json answer = Json::parse(answered(read_openai_chat, body)->body_);
  const Json& choice = answer["choices"][size_t{0}];
  const Json& message = choice["message"];
  EXPECT_EQ(message["content"], "I look.");
  EXPECT_EQ(message["reasoning_content"], "Let me see.");
  EXPECT_EQ(message["tool_calls"], Json::parse(R"([
      {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}},
      {"id": "call_b", "type": "function", "function": {"name": "now", "arguments": "{}"}}])"));
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(*choice.pointee("/logprobs/content/7/logprob"), -0.5) << "every token has its own";
  EXPECT_EQ(*answer.pointee("/usage/completion_tokens_details/reasoning_tokens"), 3);
}

// A call may be cut off: nobody should make it.
TEST(OpenAiCalls, AnAnswerThatIsCutOffDoesNotCall) {
  const char* const body = R"({"messages": [{"role": "user", "content": "x"}]})";
  const Json answer = Json::parse(answered(read_openai_chat, body, KEDGE_FINISH_LENGTH)->body_);
  EXPECT_EQ(*answer.pointee("/choices/0/finish_reason"), "length");
}

TEST(OpenAiCalls, WithoutTextTheContentIsNull) {
  auto wire = read(read_openai_chat, R"({"messages": [{"role": "user", "content": "x"}]})");
  const auto reply = std::make_shared<KeptReply>();
  const auto sink = wire->sink(reply);
  sink->started({.model = "scout", .created = 1, .usage = {}});
  sink->call(0, {.index = 0, .id = "call_a", .name = "now"}, {});
  sink->finished(0, {.calls = 1});
  sink->done(kOutcome);
  EXPECT_TRUE(Json::parse(reply->body_).pointee("/choices/0/message/content")->is_null());
}

TEST(OpenAiCalls, AStreamSaysAllOfACallInItsFirstDelta) {
  const char* const body = R"({"messages": [{"role": "user", "content": "x"}], "stream": true, "logprobs": true})";
  std::string reasoning;
  std::string content;
  Json firsts = Json::array();
  std::vector<std::string> arguments(2);
  size_t tokens = 0;
  const auto all = events(answered(read_openai_chat, body)->body_);
  for (const Json& event : all) {
    const Json& choice = event["choices"][size_t{0}];
    const Json& delta = choice["delta"];
    reasoning += delta.value("reasoning_content", "");
    content += delta.value("content", "");
    if (const Json* logprobs = choice.pointee("/logprobs/content")) tokens += logprobs->size();
    if (!delta.contains("tool_calls")) continue;
    const Json& call = delta["tool_calls"][size_t{0}];
    if (call.contains("id")) firsts.push_back(call);
    arguments.at(call["index"].get<size_t>()) += call["function"].value("arguments", "");
  }
  EXPECT_EQ(reasoning, "Let me see.");
  EXPECT_EQ(content, "I look.");
  EXPECT_EQ(arguments, (std::vector<std::string>{"{\"city\":\"Oslo\"}", "{}"}));
  EXPECT_EQ(firsts, Json::parse(R"([
      {"index": 0, "id": "call_a", "type": "function", "function": {"name": "weather", "arguments": ""}},
      {"index": 1, "id": "call_b", "type": "function", "function": {"name": "now", "arguments": ""}}])"));
  EXPECT_EQ(tokens, 8u);
  EXPECT_EQ(*all.front().pointee("/choices/0/delta/role"), "assistant");
  EXPECT_EQ(*all.back().pointee("/choices/0/finish_reason"), "tool_calls");
}

TEST(AnthropicCalls, AWholeAnswerHasABlockOfEach) {
  const char* const body = R"({"max_tokens": 5, "messages": [{"role": "user", "content": "a"}]})";
  const Json answer = Json::parse(answered(read_anthropic, body)->body_);
  EXPECT_EQ(answer["content"], Json::parse(R"([{"type": "thinking", "thinking": "Let me see.", "signature": ""},
      {"type": "text", "text": "I look."},
      {"type": "tool_use", "id": "call_a", "name": "weather", "input": {"city": "Oslo"}},
      {"type": "tool_use", "id": "call_b", "name": "now", "input": {}}])"));
  EXPECT_EQ(answer["stop_reason"], "tool_use");
  EXPECT_EQ(Json::parse(answered(read_anthropic, body, KEDGE_FINISH_LENGTH)->body_)["stop_reason"], "max_tokens");
}

TEST(AnthropicCalls, AStreamOpensAndClosesEveryBlock) {
  const char* const body = R"({"max_tokens": 5, "stream": true, "messages": [{"role": "user", "content": "a"}]})";
  std::vector<std::string> said;
  std::string input;
  for (const Json& event : events(answered(read_anthropic, body)->body_)) {
    std::string line = event["type"].get<std::string>();
    if (event.contains("index")) line += " " + event["index"].dump();
    if (const Json* type = event.pointee("/content_block/type")) line += " " + type->get<std::string>();
    if (const Json* type = event.pointee("/delta/type")) line += " " + type->get<std::string>();
    if (line == "content_block_delta 2 input_json_delta") input += event["delta"]["partial_json"].get<std::string>();
    if (said.empty() || said.back() != line) said.push_back(line);
    if (line == "content_block_start 2 tool_use") {
      EXPECT_EQ(event["content_block"]["input"], Json::object());
    }
  }
  const std::vector<std::string> expected = {
      "message_start",
      "content_block_start 0 thinking",
      "content_block_delta 0 thinking_delta",
      "content_block_delta 0 signature_delta",
      "content_block_stop 0",
      "content_block_start 1 text",
      "content_block_delta 1 text_delta",
      "content_block_stop 1",
      "content_block_start 2 tool_use",
      "content_block_delta 2 input_json_delta",
      "content_block_stop 2",
      "content_block_start 3 tool_use",
      "content_block_delta 3 input_json_delta",
      "content_block_stop 3",
      "message_delta",
      "message_stop",
  };
  EXPECT_EQ(said, expected);
  EXPECT_EQ(input, "{\"city\":\"Oslo\"}");
}

TEST(ResponsesCalls, AnItemOfEach) {
  const Json answer = Json::parse(answered(read_openai_responses, R"({"input": "x"})")->body_);
  const Json& output = answer["output"];
  ASSERT_EQ(output.size(), 4u);
  EXPECT_EQ(*output.pointee("/0/content/0"), Json::parse(R"({"type": "reasoning_text", "text": "Let me see."})"));
  EXPECT_EQ(*output.pointee("/1/content/0/text"), "I look.");
  EXPECT_EQ(output[2]["type"], "function_call");
  EXPECT_EQ(output[2]["call_id"], "call_a");
  EXPECT_EQ(output[2]["arguments"], "{\"city\":\"Oslo\"}");
  EXPECT_EQ(output[3]["name"], "now");
  EXPECT_EQ(answer["status"], "completed");
  const Json cut = Json::parse(answered(read_openai_responses, R"({"input": "x"})", KEDGE_FINISH_LENGTH)->body_);
  EXPECT_EQ(cut["status"], "incomplete");
  EXPECT_EQ(cut["output"][size_t{2}]["status"], "completed");
  EXPECT_EQ(cut["output"][size_t{3}]["status"], "incomplete");
}

TEST(ResponsesCalls, EventsOfAllItems) {
  const auto all = events(answered(read_openai_responses, R"({"input": "x", "stream": true})")->body_);
  std::vector<std::string> said;
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i]["sequence_number"], i);
    std::string line = all[i]["type"].get<std::string>();
    line.erase(0, std::string("response.").size());
    if (all[i].contains("output_index")) line += " " + all[i]["output_index"].dump();
    if (said.empty() || said.back() != line) said.push_back(line);
  }
  const std::vector<std::string> expected = {
      "created",
      "in_progress",
      "output_item.added 0",
      "content_part.added 0",
      "reasoning_text.delta 0",
      "reasoning_text.done 0",
      "content_part.done 0",
      "output_item.done 0",
      "output_item.added 1",
      "content_part.added 1",
      "output_text.delta 1",
      "output_text.done 1",
      "content_part.done 1",
      "output_item.done 1",
      "output_item.added 2",
      "function_call_arguments.delta 2",
      "function_call_arguments.done 2",
      "output_item.done 2",
      "output_item.added 3",
      "function_call_arguments.delta 3",
      "function_call_arguments.done 3",
      "output_item.done 3",
      "completed",
  };
  EXPECT_EQ(said, expected);
  EXPECT_EQ(all.back()["response"]["output"].size(), 4u);
}

TEST(OllamaCalls, AreSaidWhole) {
  const std::string messages = R"("messages": [{"role": "user", "content": "a"}])";
  const Json calls = Json::parse(R"([
      {"id": "call_a", "function": {"index": 0, "name": "weather", "arguments": {"city": "Oslo"}}},
      {"id": "call_b", "function": {"index": 1, "name": "now", "arguments": {}}}])");
  const auto whole =
      Json::parse(answered(read_ollama_chat, R"({"model": "m", "stream": false, )" + messages + "}")->body_);
  EXPECT_EQ(whole["message"]["tool_calls"], calls);
  EXPECT_EQ(whole["message"]["thinking"], "Let me see.");
  EXPECT_EQ(whole["message"]["content"], "I look.");
  EXPECT_EQ(whole["done_reason"], "stop");
  Json streamed = Json::array();
  std::string thought;
  for (const Json& line : json_lines(answered(read_ollama_chat, R"({"model": "m", )" + messages + "}")->body_)) {
    thought += line["message"].value("thinking", "");
    if (line["message"].contains("tool_calls")) streamed.push_back(line["message"]["tool_calls"][size_t{0}]);
  }
  EXPECT_EQ(streamed, calls);
  EXPECT_EQ(thought, "Let me see.");
}

// Words in place of an answer that has to be JSON, say, do not stand where the JSON would.
TEST(Refusals, StandApartFromTheAnswer) {
  const auto refused = [](WireReader reader, const std::string& body) {
    auto wire = read(reader, body);
    EXPECT_TRUE(wire.ok()) << body;
    const auto reply = std::make_shared<KeptReply>();
    const auto sink = wire->sink(reply);
    sink->started({.model = "auto", .created = 1, .usage = {}});
    sink->refused(0, "no answer");
    sink->finished(0, {.refused = true});
    sink->done(kOutcome);
    return reply->body_;
  };
  const std::string messages = R"("messages": [{"role": "user", "content": "x"}])";
  const Json chat = Json::parse(refused(read_openai_chat, "{" + messages + "}"));
  EXPECT_EQ(*chat.pointee("/choices/0/message/refusal"), "no answer");
  EXPECT_TRUE(chat.pointee("/choices/0/message/content")->is_null());
  const auto chunks = events(refused(read_openai_chat, "{" + messages + R"(, "stream": true})"));
  EXPECT_EQ(*chunks[1].pointee("/choices/0/delta/refusal"), "no answer");
  const Json response = Json::parse(refused(read_openai_responses, R"({"input": "x"})"));
  EXPECT_EQ(*response.pointee("/output/0/content/0"), Json::parse(R"({"type": "refusal", "refusal": "no answer"})"));
  std::string said;
  for (const Json& e : events(refused(read_openai_responses, R"({"input": "x", "stream": true})"))) {
    if (e["type"] == "response.refusal.done") said = e["refusal"];
  }
  EXPECT_EQ(said, "no answer");
  const Json message = Json::parse(refused(read_anthropic, R"({"max_tokens": 5, )" + messages + "}"));
  EXPECT_EQ(message["stop_reason"], "refusal");
  EXPECT_EQ(*message.pointee("/content/0/text"), "no answer");
}

}  // namespace
}  // namespace kedge::tools::serve
