// Building and searching an index, with the words of Scout as vectors.
#include <gtest/gtest.h>

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "kernels/base/json.h"
#include "router/retrieval/build_index.h"
#include "router/retrieval/fusion.h"
#include "router/retrieval/model_embedder.h"
#include "router/retrieval/pooling.h"
#include "router/retrieval/retrieval_index.h"

namespace kedge::router {
namespace {

namespace fs = std::filesystem;

const std::string kData = KEDGE_TEST_DATA;

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::shared_ptr<const Embedder> scout() {
  static const auto embedder = [] {
    ModelOptions vocabulary;
    vocabulary.vocab_only = true;
    auto model = Model::load(std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf", vocabulary);
    return *make_model_embedder(*model);
  }();
  return embedder;
}

// Another embedder: a byte is a token.
class Bytes final : public Embedder {
 public:
  int dim() const override { return 8; }
  int n_tokens() const override { return 256; }
  const std::string& fingerprint() const override { return fingerprint_; }
  const std::string& name() const override { return name_; }
  Result<std::vector<int32_t>> encode(std::string_view text) const override {
    std::vector<int32_t> tokens;
    for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }
  void vector(int32_t token, float* out) const override {
    for (int i = 0; i < 8; ++i) out[i] = (token >> i & 1) != 0 ? 1.0f : -0.5f;
  }

 private:
  std::string fingerprint_ = "0123";
  std::string name_ = "bytes";
};

class Retrieval : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/kedge-retrieval-" + std::to_string(::getpid()) + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  BuildOptions options(std::vector<std::string> paths) const {
    BuildOptions o;
    o.paths = std::move(paths);
    o.out = path("i.kidx");
    return o;
  }
  std::shared_ptr<const RetrievalIndex> index_of(const std::vector<std::string>& paths) const {
    const auto report = build_index(options(paths), scout());
    EXPECT_TRUE(report.ok()) << report.error().message;
    auto index = RetrievalIndex::open(path("i.kidx"), scout());
    EXPECT_TRUE(index.ok()) << index.error().message;
    return index.ok() ? *index : nullptr;
  }
  // The build fails with a message that has all of `words`, and leaves nothing behind.
  void expect_refused(const BuildOptions& o, ErrorCode code, const std::vector<std::string>& words) const {
    const auto before = slurp(o.out);
    const auto report = build_index(o, scout());
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, code) << report.error().message;
    for (const std::string& word : words) {
      EXPECT_NE(report.error().message.find(word), std::string::npos) << word << " not in " << report.error().message;
    }
    EXPECT_EQ(slurp(o.out), before);
    for (const auto& entry : fs::directory_iterator(folder_)) {
      EXPECT_EQ(entry.path().string().find(".tmp-"), std::string::npos) << entry.path();
    }
  }

  std::string folder_;
};

std::vector<std::string> ids(const Result<std::vector<Hit>>& hits) {
  std::vector<std::string> out;
  if (!hits.ok()) return {hits.error().message};
  for (const Hit& hit : *hits) out.push_back(hit.id);
  return out;
}

TEST_F(Retrieval, FindsTheRightPassages) {
  const auto index = index_of({kData + "/eval/retrieval-sample.jsonl"});
  ASSERT_EQ(index->n_passages(), 60u);
  std::ifstream in(kData + "/eval/retrieval-questions.jsonl");
  int n = 0;
  int first = 0;
  int near = 0;
  for (std::string line; std::getline(in, line); ++n) {
    const Json question = *parse_json(line, "question");
    const auto hits = index->search(question.at("question").get<std::string>(), 3);
    ASSERT_TRUE(hits.ok() && hits->size() == 3) << line;
    first += hits->front().id == question.at("doc") ? 1 : 0;
    const auto vectors = index->search(question.at("question").get<std::string>(), 3, SearchBy::kVectors);
    for (const std::string& id : ids(vectors)) near += id == question.at("doc") ? 1 : 0;
    if (hits->front().id == question.at("doc")) {
      EXPECT_NE(hits->front().text.find(question.at("quote").get<std::string>()), std::string::npos);
    }
  }
  EXPECT_EQ(n, 60);
  EXPECT_EQ(first, 60);
  EXPECT_GE(near, 54) << "vectors alone, of the first three";
}

