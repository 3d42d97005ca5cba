// The wire formats of `kedge serve`: requests become jobs or errors that name the member; what sinks write is what
// clients read. No network here: the reply keeps what it is given.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/base/json.h"
#include "tests/tools/serve_wire.h"
#include "tools/serve/wire/api.h"
#include "tools/serve/wire/error_shape.h"

namespace kedge::tools::serve {
namespace {

const Outcome kOutcome = {.usage = {.prompt = 9, .cached = 4, .generated = 2, .reasoning = 0},
                          .kedge = {{"model", "scout"}, {"seed", 7}},
                          .queue_ms = 1,
                          .prefill_ms = 2,
                          .decode_ms = 3};

// A whole answer of one choice.
void speak(Sink& sink) {
  sink.started({.model = "scout", .created = 1700000000, .usage = kOutcome.usage});
  sink.progress(5, 9);
  sink.text(0, "Hel", {});
  sink.text(0, "lo", {});
  sink.finished(0, {.reason = KEDGE_FINISH_STOP_TOKEN});
  sink.done(kOutcome);
}

std::shared_ptr<KeptReply> answered(WireReader reader, std::string_view body, std::string path = {}) {
  auto wire = read(reader, body, std::move(path));
  auto reply = std::make_shared<KeptReply>();
  EXPECT_TRUE(wire.ok()) << (wire.ok() ? "" : wire.error().message);
  if (wire.ok()) speak(*wire->sink(reply));
  EXPECT_TRUE(reply->ended_);
  return reply;
}

TEST(OpenAiChat, ReadsWhatClientsSend) {
  const auto wire = read(read_openai_chat, R"({"model": "fast", "messages": [
      {"role": "developer", "content": "Be brief."},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
      "temperature": 0.5, "top_p": 0.9, "max_completion_tokens": 12, "stop": "END", "seed": 18446744073709,
      "logit_bias": {"5": -100, "6": 1.5}, "logprobs": true, "top_logprobs": 3, "n": 2, "tool_choice": "auto",
      "tools": [], "response_format": {"type": "text"}, "user": "u1", "surprise": 1,
      "kedge": {"min_confidence": 0.7, "stream_mode": "optimistic"}})");
  ASSERT_TRUE(wire.ok()) << wire.error().message;
  const Job& job = wire->job;
  EXPECT_EQ(job.model, "fast");
  EXPECT_EQ(job.prompts.front().messages,
            Json::parse(R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a\nb"}])"));
  EXPECT_EQ(job.options.max_tokens, 12);
  EXPECT_EQ(job.options.stop, std::vector<std::string>{"END"});
  EXPECT_EQ(job.options.seed, 18446744073709u);
  EXPECT_TRUE(job.seeded);
  ASSERT_EQ(job.options.logit_bias.size(), 2u);
  EXPECT_TRUE(std::isinf(job.options.logit_bias[0].bias));
  EXPECT_EQ(job.options.logit_bias[1].bias, 1.5f);
  EXPECT_EQ(job.options.logprobs, 3);
  EXPECT_EQ(job.n, 2);
  EXPECT_EQ(job.user, "u1");
  EXPECT_EQ(job.ignored, std::vector<std::string>{"surprise"});
  EXPECT_EQ(job.kedge.min_confidence, 0.7);
  EXPECT_TRUE(job.kedge.optimistic);
}

TEST(OpenAiChat, NamesTheMemberThatIsWrong) {
  const auto wrong = [](const char* member, const char* body) {
    const auto wire = read(read_openai_chat, body);
    ASSERT_FALSE(wire.ok()) << body;
    EXPECT_EQ(wire.error().status, 400);
    EXPECT_EQ(wire.error().param, member) << wire.error().message;
  };
  wrong("messages", R"({})");
  wrong("messages", R"({"messages": []})");
  wrong("messages[0].role", R"({"messages": [{"role": "judge", "content": "x"}]})");
  wrong("messages[1].content", R"({"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": 5}]})");
  wrong("messages[0].content[1]", R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"},
      {"type": "image_url", "image_url": {"url": "data:,"}}]}]})");
  wrong("messages[0].tool_calls[0].function.arguments",
        R"({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]})");
  const std::string good = R"({"messages": [{"role": "user", "content": "x"}], )";
  wrong("temperature", (good + R"("temperature": "hot"})").c_str());
  wrong("temperature", (good + R"("temperature": -1})").c_str());
  wrong("n", (good + R"("n": 0})").c_str());
  wrong("n", (good + R"("n": 1000})").c_str());
  wrong("top_logprobs", (good + R"("logprobs": true, "top_logprobs": 101})").c_str());
  wrong("top_logprobs", (good + R"("top_logprobs": 2})").c_str());
  wrong("stop", (good + R"("stop": [""]})").c_str());
  wrong("logit_bias", (good + R"("logit_bias": {"x": 1}})").c_str());
  wrong("kedge.min_confidence", (good + R"("kedge": {"min_confidence": 2}})").c_str());
  wrong("kedge.surprise", (good + R"("kedge": {"surprise": 2}})").c_str());
  wrong("surprise", (good + R"("surprise": 1, "kedge": {"strict": true}})").c_str());
}

