// From bytes to passages: cleaning, formats, cutting.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "router/retrieval/document.h"
#include "router/retrieval/passages.h"
#include "router/retrieval/text_clean.h"

namespace kedge::router::retrieval {
namespace {

std::string slurp(const std::string& name) {
  std::ifstream in(std::string(KEDGE_TEST_DATA) + "/documents/" + name, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// "title: text" of every section.
std::vector<std::string> sections(const Result<Document>& document) {
  std::vector<std::string> out;
  if (!document.ok()) return {document.error().message};
  for (const Section& s : document->sections) {
    out.push_back(s.title + ": " + std::string(trim(document->text.substr(s.begin, s.end - s.begin))));
  }
  return out;
}

std::string clean(std::string_view text) {
  const auto result = clean_text(text, "x");
  return result.ok() ? *result : "error: " + result.error().message;
}

TEST(RetrievalText, IsNfcWithoutControls) {
  EXPECT_EQ(clean("caf\x65\xcc\x81"), "caf\xc3\xa9");
  EXPECT_EQ(clean("a\r\nb\rc\fd\ve"), "a\nb\nc\nd\ne");
  EXPECT_EQ(clean(std::string_view("a\0b\x07\x7f\tc", 7)), "ab\tc");
  EXPECT_EQ(clean("\xef\xbb\xbfx\xc2\x9fy\xc2\x85z"), "xy\nz");
}

TEST(RetrievalText, RefusesWhatIsNotUtf8) {
  const auto result = clean_text("good \xff", "notes.txt");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().message, "notes.txt: byte 5 of 6 is not UTF-8");
}

TEST(RetrievalText, MarkdownHeadingsAreTitles) {
  const auto document = read_markdown(slurp("lighthouse.md"), "lighthouse.md");
  const std::vector<std::string> expected = {
      "Lighthouse handbook: The lamp is lit at dusk.",
      "Lighthouse handbook > Lamp: Trim the wick every *evening*. The lens was ground by Ottilie Varn.\n\n"
      "```\n# not a heading\n```",
      "Lighthouse handbook > Fog signal: Sound the horn twice a minute.",
      "Lighthouse handbook > Spare parts: ## Spare parts"};
  EXPECT_EQ(sections(document), expected);
}

TEST(RetrievalText, MarkdownRulesAreNoHeadings) {
  EXPECT_EQ(sections(read_markdown("- item\n---\n#hash\n\n---\nend", "x")),
            std::vector<std::string>{": - item\n---\n#hash\n\n---\nend"});
  EXPECT_EQ(sections(read_markdown("---\nnever closed\n", "x")), std::vector<std::string>{": ---\nnever closed"});
}

TEST(RetrievalText, HtmlIsWhatAReaderSees) {
  const std::vector<std::string> expected = {
      "Market days: The market is held on Thursdays.",
      "Fish & bread: Herring is sold by the dozen.\nCaf\xc3\xa9 Lune sells bread.\n\nrye\noat\n\nplaice\tfour"};
  EXPECT_EQ(sections(read_html(slurp("market.html"), "market.html", nullptr)), expected);
}

TEST(RetrievalText, DeepHtmlIsRefusedAndBrokenHtmlRead) {
  std::string deep;
  for (int i = 0; i < 200000; ++i) deep += "<div>";
  const auto result = read_html(deep, "deep.html", nullptr);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCapacity);
  EXPECT_EQ(sections(read_html("<p>one<p>two</b></i><h2>T</h2>x", "x", nullptr)),
            (std::vector<std::string>{": one\n\ntwo", "T: x"}));
}

TEST(RetrievalText, PdfComesThroughPoppler) {
  const auto document = read_pdf(slurp("pump.pdf"), "pump.pdf", nullptr);
  if (!document.ok() && document.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << document.error().message;
  ASSERT_TRUE(document.ok()) << document.error().message;
  EXPECT_NE(document->text.find("The Corbel pump was installed in 1931."), std::string::npos) << document->text;

  const auto refused = read_pdf("this is no PDF", "broken.pdf", nullptr);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("broken.pdf: "), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("poppler-utils"), std::string::npos) << refused.error().message;

  const auto cancelled = read_pdf("this is no PDF", "broken.pdf", [] { return false; });
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
}

std::vector<std::string> cut(std::string_view text, size_t max_words) {
  std::vector<std::string> out;
  for (const Range& r : cut_passages(text, 0, text.size(), max_words)) {
    out.emplace_back(text.substr(r.begin, r.end - r.begin));
  }
  return out;
}

TEST(RetrievalPassages, CutBehindParagraphsThenSentencesThenWords) {
  EXPECT_EQ(cut("a b c.\n\nd e f. g h i.", 5), (std::vector<std::string>{"a b c.", "d e f.", "g h i."}));
  EXPECT_EQ(cut("a b c. d e \"f!\" g h", 7), (std::vector<std::string>{"a b c. d e \"f!\"", "g h"}));
  EXPECT_EQ(cut("one two three four five", 2), (std::vector<std::string>{"one two", "three four", "five"}));
  EXPECT_EQ(cut("was J. Smith here now. then gone", 3),
            (std::vector<std::string>{"was J. Smith", "here now.", "then gone"}));
}

TEST(RetrievalPassages, HoldEveryWordAndNoMoreThanAllowed) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "w" + std::to_string(i) + (i % 37 == 0 ? "\n\n" : i % 11 == 0 ? ". " : " ");
  for (const size_t max : {1u, 7u, 50u, 2000u}) {
    std::string joined;
    for (const std::string& passage : cut(text, max)) {
      EXPECT_LE(count_words(passage), max);
      joined += passage + " ";
    }
    std::istringstream a(text), b(joined);
    const std::vector<std::string> all{std::istream_iterator<std::string>(a), {}};
    const std::vector<std::string> kept{std::istream_iterator<std::string>(b), {}};
    EXPECT_EQ(all, kept);
  }
}

TEST(RetrievalPassages, AreNeverCutWithinAWord) {
  EXPECT_EQ(cut(std::string(5000, 'x') + " y", 1).size(), 2u);
  EXPECT_EQ(cut("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x80\x82", 2),
            (std::vector<std::string>{"\xe6\x97\xa5\xe6\x9c\xac", "\xe8\xaa\x9e\xe3\x80\x82"}));
  EXPECT_TRUE(cut(" \n\t ", 5).empty());
}

}  // namespace
}  // namespace kedge::router::retrieval
