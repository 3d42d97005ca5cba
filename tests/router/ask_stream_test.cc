// The text of attempts while they are written, and a question that is given up meanwhile.
#include <map>
#include <random>
#include <thread>

#include "router/answer_stream.h"
#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

class AskStream : public RouterFixture {
 protected:
  struct Heard {
    Json answer;
    std::map<size_t, std::string> texts;  // by attempt
    std::map<size_t, std::string> models;
    size_t n_texts = 0;
    std::vector<std::string> states;
  };
  static Heard hear(Router& router, const Json& request) {
    Heard heard;
    auto answer = try_ask(router, request, {.on_event = [&](const Json& e) {
                            if (e["state"] != "text") return heard.states.push_back(e["state"]);
                            ++heard.n_texts;
                            EXPECT_NE(e["text"], "");
                            heard.texts[e["attempt"]] += e["text"].get<std::string>();
                            heard.models[e["attempt"]] =
                                e["model"].get<std::string>() + " " + e["alias"].get<std::string>();
                          }});
    EXPECT_TRUE(answer.ok()) << answer.error().message;
    if (answer.ok()) heard.answer = *std::move(answer);
    return heard;
  }
  static std::string bits(const Json& answer) {
    std::string all = answer["answer"].dump();
    for (const Json& a : answer["attempts"]) all += a["logits_hash"].get<std::string>() + a["features"].dump();
    return all;
  }
};

TEST_F(AskStream, EveryAttemptIsHeardByItself) {
  say(kScout, {.p = 0.4, .tau = 0.9, .p_deep = 0.8});
  say(kSage, {.p = 0.97, .tau = 0.9});
  const auto router = open({{"policy", {{"abort_after", 0}}}});
  const Heard heard = hear(*router, {{"question", kFact}, {"stream", true}});
  ASSERT_EQ(purposes(heard.answer), (Texts{"fast generate", "deep escalate"}));
  ASSERT_EQ(heard.texts.size(), 2u);
  EXPECT_EQ(heard.models.at(0), "scout fast");
  EXPECT_EQ(heard.models.at(1), "sage deep");
  EXPECT_EQ(heard.texts.at(1), heard.answer["answer"]);
  const Json weak = ask(*router, {{"question", kFact}, {"model", "fast"}, {"abstain", false}});
  EXPECT_EQ(heard.texts.at(0), weak["answer"]);

  const Heard plain = hear(*router, {{"question", kFact}});
  EXPECT_EQ(plain.n_texts, 0u) << "only where it was asked for";
  EXPECT_EQ(plain.states, heard.states);
  EXPECT_EQ(bits(plain.answer), bits(heard.answer));
}

// What takes time is told where that was asked for, is no step of the path, and changes no bit.
TEST_F(AskStream, ProgressIsToldApartFromThePath) {
  say(kScout, {.p = 0.98, .tau = 0.5});
  const auto router = open();
  std::vector<Json> told;
  const auto listen = [&](const Json& request) {
    told.clear();
    auto answer = try_ask(*router, request, {.on_event = [&](const Json& e) {
      for (const char* state : {"loading", "opening", "retrieving", "reading", "verifying"}) {
        if (e["state"] == state) told.push_back(e);
      }
    }});
    EXPECT_TRUE(answer.ok()) << answer.error().message;
    return answer.ok() ? *std::move(answer) : Json();
  };
  const Json first = listen({{"question", kFact}, {"progress", true}});
  ASSERT_GE(told.size(), 2u);
  EXPECT_EQ(told[0], Json({{"state", "loading"}, {"alias", "fast"}}));
  size_t before = 0;
  for (size_t i = 1; i < told.size(); ++i) {
    if (told[i]["state"] != "reading") continue;
    EXPECT_EQ(told[i]["model"], "scout");
    EXPECT_EQ(told[i]["attempt"], 0u);
    EXPECT_GE(told[i]["done"].get<size_t>(), before);
    before = told[i]["done"].get<size_t>();
    EXPECT_LE(before, told[i]["total"].get<size_t>());
  }
  EXPECT_GT(before, 0u);
  const Json second = listen({{"question", kFact}, {"progress", true}});
  EXPECT_TRUE(told.empty() || told[0]["state"] != "loading") << "it is loaded";
  const Json plain = listen({{"question", kFact}});
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(bits(first), bits(plain));
  EXPECT_EQ(bits(second), bits(plain));
  EXPECT_EQ(first["path"], plain["path"]);
}