constexpr const char* kChat = R"({"messages": [{"role": "user", "content": "x"}]})";
constexpr const char* kChatStream =
    R"({"messages": [{"role": "user", "content": "x"}], "stream": true, "stream_options": {"include_usage": true}})";

TEST(OpenAiChat, AWholeAnswer) {
  const auto reply = answered(read_openai_chat, kChat);
  EXPECT_EQ(reply->status_, 200);
  const Json answer = Json::parse(reply->body_);
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer.at("choices").size(), 1u);
  EXPECT_EQ(*answer.pointee("/choices/0/message/content"), "Hello");
  EXPECT_EQ(*answer.pointee("/choices/0/finish_reason"), "stop");
  EXPECT_EQ(*answer.pointee("/usage/total_tokens"), 11);
  EXPECT_EQ(*answer.pointee("/usage/prompt_tokens_details/cached_tokens"), 4);
  EXPECT_EQ(*answer.pointee("/kedge/seed"), 7);
}

TEST(OpenAiChat, AStreamHasRoleTextEndAndUsageInThisOrder) {
  const auto reply = answered(read_openai_chat, kChatStream);
  const auto all = events(reply->body_);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(*all[0].pointee("/choices/0/delta/role"), "assistant");
  EXPECT_EQ(*all[1].pointee("/choices/0/delta/content"), "Hel");
  EXPECT_TRUE(all[1].pointee("/choices/0/finish_reason")->is_null());
  EXPECT_EQ(*all[3].pointee("/choices/0/finish_reason"), "stop");
  EXPECT_EQ(*all[3].pointee("/kedge/model"), "scout");
  EXPECT_EQ(all[4]["choices"].size(), 0u);
  EXPECT_EQ(*all[4].pointee("/usage/prompt_tokens"), 9);
  EXPECT_TRUE(reply->body_.ends_with("data: [DONE]\n\n"));
  EXPECT_NE(reply->body_.find(": prompt 5/9\n\n"), std::string::npos);
}

// A client that did not ask for usage sees no chunk without choices.
TEST(OpenAiChat, EveryChunkHasAChoiceUnlessUsageWasAskedFor) {
  const auto reply = answered(read_openai_chat, R"({"messages": [{"role": "user", "content": "x"}], "stream": true})");
  for (const Json& chunk : events(reply->body_)) {
    EXPECT_EQ(chunk["choices"].size(), 1u);
    EXPECT_FALSE(chunk.contains("usage"));
  }
}

TEST(OpenAiChat, AnErrorBeforeTheStreamHasItsStatusAndOneWithinItDoesNot) {
  auto wire = read(read_openai_chat, kChatStream);
  ASSERT_TRUE(wire.ok());
  auto early = std::make_shared<KeptReply>();
  wire->sink(early)->failed(bad_request("no", "messages"));
  EXPECT_EQ(early->status_, 400);
  EXPECT_EQ(*Json::parse(early->body_).pointee("/error/param"), "messages");
  auto late = std::make_shared<KeptReply>();
  const auto sink = wire->sink(late);
  sink->started({.model = "scout", .created = 0, .usage = {}});
  sink->failed({.status = 500, .code = "internal", .message = "boom"});
  EXPECT_EQ(late->status_, 200);
  EXPECT_TRUE(late->ended_);
  EXPECT_EQ(*events(late->body_).back().pointee("/error/message"), "boom");
}

TEST(OpenAiCompletion, TakesTextsAndTokensAndBoth) {
  const auto wire = read(read_openai_completion, R"({"prompt": ["a", [1, 2]], "n": 2, "logprobs": 2, "echo": true})");
  ASSERT_TRUE(wire.ok()) << wire.error().message;
  ASSERT_EQ(wire->job.prompts.size(), 2u);
  EXPECT_EQ(wire->job.prompts[0].text, "a");
  EXPECT_EQ(wire->job.prompts[1].tokens, (std::vector<int32_t>{1, 2}));
  EXPECT_TRUE(wire->job.echo);
  EXPECT_FALSE(read(read_openai_completion, R"({"prompt": [1, -2]})").ok());
  EXPECT_FALSE(read(read_openai_completion, R"({"prompt": ""})").ok());
  EXPECT_FALSE(read(read_openai_completion, R"({"prompt": "x", "suffix": "y"})").ok());
}