TEST_F(Retrieval, MisspeltNamesAreFoundByVectors) {
  const auto index = index_of({kData + "/eval/retrieval-sample.jsonl"});
  const auto hits = index->search("Birkenchestr", 1);
  ASSERT_TRUE(hits.ok() && hits->size() == 1);
  EXPECT_EQ(hits->front().title, "Birkenchester");
  EXPECT_EQ(hits->front().bm25_rank, -1);
  EXPECT_EQ(hits->front().vector_rank, 1);
}

TEST_F(Retrieval, HitsSayWhereTheyComeFrom) {
  const std::string file = write("rows.jsonl",
                                 "{\"text\": \"Caf\\u0065\\u0301 Lune\", \"id\": \"K 1/\\u00e9\", \"page\": 7}\n\n"
                                 "{\"text\": \"The pump\"}\n{\"text\": \"The mill\"}");
  const auto index = index_of({file});
  const auto hits = index->search("cafe", 5, SearchBy::kBm25);
  ASSERT_EQ(ids(hits), std::vector<std::string>{"K 1/\xc3\xa9"});
  const Hit& hit = hits->front();
  EXPECT_EQ(hit.text, "Caf\xc3\xa9 Lune");
  EXPECT_EQ(hit.metadata, "{\"page\":7}");
  EXPECT_EQ(hit.source, file + ":1");
  EXPECT_EQ(hit.doc_sha256.size(), 64u);
  EXPECT_EQ(hit.begin, 0);
  EXPECT_EQ(hit.end, 10);
  EXPECT_EQ(hit.bm25_rank, 1);
  EXPECT_GT(hit.bm25_score, 0);
  EXPECT_EQ(hit.vector_rank, -1);
  EXPECT_EQ(ids(index->search("mill", 1, SearchBy::kBm25)), std::vector<std::string>{"rows-2"});
}

TEST_F(Retrieval, ReadsEveryFormatOfAFolder) {
  const auto index = index_of(
      {kData + "/documents/harbour.txt", kData + "/documents/lighthouse.md", kData + "/documents/market.html"});
  EXPECT_EQ(index->n_documents(), 3u);
  EXPECT_EQ(ids(index->search("Gannet", 1)), std::vector<std::string>{"harbour-1"});
  EXPECT_EQ(ids(index->search("Ottilie", 1)), std::vector<std::string>{"lighthouse-2"});
  EXPECT_EQ(ids(index->search("herring", 1)), std::vector<std::string>{"market-2"});
  for (const char* absent : {"secret", "template", "hidden", "Atall", "color"}) {
    EXPECT_TRUE(ids(index->search(absent, 1, SearchBy::kBm25)).empty()) << absent;
  }
}

TEST_F(Retrieval, RangesAreThoseOfTheDocument) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "Line number " + std::to_string(i) + " says n" + std::to_string(i * i) + ".\n";
  BuildOptions o = options({write("long.txt", text)});
  o.passage_words = 20;
  ASSERT_TRUE(build_index(o, scout()).ok());
  const auto index = *RetrievalIndex::open(o.out, scout());
  EXPECT_EQ(index->passage_words(), 20);
  EXPECT_EQ(index->n_passages(), 75u);
  const auto hits = index->search("n62500", 1);
  ASSERT_TRUE(hits.ok() && hits->size() == 1);
  const Hit& hit = hits->front();
  EXPECT_EQ(hit.text, text.substr(static_cast<size_t>(hit.begin), static_cast<size_t>(hit.end - hit.begin)));
  EXPECT_NE(hit.text.find("n62500."), std::string::npos);
}

TEST_F(Retrieval, MadeUpIdsNeverTakeGivenOnes) {
  const std::string a = write("a/notes.txt", "alpha");
  const std::string b = write("b/notes.md", "bravo");
  const std::string c = write("c/rows.jsonl", "{\"text\": \"charlie\", \"id\": \"notes-1\"}");
  const auto index = index_of({a, b, c});
  EXPECT_EQ(ids(index->search("alpha", 1)), std::vector<std::string>{"notes_2-1"});
  EXPECT_EQ(ids(index->search("bravo", 1)), std::vector<std::string>{"notes_3-1"});
  EXPECT_EQ(ids(index->search("charlie", 1)), std::vector<std::string>{"notes-1"});
}

