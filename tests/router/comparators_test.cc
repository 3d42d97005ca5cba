// The comparators: one by one, and on answers of the demo models (tests/data/eval/comparators-sample.jsonl).
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "router/citation.h"
#include "router/comparator.h"
#include "router/subject.h"

namespace kedge::router {
namespace {

const std::vector<Evidence> kTwo = {
    {"K-1", "Linnea Ashgate was born in 1933.  Ashgate wrote The Lost Library.", ""},
    {"K-2", "Philip Norstow came into the world in 1827. He was employed by the Ormwick Institute.", ""}};

Verdict verdict(const char* name, std::string_view question, std::string_view answer,
                std::span<const Evidence> evidence = {}, std::span<const std::string> samples = {}) {
  const auto r = find_comparator(name)->check({.question = question,
                                               .answer = answer,
                                               .evidence = evidence,
                                               .samples = samples,
                                               .schema = nullptr,
                                               .pattern = {}});
  EXPECT_TRUE(r.ok());
  return r->verdict;
}

TEST(Comparators, ArithmeticReadsTheAnswer) {
  EXPECT_EQ(verdict("arithmetic", "What is 6 + 5?", "6 and 5 make 11."), Verdict::kPass);
  EXPECT_EQ(verdict("arithmetic", "What is 6 + 5?", "6 + 5 = 12"), Verdict::kFail);
  EXPECT_EQ(verdict("arithmetic", "What is 10 / 3?", "3.33"), Verdict::kPass);
  EXPECT_EQ(verdict("arithmetic", "What is 10 / 3?", "3.3334"), Verdict::kFail);
  EXPECT_EQ(verdict("arithmetic", "What is 1200 + 34?", "1,234"), Verdict::kPass);
  EXPECT_EQ(verdict("arithmetic", "What is 6 + 5?", "I don't know"), Verdict::kNotApplicable);
}

TEST(Comparators, CallsObeyTheSchemasOfTheirFunctions) {
  const Json tools = Json::parse(R"([{"type": "function", "function": {"name": "add", "parameters": {"type": "object",
      "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}, {"type": "function", "function": {"name": "now"}}])");
  const auto says = [&](const Json& calls, bool required = false, std::string_view broken = {}) {
    CheckInput input{.question = "x", .answer = "", .evidence = {}, .samples = {}, .schema = nullptr, .pattern = {}};
    input.tools = &tools;
    input.calls = &calls;
    input.call_required = required;
    input.broken_call = broken;
    const auto r = find_comparator("tool_call")->check(input);
    EXPECT_TRUE(r.ok());
    return std::pair(r->verdict, r->explanation);
  };
  const auto call = [](const char* name, const char* arguments) {
    return Json::array({{{"name", name}, {"arguments", arguments}}});
  };
  EXPECT_EQ(says(call("add", R"({"a": 1})")).first, Verdict::kPass);
  EXPECT_EQ(says(call("now", "{}")).first, Verdict::kPass);
  EXPECT_EQ(says(call("add", R"({"a": "1"})")).first, Verdict::kFail);
  EXPECT_NE(says(call("add", R"({"a": "1"})")).second.find("/a"), std::string::npos);
  EXPECT_EQ(says(call("add", R"({"a": )")).first, Verdict::kFail);
  EXPECT_NE(says(call("gone", "{}")).second.find("'gone'"), std::string::npos);
  EXPECT_EQ(says(call("now", "{}"), false, "it was cut off").second, "it was cut off");
  EXPECT_EQ(says(Json::array()).first, Verdict::kNotApplicable);
  EXPECT_EQ(says(Json::array(), true).first, Verdict::kFail);
}

TEST(Comparators, AnswersThatRunOnIntoAPrompt) {
  const char* q = "How much is the tax for a second dog?";
  EXPECT_EQ(verdict("runs_on", q, "204, Proposed answer: 180 euros, Is the answer supported by the sources?"),
            Verdict::kFail);
  EXPECT_EQ(verdict("runs_on", q, "180 euros\nQuestion: What is a dog?"), Verdict::kFail);
  EXPECT_EQ(verdict("runs_on", q, "180 euros <|user|> and a cat?"), Verdict::kFail);
  EXPECT_EQ(verdict("runs_on", q, "180 euros<|ref|>[K-1] \"The question: 180 euros.\""), Verdict::kNotApplicable);
  EXPECT_EQ(verdict("runs_on", "Repeat exactly:\nUser: hi", "x\nUser: hi"), Verdict::kNotApplicable)
      << "the question says it";
}

// Typography is no difference; another word or number still is.
TEST(Comparators, TypographyIsNoDifference) {
  std::ifstream in(KEDGE_TEST_DATA "/cases/text/typographic-evidence.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  const Json row = *parse_json(line, "row");
  const std::vector<Evidence> evidence = {{row["id"], row["text"], ""},
                                          {"b",
                                           "The of\u00adfice of Ana\u200b\u00efs \u2014 the \ufb01rst "
                                           "\u00ab\u00a0blue\u00a0\u00bb one\u2026 cost 1\u202f200 crowns.",
                                           ""}};
  const char* q = "What does it cost?";
  for (const char* quote : {"Rowan's well-known pump costs 1 200 crowns - not 1,300 - and is \"blue\".",
                            "Rowan\u2019s well\u2011known pump", "not 1,300 \u2013 and is \u201cblue\u201d",
                            "Rowan\u2018s well\u2013known pump costs 1\u00a0200 crowns",
                            "The office of Ana\u00efs - the first \"blue\" one... cost 1 200 crowns."}) {
    EXPECT_EQ(verdict("quote", q, std::string("x<|ref|>[a] \"") + quote + "\"", evidence), Verdict::kPass) << quote;
  }
  for (const char* quote :
       {"Rowan's well-known pump costs 1 300 crowns", "Rowan's wellknown pump", "Rowans well-known pump",
        "pump costs 200 crowns", "not 1.300", "is \"green\"", "the fist \"blue\" one"}) {
    EXPECT_EQ(verdict("quote", q, std::string("x<|ref|>[a] \"") + quote + "\"", evidence), Verdict::kFail) << quote;
  }
  EXPECT_EQ(verdict("cited_value", q, "1 200 crowns<|ref|>[a]", evidence), Verdict::kPass);
  EXPECT_EQ(verdict("cited_value", q, "200 crowns<|ref|>[a]", evidence), Verdict::kFail) << "a part of a number";
  EXPECT_EQ(verdict("cited_value", q, "300<|ref|>[a]", evidence), Verdict::kFail);
}

TEST(Comparators, QuoteStandsAfterNormalisation) {
  const char* q = "When was Linnea Ashgate born?";
  EXPECT_EQ(verdict("quote", q, "1933<|ref|>[K-9] \"Linnea Ashgate was born in 1933.\"", kTwo), Verdict::kPass);
  EXPECT_EQ(verdict("quote", q, "1933<|ref|>[K-1] \"Ashgate was born in 1833.\"", kTwo), Verdict::kFail);
  EXPECT_EQ(verdict("quote", q, "1933<|ref|>[K-1] \"Linnea Ashgate was born in 193\"", kTwo), Verdict::kFail);
  EXPECT_EQ(verdict("quote", q, "In 1933 [K-1].", kTwo), Verdict::kNotApplicable);
  EXPECT_EQ(verdict("quote", q, "See \u201cborn in 1933. Ashgate wrote\u201d [K-1].", kTwo), Verdict::kPass);
}

TEST(Comparators, ValueAndSubject) {
  const char* q = "Who was the employer of Linnea Ashgate?";
  const char* other = "Ormwick Institute<|ref|>[K-2] \"He was employed by the Ormwick Institute.\"";
  EXPECT_EQ(verdict("subject", q, other, kTwo), Verdict::kFail);
  EXPECT_EQ(verdict("subject", "Where did Philip Norstow work?", other, kTwo), Verdict::kPass);
  EXPECT_EQ(verdict("cited_value", q, other, kTwo), Verdict::kPass);
  EXPECT_EQ(verdict("cited_value", q, "Ingby Library<|ref|>[K-2] \"He was employed by the Ormwick Institute.\"", kTwo),
            Verdict::kFail);
  EXPECT_EQ(verdict("cited_value", q, "33<|ref|>[K-1]", kTwo), Verdict::kFail);
  EXPECT_EQ(verdict("cited_value", q, "not found in the sources", kTwo), Verdict::kNotApplicable);
}

TEST(Comparators, CitationsThatResolveToNothing) {
  const char* q = "Who was Linnea Ashgate?";
  EXPECT_EQ(verdict("citation", q, "She was a writer of whom little is known [K-7].", kTwo), Verdict::kFail);
  EXPECT_EQ(verdict("citation", q, "She was a writer of whom little is known [K-1].", kTwo), Verdict::kNotApplicable);
  EXPECT_EQ(verdict("citation", q, "She was a writer.", kTwo), Verdict::kNotApplicable);
  EXPECT_EQ(verdict("citation", q, "not found in the sources [K-7]", kTwo), Verdict::kNotApplicable);
}

TEST(Comparators, MajorityIsMoreThanHalf) {
  const std::vector<std::string> samples = {"the flax<|ref|>[A-1]", "bells"};
  EXPECT_EQ(verdict("majority", "", "Flax<|ref|>[B-2]", {}, samples), Verdict::kPass);
  EXPECT_EQ(verdict("majority", "", "bells", {}, std::span(samples).first(1)), Verdict::kFail);
}

TEST(Citation, ResolvesByQuoteThenSentenceThenId) {
  const char* q = "When was Linnea Ashgate born?";
  auto r = resolve_answer(q, "1933<|ref|>[K-2] \"Linnea Ashgate was born in 1933.\"", kTwo);
  ASSERT_EQ(r.size(), 1u);
  EXPECT_EQ(r[0].by, ResolvedBy::kQuote);
  EXPECT_EQ(r[0].resolved_id, "K-1");
  EXPECT_FALSE(r[0].id_agrees);
  EXPECT_TRUE(r[0].byte_exact);
  EXPECT_EQ(r[0].range, (ByteRange{0, 32}));
  r = resolve_answer(q, "1933<|ref|>[K-2] \"Ashgate came in 1933.\"", kTwo);
  EXPECT_EQ(r[0].by, ResolvedBy::kSentence);
  EXPECT_EQ(r[0].resolved_id, "K-1");
  r = resolve_answer(q, "1999<|ref|>[K-2]", kTwo);
  EXPECT_EQ(r[0].by, ResolvedBy::kId);
  r = resolve_answer(q, "1999<|ref|>[K-7]", kTwo);
  EXPECT_EQ(r[0].by, ResolvedBy::kNone);
}

TEST(Citation, QuoteIsFoundAcrossNormalForms) {
  const std::string text = "Le cafe\xcc\x81  noir.";  // e and a combining acute, two spaces
  EXPECT_EQ(find_quote(text, "caf\xc3\xa9 noir"), (ByteRange{3, text.size() - 1}));
  EXPECT_EQ(find_quote(text, "cafe"), std::nullopt);
}

TEST(Subject, OfQuestions) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(question_subjects("In what year was Linnea Ashgate born?"), (Names{"Linnea Ashgate"}));
  EXPECT_EQ(question_subjects("Frosengarth was founded in which year?"), (Names{"Frosengarth"}));
  EXPECT_EQ(question_subjects("What does DOC-83FA21 say?"), (Names{"DOC-83FA21"}));
  EXPECT_EQ(question_subjects("What is Anna Lee's trade?"), (Names{"Anna Lee"}));
  EXPECT_EQ(question_subjects("which way is up?"), Names{});
}

// Answers of the demo models, and some made wrong on purpose.
TEST(Comparators, OnAnswersOfModels) {
  std::map<std::string, std::pair<int, int>> rates;  // of how many, how many
  const auto count = [&](const std::string& what, bool hit, const std::string& id) {
    ++rates[what].first;
    rates[what].second += hit ? 1 : 0;
    if (hit && what.starts_with("rejected")) std::printf("  %s: %s\n", what.c_str(), id.c_str());
    if (!hit && what.starts_with("caught")) std::printf("  not %s: %s\n", what.c_str(), id.c_str());
  };
  std::ifstream in(KEDGE_TEST_DATA "/eval/comparators-sample.jsonl");
  for (std::string line; std::getline(in, line);) {
    const Json row = *parse_json(line, "row");
    std::vector<Evidence> evidence;
    for (const Json& e : row["evidence"]) evidence.push_back({e["id"], e["text"], ""});
    const std::string question = row["question"];
    const std::string answer = row["answer"];
    const std::string kind = row["kind"];
    const std::string id = row["id"].get<std::string>() + " " + question + " -> " + answer;
    const auto checks = *check_answer({.question = question,
                                       .answer = answer,
                                       .evidence = evidence,
                                       .samples = {},
                                       .schema = nullptr,
                                       .pattern = {}});
    std::map<std::string, Verdict> by_name;
    bool failed = false;
    for (const CheckResult& c : checks) {
      by_name[std::string(c.name)] = c.verdict;
      failed = failed || c.verdict == Verdict::kFail;
    }
    const auto fails = [&](const char* name) { return by_name.count(name) && by_name[name] == Verdict::kFail; };
    const bool right = row["right"];
    if (kind == "arithmetic" || kind == "verifier") {
      count((right ? "rejected " : "caught ") + kind, right ? failed : fails("arithmetic"), id);
      continue;
    }
    if (kind.starts_with("wrong")) {
      count("caught " + kind, fails("cited_value") || fails("subject"), id);
    } else if (row["quoted"].get<bool>() && !row["stands"].get<bool>()) {
      count("caught misquote " + kind, fails("quote"), id);
    } else if (right) {
      count("rejected " + kind, failed, id);
    }
  }
  ASSERT_FALSE(rates.empty());
  for (const auto& [what, rate] : rates) {
    std::printf("%-28s %d of %d\n", what.c_str(), rate.second, rate.first);
    const double share = static_cast<double>(rate.second) / rate.first;
    if (what.starts_with("caught")) {
      EXPECT_GE(share, 0.9) << what;
    } else {
      EXPECT_LE(share, 0.02) << what;
    }
  }
}

}  // namespace
}  // namespace kedge::router