TEST(OpenAiCompletion, LogprobsAreOfTheOlderForm) {
  auto wire = read(read_openai_completion, R"({"prompt": "x", "logprobs": 1})");
  auto reply = std::make_shared<KeptReply>();
  const auto sink = wire->sink(reply);
  sink->started({.model = "scout", .created = 0, .usage = {}});
  const TokenInfo first{.chosen = {.piece = "ab", .token = 1, .logprob = std::nan("")}};
  const TokenInfo second{.chosen = {.piece = "c", .token = 2, .logprob = -1.5},
                         .top = {{.piece = "d", .token = 3, .logprob = -0.5}}};
  sink->text(0, "abc", std::vector<TokenInfo>{first, second});
  sink->finished(0, {.reason = KEDGE_FINISH_LENGTH});
  sink->done(kOutcome);
  const Json answer = Json::parse(reply->body_);
  const Json* logprobs = answer.pointee("/choices/0/logprobs");
  EXPECT_EQ((*logprobs)["tokens"], Json::parse(R"(["ab", "c"])"));
  EXPECT_EQ((*logprobs)["token_logprobs"], Json::parse("[null, -1.5]"));
  EXPECT_EQ((*logprobs)["top_logprobs"], Json::parse(R"([null, {"d": -0.5, "c": -1.5}])"));
  EXPECT_EQ((*logprobs)["text_offset"], Json::parse("[0, 2]"));
  EXPECT_EQ(*answer.pointee("/choices/0/finish_reason"), "length");
}

TEST(OpenAiResponses, RefusesWhatNeedsAStore) {
  EXPECT_TRUE(read(read_openai_responses, R"({"input": "x"})").ok());
  const auto wire = read(read_openai_responses, R"({"input": "x", "previous_response_id": "resp_1"})");
  ASSERT_FALSE(wire.ok());
  EXPECT_EQ(wire.error().param, "previous_response_id");
  EXPECT_FALSE(read(read_openai_responses, R"({"input": "x", "truncation": "auto"})").ok());
}

TEST(OpenAiResponses, EventsAreNumberedAndComplete) {
  const auto reply = answered(read_openai_responses, R"({"input": "x", "stream": true, "instructions": "Be brief."})");
  const auto all = events(reply->body_);
  std::vector<std::string> types;
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i]["sequence_number"], i);
    types.push_back(all[i]["type"].get<std::string>());
  }
  const std::vector<std::string> expected = {"response.created",           "response.in_progress",
                                             "response.output_item.added", "response.content_part.added",
                                             "response.output_text.delta", "response.output_text.delta",
                                             "response.output_text.done",  "response.content_part.done",
                                             "response.output_item.done",  "response.completed"};
  EXPECT_EQ(types, expected);
  const Json& last = all.back()["response"];
  EXPECT_EQ(*last.pointee("/output/0/content/0/text"), "Hello");
  EXPECT_EQ(*last.pointee("/usage/input_tokens"), 9);
  EXPECT_EQ(last["id"], all.front()["response"]["id"]);
}

TEST(Anthropic, ReadsBlocksAndNeedsMaxTokens) {
  const auto wire =
      read(read_anthropic, R"({"model": "fast", "max_tokens": 5, "system": [{"type": "text", "text": "S"}],
      "messages": [{"role": "user", "content": "a"},
      {"role": "assistant", "content": [{"type": "text", "text": "b"}, {"type": "tool_use", "id": "t1", "name": "f",
        "input": {"x": 1}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "r"},
        {"type": "text", "text": "c"}]}], "metadata": {"user_id": "u"}, "stop_sequences": ["E"]})");
  ASSERT_TRUE(wire.ok()) << wire.error().message;
  const Json& messages = wire->job.prompts.front().messages;
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0]["content"], "S");
  EXPECT_EQ(*messages.pointee("/2/tool_calls/0/function/arguments/x"), 1);
  EXPECT_EQ(messages[3]["role"], "tool");
  EXPECT_EQ(messages[4]["content"], "c");
  EXPECT_EQ(wire->job.user, "u");
  const auto missing = read(read_anthropic, R"({"messages": [{"role": "user", "content": "a"}]})", "/v1/messages");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().param, "max_tokens");
  const auto image = read(read_anthropic, R"({"max_tokens": 5, "messages": [{"role": "user", "content": [
      {"type": "image", "source": {}}]}]})");
  ASSERT_FALSE(image.ok());
  EXPECT_EQ(image.error().param, "messages[0].content[0]");
}

