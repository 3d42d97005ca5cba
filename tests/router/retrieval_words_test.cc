// What a search takes for the same word, in which language, and what of an index is believed.
#include <gtest/gtest.h>

#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernels/base/json.h"
#include "router/pattern.h"
#include "router/retrieval/build_index.h"
#include "router/retrieval/folded_words.h"
#include "router/retrieval/language.h"
#include "router/retrieval/model_embedder.h"
#include "router/retrieval/retrieval_index.h"
#include "router/retrieval/sentence_match.h"

namespace kedge::router {
namespace {

namespace fs = std::filesystem;

std::string folded(std::string_view text) {
  std::string out;
  for (const retrieval::FoldedWord& word : retrieval::folded_words(text)) {
    out += (out.empty() ? "" : " ") + retrieval::without_accents(word.text);
  }
  return out;
}

TEST(RetrievalWords, FoldWhatLooksAlike) {
  EXPECT_EQ(folded("The Café"), "the cafe");
  EXPECT_EQ(folded("e\xef\xac\x83"
                   "cient"),
            "efficient");  // the ligature ffi
  EXPECT_EQ(folded("Dampf\xc2\xadschiff zero\xe2\x80\x8bwidth"), "dampfschiff zerowidth");
  EXPECT_EQ(folded("ＦＵＬＬ Straße"), "full strasse");
  EXPECT_EQ(folded("10⁶ 10²³ m² H₂O 3½"), "10 6 10 23 m 2 h2o 3 1 2");
}

TEST(RetrievalWords, ChainsAlsoStandAsOneWord) {
  EXPECT_EQ(folded("cost-effective"), "cost effective costeffective");
  EXPECT_EQ(folded("OPS\xe2\x80\x91"
                   "5521"),
            "ops 5521 ops5521");
  EXPECT_EQ(folded("1,150 euros"), "1 150 euros 1150");
  EXPECT_EQ(folded("1.150.000"), "1 150 000 1150000");
  EXPECT_EQ(folded("3.14, 12,34 and a - b"), "3 14 12 34 and a b");
}

TEST(RetrievalWords, ScriptsWithoutSpacesAreCutIntoPairs) {
  EXPECT_EQ(folded("日本語"), "日 日本 本 本語 語");
  EXPECT_EQ(folded("水 x3"), "水 x3");
}

TEST(RetrievalWords, StemsAreThoseOfTheLanguage) {
  const auto stem = [](const char* language, const char* word) {
    const auto stemmer = retrieval::Stemmer::create(*retrieval::find_language(language));
    return stemmer->term(retrieval::folded_words(word).front());
  };
  EXPECT_EQ(stem("english", "Lifts"), stem("english", "lift"));
  EXPECT_EQ(stem("german", "Häuser"), stem("german", "Haus"));
  EXPECT_EQ(stem("french", "générales"), stem("french", "général"));
  EXPECT_EQ(stem("english", "X40s"), "x40s");
  for (const retrieval::Language& l : retrieval::languages()) EXPECT_TRUE(retrieval::Stemmer::create(l).ok()) << l.name;
}

TEST(RetrievalWords, LanguagesAreKnownByTheirFunctionWords) {
  const auto language = [](const char* text) {
    const retrieval::Language* l = retrieval::language_of(retrieval::folded_words(text));
    return std::string(l == nullptr ? "none" : l->name);
  };
  EXPECT_EQ(language("The lift is out of order."), "english");
  EXPECT_EQ(language("Der Aufzug ist seit Montag kaputt und wird nicht repariert."), "german");
  EXPECT_EQ(language("L'ascenseur est en panne depuis lundi et ne sera pas réparé."), "french");
  EXPECT_EQ(language("El ascensor no funciona desde el lunes y no se repara."), "spanish");
  EXPECT_EQ(language("Лифт не работает с понедельника, и его не чинят."), "russian");
  EXPECT_EQ(language("OPS-5521"), "none");
}

std::shared_ptr<const Embedder> scout() {
  static const auto embedder = [] {
    ModelOptions vocabulary;
    vocabulary.vocab_only = true;
    return *make_model_embedder(*Model::load(std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf", vocabulary));
  }();
  return embedder;
}

class RetrievalWordIndex : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/kedge-words-" + std::to_string(::getpid()) + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // An index of one file for each text: a.txt, b.txt, ...
  std::string build(const std::vector<std::string>& texts) {
    BuildOptions options;
    options.out = folder_ + "/i.kidx";
    for (size_t i = 0; i < texts.size(); ++i) {
      options.paths.push_back(folder_ + "/" + static_cast<char>('a' + i) + ".txt");
      std::ofstream(options.paths.back()) << texts[i];
    }
    const auto report = build_index(options, scout());
    EXPECT_TRUE(report.ok()) << report.error().message;
    return options.out;
  }
  static std::string first(const std::string& index, std::string_view query, SearchBy by = SearchBy::kBoth) {
    const auto opened = RetrievalIndex::open(index, scout());
    if (!opened.ok()) return opened.error().message;
    const auto hits = (*opened)->search(query, 1, by);
    return !hits.ok() ? hits.error().message : hits->empty() ? "nothing" : hits->front().id;
  }

  std::string folder_;
};

TEST_F(RetrievalWordIndex, InflectedWordsAndEveryLanguageAreFound) {
  const std::string index = build({"The lift of the north stand was inspected in May.",
                                   "Der Dampfer wurde in den Werkstätten von Orvelund gebaut.",
                                   "Les ascenseurs de la tour sont en panne depuis lundi.",
                                   "東京の図書館は月曜日に閉まっています。", "도서관은 월요일에 닫습니다.",
                                   "The e\xef\xac\x83"
                                   "cient pump and the Dampf\xc2\xadschifffahrt of 1874."});
  EXPECT_EQ(first(index, "When were the lifts inspected?"), "a-1");
  EXPECT_EQ(first(index, "In welcher Werkstatt wurde der Dampfer gebaut?"), "b-1");
  EXPECT_EQ(first(index, "ascenseur"), "c-1");
  EXPECT_EQ(first(index, "図書館", SearchBy::kBm25), "d-1");
  EXPECT_EQ(first(index, "図", SearchBy::kBm25), "d-1");
  EXPECT_EQ(first(index, "도서관", SearchBy::kBm25), "e-1");
  EXPECT_EQ(first(index, "efficient pumps", SearchBy::kBm25), "f-1");
  EXPECT_EQ(first(index, "Dampfschifffahrt", SearchBy::kBm25), "f-1");
  EXPECT_NE(first(index, "the", SearchBy::kBm25), "nothing") << "function words count when there are no others";
}

// Twenty-seven passages that share most words: vectors alone would order them at random.
TEST_F(RetrievalWordIndex, OnSmallIndexesTheWordsDecide) {
  std::vector<std::string> texts;
  for (int i = 0; i < 26; ++i) {
    texts.push_back("Section " + std::to_string(i + 1) + " of the manual says how the staff of the house keeps the " +
                    "stairs, doors and windows of floor " + std::to_string(i % 7) + " clean, and who is asked.");
  }
  texts[13] += " The lifts are cleaned by a company from Tarnwick on the first day of a month.";
  texts[14] += " Windows on the stairs are opened in the morning.";
  const std::string index = build(texts);
  EXPECT_EQ(first(index, "Who cleans the lift?", SearchBy::kBm25), "n-1");
  EXPECT_EQ(first(index, "Who cleans the lift?"), "n-1");
  EXPECT_EQ(first(index, "When is the window on the stair opened?"), "o-1");
}

// A file of our application id and version whose tables are not ours is refused before anything of it runs.
TEST_F(RetrievalWordIndex, ForeignTablesAreRefusedAtOnce) {
  const char* const changes[] = {
      "DROP TABLE documents; CREATE VIEW documents AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
      "SELECT x AS row, 's' AS source, 'txt' AS format, '00' AS sha256, 1 AS n_bytes, 1 AS normalised FROM c",
      "DROP TABLE meta; CREATE VIEW meta AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
      "SELECT x AS key, x AS value FROM c",
      "DROP TABLE vectors; CREATE TABLE vectors(row INTEGER PRIMARY KEY, vector BLOB)",
      "CREATE TABLE more(x)",
      "CREATE TRIGGER t AFTER INSERT ON meta BEGIN SELECT 1; END",
      "DROP TABLE terms",
      "DROP TABLE words; CREATE VIRTUAL TABLE words USING fts5(title, text, content='passages', tokenize='ascii')"};
  const std::string index = build({"The pump."});
  for (const char* change : changes) {
    const std::string foreign = folder_ + "/foreign.kidx";
    fs::copy_file(index, foreign, fs::copy_options::overwrite_existing);
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(foreign.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, change, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
    EXPECT_NE(first(foreign, "pump").find("is not a Kedge index: the "), std::string::npos) << change << "\n"
                                                                                            << first(foreign, "pump");
  }
  // What the case file of version 1 says.
  EXPECT_NE(first(std::string(KEDGE_TEST_DATA) + "/cases/files/endless-view.kidx", "pump").find("is not a Kedge index"),
            std::string::npos);
}

// The documents and questions of tests/data/cases/grounding; an answer there is a pattern of one or two alternatives.
TEST(RetrievalSentences, HoldTheAnswer) {
  const std::string folder = std::string(KEDGE_TEST_DATA) + "/cases/grounding";
  std::vector<std::string> texts;
  for (const auto& entry : fs::directory_iterator(folder + "/docs")) {
    std::ifstream in(entry.path());
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  const std::vector<std::string_view> passages(texts.begin(), texts.end());
  std::ifstream in(folder + "/questions.jsonl");
  MatchBudget budget;
  int n = 0;
  int first = 0;
  int among = 0;
  for (std::string line; std::getline(in, line);) {
    const Json row = *parse_json(line, "question");
    if (row.at("answer").is_null()) continue;
    const auto answer = *Pattern::compile(row.at("answer").get<std::string>(), "answer", Pattern::Kind::kSearch);
    const auto matches = matching_sentences(row.at("question").get<std::string>(), passages, 3);
    ASSERT_TRUE(matches.ok());
    ++n;
    bool found = false;
    for (const SentenceMatch& m : *matches) {
      const std::string_view text = passages[m.passage].substr(m.range.begin, m.range.end - m.range.begin);
      const bool holds = *answer.matches(text, &budget);
      first += holds && &m == &matches->front() ? 1 : 0;
      found = found || holds;
    }
    among += found ? 1 : 0;
  }
  EXPECT_EQ(n, 18);
  EXPECT_GE(first, 14);
  EXPECT_EQ(among, 18);
}

TEST(RetrievalSentences, AreRangesOfTheirPassagesAndNothingWhenNothingBearsOnTheQuestion) {
  const std::vector<std::string_view> passages = {"A pump. The lifts are cleaned on Monday.", "Die Lifte sind alt."};
  const auto matches = matching_sentences("When is the lift cleaned?", passages, 5);
  ASSERT_TRUE(matches.ok() && !matches->empty());
  EXPECT_EQ(matches->front().passage, 0u);
  EXPECT_EQ(passages[0].substr(matches->front().range.begin), "The lifts are cleaned on Monday.");
  EXPECT_DOUBLE_EQ(matches->front().score, 1);
  EXPECT_TRUE(matching_sentences("What colour is it?", passages, 5)->empty());
  EXPECT_TRUE(matching_sentences("", passages, 5)->empty());
  EXPECT_TRUE(matching_sentences("lift", {}, 5)->empty());
}

}  // namespace
}  // namespace kedge::router