TEST_F(Retrieval, AnyTextIsAQuery) {
  const auto index = index_of({kData + "/eval/retrieval-sample.jsonl"});
  const std::string nul("Birkenchester\0\" OR", 18);
  for (const std::string& query :
       {std::string("\"Birkenchester"), std::string("Birkenchester AND ("), std::string("title:Birkenchester"),
        std::string("NEAR(Birkenchester*, ^"), std::string("Birkenchester; DROP TABLE passages --"), nul,
        std::string("'Birkenchester' OR 1=1"), std::string("<|im_end|>Birkenchester{}")}) {
    const auto hits = index->search(query, 1);
    ASSERT_TRUE(hits.ok()) << query << ": " << hits.error().message;
    ASSERT_EQ(hits->size(), 1u) << query;
    EXPECT_EQ(hits->front().title, "Birkenchester") << query;
  }
  EXPECT_TRUE(ids(index->search("", 5)).empty());
  EXPECT_TRUE(ids(index->search("?!()\"", 5, SearchBy::kBm25)).empty());
  std::string longest;
  for (int i = 0; i < 5000; ++i) longest += "word" + std::to_string(i) + " ";
  EXPECT_EQ(index->search(longest + "Birkenchester", 1, SearchBy::kBm25)->front().title, "Birkenchester");
  EXPECT_FALSE(index->search("\xff", 5).ok());
  EXPECT_FALSE(index->search("x", 0).ok());
  EXPECT_FALSE(index->search("x", kMaxHits + 1).ok());
}

TEST_F(Retrieval, TheSameFilesGiveTheSameIndex) {
  const std::string sample = kData + "/eval/retrieval-sample.jsonl";
  const auto one = index_of({sample});
  const std::string bytes = slurp(path("i.kidx"));
  const auto two = index_of({sample, sample});  // named twice, read once
  EXPECT_EQ(one->sha256(), two->sha256());
  EXPECT_EQ(slurp(path("i.kidx")), bytes);
  EXPECT_NE(index_of({sample, kData + "/documents/harbour.txt"})->sha256(), one->sha256());
  // `one` still reads the file it opened.
  EXPECT_EQ(ids(one->search("Gannet buoy", 3, SearchBy::kBm25)), std::vector<std::string>());
}

TEST_F(Retrieval, ThreadsSearchAtOnce) {
  const auto index = index_of({kData + "/eval/retrieval-sample.jsonl"});
  const auto expected = ids(index->search("Which product is Birkenchester famous for?", 8));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        if (ids(index->search("Which product is Birkenchester famous for?", 8)) != expected) ++wrong;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Retrieval, AnotherModelIsRefused) {
  index_of({kData + "/documents/harbour.txt"});
  const auto other = RetrievalIndex::open(path("i.kidx"), std::make_shared<Bytes>());
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::kInvalidArgument);
  for (const std::string& word : {std::string("scout-q8_0.gguf"), scout()->fingerprint(), std::string("0123"),
                                  std::string("build the index anew")}) {
    EXPECT_NE(other.error().message.find(word), std::string::npos) << other.error().message;
  }
  const auto words = RetrievalIndex::open(path("i.kidx"), nullptr);
  ASSERT_TRUE(words.ok());
  EXPECT_FALSE((*words)->has_vectors());
  EXPECT_EQ(ids((*words)->search("moles", 1)), std::vector<std::string>{"harbour-1"});
  EXPECT_FALSE((*words)->search("moles", 1, SearchBy::kBoth).ok());
}

TEST_F(Retrieval, DamageIsSeen) {
  index_of({kData + "/documents/harbour.txt"});
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path("i.kidx").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "UPDATE passages SET text = replace(text, 'oak', 'elm')", nullptr, nullptr, nullptr), 0);
  sqlite3_close(db);
  const auto changed = RetrievalIndex::open(path("i.kidx"), scout());
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code, ErrorCode::kCorrupt);

  index_of({kData + "/documents/harbour.txt"});
  const std::string whole = slurp(path("i.kidx"));
  for (const size_t size : {size_t{0}, size_t{50}, size_t{4096}, whole.size() / 2}) {
    write("cut.kidx", whole.substr(0, size));
    EXPECT_FALSE(RetrievalIndex::open(path("cut.kidx"), scout()).ok()) << size;
  }
  EXPECT_EQ(RetrievalIndex::open(path("none.kidx"), scout()).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(RetrievalIndex::open(folder_, scout()).ok());
}