TEST_F(AskStream, MarksOfCitationsAreText) {
  say(kScout, {.p = 0.98, .tau = 0.5});
  const auto router = open();
  const Json evidence = {{{"id", "doc-1"}, {"text", kPassage}}};
  const Heard heard = hear(*router, {{"question", "What is Birkenchester known for?"},
                                     {"model", "fast"},
                                     {"evidence", evidence},
                                     {"abstain", false},
                                     {"stream", true}});
  ASSERT_EQ(heard.texts.size(), 1u);
  EXPECT_EQ(heard.texts.at(0), heard.answer["answer"]);
  EXPECT_GT(heard.n_texts, 1u);
  EXPECT_NE(heard.texts.at(0).find("<|"), std::string::npos) << heard.texts.at(0);
}

// Whatever tokens come: characters in pieces, blanks in front and behind, control tokens, bytes that are no text.
TEST_F(AskStream, PiecesTogetherAreTheAnswer) {
  const auto model = Model::load(kScout);
  ASSERT_TRUE(model.ok());
  const Tokenizer& tokenizer = (*model)->tokenizer();
  std::vector<int32_t> known;
  for (const char* text : {"  \n", " \t", "flax", "\xF0\x9F\x8C\xBE", " caf\xC3\xA9 ", "\xE2\x82", "\n\n"}) {
    const auto ids = tokenizer.encode(text, {.add_special = false});
    ASSERT_TRUE(ids.ok());
    known.insert(known.end(), ids->begin(), ids->end());
  }
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < round % 17; ++i) {
      const bool any = random() % 4 == 0;
      tokens.push_back(any ? static_cast<int32_t>(random() % static_cast<uint32_t>(tokenizer.size()))
                           : known[random() % known.size()]);
      if (tokenizer.is_eog(tokens.back())) tokens.pop_back();
    }
    AnswerStream stream(tokenizer);
    std::string text;
    for (const int32_t t : tokens) text += stream.push(t);
    const std::string whole = answer_text(tokenizer, tokens);
    EXPECT_EQ(whole.rfind(text, 0), 0u) << round;
    EXPECT_EQ(text + std::string(stream.rest(whole)), whole) << round;
  }
}

TEST_F(AskStream, GivenUpFromAnotherThreadItEndsWithinAStep) {
  const auto router = open();
  std::atomic<bool> cancel{false};
  size_t n_texts = 0;
  const AskHooks hooks{.on_event =
                           [&](const Json& e) {
                             if (e["state"] != "text") return;
                             ++n_texts;
                             std::thread([&] { cancel = true; }).join();
                           },
                       .cancel = &cancel};
  const Json request = {{"question", kFact}, {"model", "fast"}, {"stream", true}, {"temperature", 0}};
  expect_refused(try_ask(*router, request, hooks), ErrorCode::kCancelled, {"cancelled"});
  EXPECT_EQ(n_texts, 1u);
  const Json state = router->state();
  for (const Json& m : state["models"]) {
    if (m["name"] != "scout") continue;
    EXPECT_EQ(m["engine"]["running"], 0);
  }
}

// Between steps of the route too: nothing is derived, loaded or asked any more.
TEST_F(AskStream, GivenUpBetweenStepsItEnds) {
  const auto router = open();
  std::atomic<bool> cancel{false};
  std::vector<std::string> states;
  const AskHooks hooks{.on_event =
                           [&](const Json& e) {
                             states.push_back(e["state"]);
                             cancel = cancel || e["state"] == "preroute";
                           },
                       .cancel = &cancel};
  for (const char* question : {"What is 12 * 12?", kFact}) {
    states.clear();
    cancel = false;
    expect_refused(try_ask(*router, {{"question", question}}, hooks), ErrorCode::kCancelled, {"cancelled"});
    EXPECT_EQ(states, (Texts{"admit", "preroute"})) << question;
  }
  EXPECT_EQ(router->pool().loaded("fast"), nullptr);
}

}  // namespace
}  // namespace kedge::router