TEST(Anthropic, AStreamHasItsEventsAndCountsCachedTokensApart) {
  const auto reply =
      answered(read_anthropic, R"({"max_tokens": 5, "stream": true, "messages": [{"role": "user", "content": "a"}]})");
  const auto all = events(reply->body_);
  std::vector<std::string> types;
  for (const Json& e : all) types.push_back(e["type"].get<std::string>());
  const std::vector<std::string> expected = {"message_start",       "content_block_start", "content_block_delta",
                                             "content_block_delta", "content_block_stop",  "message_delta",
                                             "message_stop"};
  EXPECT_EQ(types, expected);
  EXPECT_EQ(*all.front().pointee("/message/content"), Json::array());
  EXPECT_EQ(*all.front().pointee("/message/usage/input_tokens"), 5);
  EXPECT_EQ(*all[5].pointee("/delta/stop_reason"), "end_turn");
  EXPECT_NE(reply->body_.find("event: message_start\n"), std::string::npos);
}

TEST(Ollama, StreamsUnlessToldNotToAndEndsWithDone) {
  const auto reply =
      answered(read_ollama_chat, R"({"model": "fast:latest", "messages": [{"role": "user", "content": "a"}]})");
  std::vector<Json> lines;
  size_t at = 0;
  for (size_t end = 0; (end = reply->body_.find('\n', at)) != std::string::npos; at = end + 1) {
    lines.push_back(Json::parse(reply->body_.substr(at, end - at)));
  }
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(*lines[0].pointee("/message/content"), "Hel");
  EXPECT_EQ(lines[0]["done"], false);
  EXPECT_EQ(lines[2]["done"], true);
  EXPECT_EQ(lines[2]["done_reason"], "stop");
  EXPECT_EQ(lines[2]["eval_count"], 2);
  EXPECT_EQ(lines[2]["model"], "fast");
  const auto whole = answered(read_ollama_generate, R"({"model": "fast", "prompt": "a", "stream": false})");
  EXPECT_EQ(Json::parse(whole->body_)["response"], "Hello");
  EXPECT_FALSE(read(read_ollama_chat, R"({"model": "fast", "messages": [{"role": "user", "content": "a",
      "images": ["AAAA"]}]})")
                   .ok());
}

// What is said as a whole: white space while it is made, and errors in the body from then on.
TEST(ServeWire, WholeAnswersAreKeptAlive) {
  const std::string messages = R"("messages":[{"role":"user","content":"hi"}])";
  const std::pair<WireReader, std::string> whole[] = {
      {read_openai_chat, "{" + messages + "}"},
      {read_openai_completion, R"({"prompt":"hi"})"},
      {read_openai_responses, R"({"input":"hi"})"},
      {read_anthropic, R"({"max_tokens":4,)" + messages + "}"},
      {read_ollama_chat, R"({"model":"fast","stream":false,)" + messages + "}"}};
  for (const auto& [reader, body] : whole) {
    for (const int pings : {0, 2}) {
      for (const bool fails : {false, true}) {
        const auto reply = std::make_shared<KeptReply>();
        auto wire = read(reader, body);
        ASSERT_TRUE(wire.ok()) << body;
        const auto sink = wire->sink(reply);
        EXPECT_TRUE(sink->is_whole()) << body;
        sink->started({.model = "fast", .created = 1, .usage = {}});
        for (int i = 0; i < pings; ++i) EXPECT_TRUE(sink->ping());
        if (fails) {
          sink->failed({.status = 504, .code = "deadline_exceeded", .message = "too late"});
        } else {
          sink->text(0, "ho", {});
          sink->finished(0, {});
          sink->done({.usage = {}, .kedge = {{"model", "fast"}}});
        }
        EXPECT_TRUE(reply->ended_) << body;
        EXPECT_EQ(reply->status_, fails && pings == 0 ? 504 : 200) << body;
        EXPECT_TRUE(reply->body_.starts_with(std::string(static_cast<size_t>(pings), '\n') + "{")) << reply->body_;
        const Json said = Json::parse(reply->body_);
        EXPECT_EQ(said.contains("error") && !said["error"].is_null(), fails) << reply->body_;
        const bool named =
            std::ranges::any_of(reply->headers_, [](const auto& h) { return h.first == "x-kedge-model"; });
        EXPECT_EQ(named, !fails && pings == 0) << body;
      }
    }
  }
}

}  // namespace
}  // namespace kedge::tools::serve