TEST_F(Retrieval, BadInputsAreNamed) {
  const std::string good = write("good.txt", "good text");
  expect_refused(options({}), ErrorCode::kInvalidArgument, {"no files"});
  expect_refused(options({path("absent.txt")}), ErrorCode::kNotFound, {"absent.txt"});
  expect_refused(options({good, write("x.docx", "x")}), ErrorCode::kUnsupported, {"x.docx", ".docx", ".jsonl"});
  expect_refused(options({good, write("bad.txt", "a\xff")}), ErrorCode::kInvalidArgument, {"bad.txt", "byte 1"});
  expect_refused(options({good, write("empty.md", " \n")}), ErrorCode::kInvalidArgument, {"empty.md", "no text"});
  fs::create_directories(path("void"));
  expect_refused(options({path("void")}), ErrorCode::kInvalidArgument, {"nothing to index", "void"});
  BuildOptions words = options({good});
  words.passage_words = 0;
  expect_refused(words, ErrorCode::kInvalidArgument, {"passage_words = 0"});
}

TEST_F(Retrieval, BadJsonlLinesAreNamed) {
  const auto refused = [&](const std::string& rows, const std::vector<std::string>& words) {
    expect_refused(options({write("r.jsonl", rows)}), ErrorCode::kInvalidArgument, words);
  };
  refused("{\"text\": \"a\"}\nnonsense", {"r.jsonl:2", "JSON"});
  refused("[1]", {"r.jsonl:1", "array"});
  refused("{\"id\": \"a\"}", {"r.jsonl:1", "'text' is missing"});
  refused("{\"text\": 7}", {"r.jsonl:1", "'text'", "number"});
  refused("{\"text\": \"a\", \"id\": 7}", {"r.jsonl:1", "'id'", "number"});
  refused("{\"text\": \"a\", \"id\": \"\"}", {"r.jsonl:1", "'id' is empty"});
  refused("{\"text\": \" \"}", {"r.jsonl:1", "'text' is empty"});
  refused("{\"text\": \"\xff\"}", {"r.jsonl:1"});
  refused("{\"text\": \"a\", \"id\": \"k\"}\n{\"text\": \"b\", \"id\": \"k\"}", {"r.jsonl:2", "'k'", "r.jsonl:1"});
}

TEST_F(Retrieval, BadFilesCanBeLeftOut) {
  write("in/a.txt", "alpha");
  write("in/b.txt", "b\xff");
  write("in/c.jsonl", "{\"text\": \"charlie\", \"id\": \"k\"}\n{\"text\": \"delta\", \"id\": \"k\"}");
  write("in/d.jsonl", "{\"text\": \"echo\", \"id\": \"k\"}");
  write("in/e.png", "e");
  write("in/.git/config.txt", "hidden");
  fs::create_directory_symlink(path("in"), path("in/loop"));
  BuildOptions o = options({path("in"), path("absent")});
  o.skip_bad = true;
  const auto report = build_index(o, scout());
  ASSERT_TRUE(report.ok()) << report.error().message;
  std::vector<std::string> names;
  for (const auto& p : report->skipped) names.push_back(fs::path(p.path).filename());
  EXPECT_EQ(names, (std::vector<std::string>{"e.png", "loop", "absent", "b.txt", "c.jsonl"}));
  EXPECT_EQ(report->n_hidden, 1);
  EXPECT_EQ(report->n_passages, 2) << "nothing of c.jsonl, and its id is free for d.jsonl";
  const auto index = *RetrievalIndex::open(o.out, scout());
  EXPECT_EQ(ids(index->search("echo", 1)), std::vector<std::string>{"k"});
}

