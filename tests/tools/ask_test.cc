// kedge ask and kedge replay as a user runs them: exit codes, outputs, instruction sets.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "kernels/isa.h"
#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

// The embedded models without calibrators: only what can be proven is answered.
std::string pool_file() {
  const std::string models = std::string(KEDGE_SOURCE_DIR) + "/models/";
  return write_scratch("pool.toml",
                       "threads = 1\n[policy]\ndeadline_s = 3600\n[aliases]\nfast = \"scout\"\ndeep = "
                       "\"sage\"\n[models.scout]\npath = \"" +
                           models + "scout-q8_0.gguf\"\n[models.sage]\npath = \"" + models + "sage-q4_k_m.gguf\"\n");
}

Outcome ask(std::vector<std::string> args, bool audit = false) {
  args.insert(args.begin(), {"ask", "--config", pool_file()});
  if (!audit) args.push_back("--no-audit");
  return run_command(args);
}

TEST(Ask, ExitCodesSayHowItEnded) {
  const Outcome proven = ask({"What is 417 + 268?"});
  EXPECT_EQ(proven.exit_code, 0) << proven.err;
  EXPECT_EQ(proven.out.rfind("685\n", 0), 0u) << proven.out;
  const Outcome withheld = ask({"Which product is Birkenchester famous for?"});
  EXPECT_EQ(withheld.exit_code, 3);
  EXPECT_EQ(withheld.out.find("flax"), std::string::npos) << withheld.out;
  EXPECT_NE(withheld.out.find("low_confidence"), std::string::npos);
  const Outcome draft = ask({"Which product is Birkenchester famous for?", "--draft"});
  EXPECT_EQ(draft.exit_code, 3);
  EXPECT_EQ(draft.out.rfind("low confidence: flax\n", 0), 0u) << draft.out;
  const Outcome late = ask({"Which product is Birkenchester famous for?", "--deadline", "0.000001"});
  EXPECT_EQ(late.exit_code, 1);
  EXPECT_NE(late.out.find("the deadline has passed"), std::string::npos) << late.out;
  const Outcome unknown = ask({"Hello", "-m", "gpt"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_EQ(unknown.out, "");
  EXPECT_NE(unknown.err.find("'gpt'"), std::string::npos) << unknown.err;
}

TEST(Ask, DocumentsComeWithTheQuestion) {
  const std::string pdf = std::string(KEDGE_TEST_DATA) + "/documents/pump.pdf";
  const std::string cache = scratch("cache");
  ASSERT_EQ(setenv("XDG_CACHE_HOME", cache.c_str(), 1), 0);
  for (int i = 0; i < 2; ++i) {  // the second time the index is there
    const Outcome said = ask({"When was the Corbel pump installed?", "--file", pdf});
    EXPECT_NE(said.out.find("] The Corbel pump was installed in 1931."), std::string::npos) << said.out << said.err;
    const std::filesystem::directory_iterator made(cache + "/kedge/indexes");
    EXPECT_EQ(std::distance(begin(made), end(made)), 1);
  }
  const Outcome missing = ask({"When?", "--file", "/nowhere.pdf"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.err.find("/nowhere.pdf: no such file"), std::string::npos) << missing.err;
  unsetenv("XDG_CACHE_HOME");
}

// The same question, however it comes: the same answer, and the same record of it.
TEST(Ask, StandardInputIsTheQuestionWithoutItsLineEnd) {
  const std::string db = scratch("stdin.db");
  for (const char* text : {"Hello", "Hello\n", "Hello\r\n", "Hello\n\n"}) {
    ASSERT_EQ(run_command({"ask", "-", "--config", pool_file(), "-n", "4", "--audit", db}, text).exit_code, 3);
  }
  const auto list = run_command({"audit", "list", "--db", db, "--json"}).json();
  std::set<std::string> prompts;
  for (const auto& r : list["records"]) {
    const auto shown = run_command({"audit", "show", std::to_string(r["seq"].get<int>()), "--db", db, "--json"}).json();
    prompts.insert(shown["record"]["kedge"]["attempts"][0]["prompt_hash"].get<std::string>());
  }
  EXPECT_EQ(list["records"].size(), 4u);
  EXPECT_EQ(prompts.size(), 1u);
}

TEST(Ask, BlankQuestionsAreRefusedAndBlankLinesOfEvidenceAreNot) {
  for (const char* blank : {"", " ", "\n"}) {
    const Outcome o = ask({blank});
    EXPECT_EQ(o.exit_code, 1) << o.out;
    EXPECT_EQ(o.out, "");
    EXPECT_NE(o.err.find("question"), std::string::npos) << o.err;
  }
  EXPECT_EQ(run_command({"ask", "-", "--config", pool_file(), "--no-audit"}, "\n").exit_code, 1);
  const std::string lines = "\n{\"id\": \"a\", \"text\": \"Flax.\"}\n  \n\n{\"id\": \"b\", \"text\": \"Bells.\"}\n\n";
  const Outcome both = ask({"What is it?", "--evidence", write_scratch("blank.jsonl", lines), "-n", "4", "--json"});
  EXPECT_EQ(both.json()["evidence"].size(), 2u) << both.err;
  const Outcome wrong = ask({"What is it?", "--evidence", write_scratch("wrong.jsonl", "\n{\n")});
  EXPECT_NE(wrong.err.find("line 2"), std::string::npos) << wrong.err;
}

// The evidence is right more often than the model.
TEST(Ask, WithheldAnswersFromPassagesShowWhatThoseSay) {
  const std::string passages =
      write_scratch("passages.jsonl",
                    "{\"id\": \"a\", \"text\": \"Birkenchester is known for its flax. Boats are built elsewhere.\"}\n");
  const Outcome o = ask({"Which product is Birkenchester famous for?", "--evidence", passages, "--pattern", "[0-9]+"});
  EXPECT_EQ(o.exit_code, 3) << o.err;
  EXPECT_NE(o.out.find("the passages nearest to the question:\n  [a] Birkenchester is known for its flax."),
            std::string::npos)
      << o.out;
  const Outcome sum = ask({"What is 6 + 5?"});
  EXPECT_EQ(sum.out.find("passages"), std::string::npos) << sum.out;
}

TEST(Ask, WrongUse) {
  for (const std::vector<std::string>& args : {std::vector<std::string>{"ask"},
                                               {"ask", "x", "--min-confidence", "2"},
                                               {"ask", "x", "--deadline", "-1"},
                                               {"ask", "x", "--colour"},
                                               {"replay"}}) {
    const Outcome o = run_command(args);
    EXPECT_EQ(o.exit_code, 2) << o.out;
    EXPECT_EQ(o.out, "");
    EXPECT_FALSE(o.err.empty());
  }
  const Outcome none = run_command({"ask", "x", "--no-audit", "--config", "/none.toml"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.err.find("/none.toml"), std::string::npos);
  const Outcome schema = ask({"x", "--schema", write_scratch("bad.json", "{")});
  EXPECT_NE(schema.exit_code, 0);
  EXPECT_NE(schema.err.find("bad.json"), std::string::npos) << schema.err;
}

TEST(Ask, JsonExplainAndCompare) {
  const auto json = ask({"What is 2 + 2?", "--json"}).json();
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["answer"], "4");
  EXPECT_EQ(json["attempts"].size(), 0u);
  EXPECT_EQ(json["source"], "deterministic");
  const Outcome derived = ask({"Please tell me: what is 2 + 2?", "--explain"});
  EXPECT_EQ(derived.out.rfind("4\n", 0), 0u) << derived.out;
  for (const char* word : {"preroute", "deterministic", "arithmetic: 2 + 2 = 4", "(deterministic: 2 + 2 = 4"}) {
    EXPECT_NE(derived.out.find(word), std::string::npos) << word << " not in\n" << derived.out;
  }
  const Outcome explained = ask({"What is 2 + 2?", "--explain", "-m", "fast"});
  for (const char* word : {"preroute", "explicit_model", "proven", "attempt 1", "arithmetic: pass", "sha256:"}) {
    EXPECT_NE(explained.out.find(word), std::string::npos) << word << " not in\n" << explained.out;
  }
  const Outcome withheld = ask({"Which product is Birkenchester famous for?", "--explain", "--pattern", "[0-9]+"});
  EXPECT_EQ(withheld.exit_code, 3) << withheld.err;
  EXPECT_NE(withheld.out.find("attempt 2"), std::string::npos) << withheld.out;
  EXPECT_EQ(withheld.out.find("flax"), std::string::npos) << withheld.out;
  const Outcome compared = ask({"What is 2 + 2?", "--compare"});
  EXPECT_EQ(compared.exit_code, 0) << compared.err;
  EXPECT_NE(compared.out.find("fast and deep agree"), std::string::npos) << compared.out;
}

// In words, below the answer; and the whole story, of the record, of the same answer as JSON, or as a drawing.
TEST(Ask, WhyIsToldInWords) {
  const std::string db = scratch("why.db");
  const Outcome derived = ask({"What is 417 + 268?", "--audit", db}, true);
  EXPECT_NE(derived.out.find("It was worked out, no model was asked: 417 + 268 = 685."), std::string::npos)
      << derived.out;
  const Outcome named = ask({"What is 417 + 268?", "-m", "fast", "--audit", db}, true);
  for (const char* word : {"scout (fast) answered", "Checked: arithmetic: recomputed 685"}) {
    EXPECT_NE(named.out.find(word), std::string::npos) << word << " in " << named.out;
  }
  const Outcome withheld = ask({"Which product is Birkenchester famous for?", "--audit", db}, true);
  EXPECT_NE(withheld.out.find("is withheld"), std::string::npos) << withheld.out;
  EXPECT_EQ(withheld.out.find("flax"), std::string::npos) << withheld.out;

  const auto why = [&](std::vector<std::string> args) {
    args.insert(args.begin(), "why");
    const Outcome o = run_command(args);
    EXPECT_EQ(o.exit_code, 0) << o.err;
    return o.out;
  };
  const std::string first = why({"1", "--audit", db});
  for (const char* word : {"What is 417 + 268?", "The answer: 685", "It was worked out", "kedge replay 1"}) {
    EXPECT_NE(first.find(word), std::string::npos) << word << " in " << first;
  }
  const std::string last = why({"--audit", db});
  for (const char* word : {"Birkenchester", "No answer was given.", "Who was asked", "1. scout (fast) was asked.",
                           "was not measured", "So ", "kedge audit verify"}) {
    EXPECT_NE(last.find(word), std::string::npos) << word << " in " << last;
  }
  EXPECT_EQ(last.find("flax"), std::string::npos) << last;
  const std::string drawn = why({"2", "--audit", db, "--draw"});
  for (const char* word : {"question", "explicit_model", "[ attempt 1", "(+) arithmetic", "= answered"}) {
    EXPECT_NE(drawn.find(word), std::string::npos) << word << " in " << drawn;
  }
  const std::string file = write_scratch("answer.json", ask({"What is 2 + 2?", "-m", "fast", "--json"}).out);
  EXPECT_NE(why({file}).find("The answer: 4"), std::string::npos) << why({file});
  const std::string shown = run_command({"audit", "show", "2", "--db", db, "--json"}).out;
  EXPECT_EQ(why({write_scratch("shown.json", shown)}), why({"2", "--audit", db}));

  const Outcome none = run_command({"why", "99", "--audit", db});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.err.find("99"), std::string::npos) << none.err;
  const Outcome other = run_command({"why", write_scratch("other.json", "{\"a\": 1}")});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.err.find("other.json: is no answer"), std::string::npos) << other.err;
}

TEST(Replay, GivesTheSameBitsUnderEveryInstructionSet) {
  const std::string db = scratch("replay.db");
  ASSERT_EQ(ask({"What is 417 + 268?", "--audit", db}, true).exit_code, 0);
  ASSERT_EQ(ask({"Hello", "--temp", "0.9", "--seed", "3", "-n", "8", "--audit", db}, true).exit_code, 3);
  for (const KernelTable* table : usable_kernels()) {
    setenv("KEDGE_ISA", table->name, 1);
    for (const char* record : {"1", "2"}) {
      const Outcome o = run_command({"replay", record, "--config", pool_file(), "--audit", db, "--json"});
      EXPECT_EQ(o.exit_code, 0) << table->name << ": " << o.err;
      EXPECT_EQ(o.json()["same"], true) << table->name << ": " << o.out;
    }
  }
  unsetenv("KEDGE_ISA");
  const Outcome text = run_command({"replay", "last", "--config", pool_file(), "--audit", db});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_NE(text.out.find("record 2: same bits"), std::string::npos) << text.out;
  const Outcome none = run_command({"replay", "last", "--config", pool_file(), "--audit", scratch("none.db")});
  EXPECT_EQ(none.exit_code, 1);
}

TEST(Replay, FullDiskWithholdsTheAnswer) {
  const std::string db = scratch("full.db");
  ASSERT_EQ(ask({"What is 2 + 2?", "--audit", db}, true).exit_code, 0);
  const std::string out = scratch("full.out");
  // The log opens, but the record, made large by its conversation, is over the limit of a file.
  const std::string line = "ulimit -f 80; trap '' XFSZ; '" + std::string(KEDGE_COMMAND) +
                           "' ask 'What is 417 + 268?' --conversation " + std::string(100000, 'c') + " --config '" +
                           pool_file() + "' --audit '" + db + "' > '" + out + "' 2>&1";
  const int status = std::system(("bash -c \"" + line + "\"").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  const std::string said = slurp(out);
  EXPECT_EQ(said.find("685"), std::string::npos) << said;
  EXPECT_NE(said.find("withheld, because it cannot be recorded"), std::string::npos) << said;
}

}  // namespace
}  // namespace kedge::tools