TEST_F(Retrieval, AnUnfinishedBuildLeavesTheOldIndex) {
  const std::string file = write("a.txt", "alpha");
  index_of({file});
  std::vector<size_t> all;
  BuildOptions o = options({kData + "/eval/retrieval-sample.jsonl"});
  o.progress = [&](size_t done, size_t total) {
    EXPECT_EQ(total, 1000u);
    all.push_back(done);
    return true;
  };
  o.out = path("other.kidx");
  ASSERT_TRUE(build_index(o, scout()).ok());
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(all.back(), 1000u);
  o.out = path("i.kidx");
  for (const size_t stop : {size_t{0}, all.size() / 2, all.size() - 2}) {
    size_t calls = 0;
    o.progress = [&](size_t, size_t) { return calls++ < stop; };
    expect_refused(o, ErrorCode::kCancelled, {"cancelled"});
  }
  EXPECT_EQ((*RetrievalIndex::open(path("i.kidx"), scout()))->n_passages(), 1u);
}

TEST_F(Retrieval, OnlyAnIndexIsReplaced) {
  const std::string notes = write("notes.txt", "my only copy");
  BuildOptions o = options({notes});
  o.out = notes;
  expect_refused(o, ErrorCode::kInvalidArgument, {"notes.txt", "not a Kedge index"});
  o.out = path("nowhere/i.kidx");
  EXPECT_EQ(build_index(o, scout()).error().code, ErrorCode::kIo);
  // An index inside the folder it is made of.
  o.paths = {path("in")};
  write("in/a.txt", "alpha");
  o.out = path("in/i.kidx");
  ASSERT_TRUE(build_index(o, scout()).ok());
  EXPECT_TRUE(build_index(o, scout()).ok());
}

TEST(Pooling, VectorsHaveLengthOne) {
  const auto bytes = std::make_shared<Bytes>();
  std::vector<uint64_t> counts(256, 0);
  counts['a'] = 1000;
  Pooling pooling(bytes, counts);
  const auto vector = pooling.embed("abc");
  ASSERT_TRUE(vector.ok());
  EXPECT_NEAR(dot(vector->data(), vector->data(), vector->size()), 1.0f, 1e-6f);
  EXPECT_EQ(*pooling.embed(""), std::vector<float>(8, 0.0f));
  // The common 'a' hardly counts.
  const auto without = pooling.embed("bc");
  EXPECT_GT(dot(vector->data(), without->data(), 8), 0.999f);
}

TEST(Pooling, DotAddsInOneOrder) {
  std::vector<float> a(37), b(37);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = 1.0f / static_cast<float>(i + 1);
    b[i] = std::ldexp(1.0f, static_cast<int>(i) - 18);
  }
  float lanes[16] = {};
  for (size_t i = 0; i < a.size(); ++i) lanes[i % 16] += a[i] * b[i];
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  }
  EXPECT_EQ(dot(a.data(), b.data(), a.size()), lanes[0]);
}

TEST(Fusion, AddsReciprocalRanks) {
  using retrieval::Ranked;
  const std::vector<Ranked> words = {{5, 9}, {3, 8}};
  const std::vector<Ranked> vectors = {{7, 0.9}, {5, 0.8}};
  const auto fused = retrieval::fuse(words, vectors, {.bm25 = 1, .vectors = 1}, 10);
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_EQ(fused[0].row, 5);
  EXPECT_DOUBLE_EQ(fused[0].score, 1.0 / 21 + 1.0 / 22);
  EXPECT_EQ(fused[1].row, 7);
  EXPECT_EQ(fused[1].bm25_rank, -1);
  EXPECT_EQ(fused[1].vector_rank, 1);
  EXPECT_EQ(fused[2].row, 3);
  const auto tied = retrieval::fuse(std::vector<Ranked>{{9, 1}}, std::vector<Ranked>{{2, 1}}, {}, 1);
  ASSERT_EQ(tied.size(), 1u);
  EXPECT_EQ(tied[0].row, 2);
  const std::vector<float> scores = {0.5f, -1, 0.7f, 0.5f, 0};
  const auto best = retrieval::best_rows(scores, 3);
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(best[0].row, 3);
  EXPECT_EQ(best[1].row, 1);
  EXPECT_EQ(best[2].row, 4);
}

}  // namespace
}  // namespace kedge::router
