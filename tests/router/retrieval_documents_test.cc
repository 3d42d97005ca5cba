// Documents as people and machines write them, and those made to hurt the reader.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "router/retrieval/document.h"
#include "router/retrieval/hyphens.h"
#include "router/retrieval/text_clean.h"
#include "router/retrieval/worker.h"

namespace kedge::router::retrieval {
namespace {

std::string slurp(const std::string& name) {
  std::ifstream in(std::string(KEDGE_TEST_DATA) + "/cases/documents/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string repeat(std::string_view text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

std::string html(std::string_view page) {
  const auto document = read_html(page, "page", nullptr);
  return document.ok() ? document->text : "error: " + document.error().message;
}

std::vector<std::string> titles(const Result<Document>& document) {
  std::vector<std::string> out;
  for (const Section& s : document->sections) out.push_back(s.title);
  return out;
}

TEST(RetrievalHtml, ExponentsNotesAndOrdinalsKeepTheirSense) {
  EXPECT_NE(html(slurp("superscript.html")).find("is 10^6 cells"), std::string::npos);
  EXPECT_EQ(html("10<sup>-6</sup> m<sup>2</sup> x<sup>n</sup> 2<sup>k</sup>"), "10^-6 m^2 x^n 2^k");
  EXPECT_EQ(html("10<sup>&minus;6</sup> (a+b)<sup>n+1</sup> Ca<sup>2+</sup>"),
            "10^\xe2\x88\x92"
            "6 (a+b)^(n+1) Ca^2+");
  EXPECT_EQ(html("the 1<sup>st</sup>, 21<sup>e</sup>, M<sup>me</sup> Dupont, N<sup>o</sup> 5"),
            "the 1st, 21e, Mme Dupont, No 5");
  EXPECT_EQ(html("a depot<sup>3</sup> closed.<sup>4</sup>"), "a depot[3] closed.[4]");
  EXPECT_EQ(html("in 1984<sup><a href=\"#n\">3</a></sup>, <a href=\"#m\">1990<sup>5</sup></a>"), "in 1984[3], 1990[5]");
  EXPECT_EQ(html("built<sup class=\"reference\"><a href=\"#c\">[7]</a></sup>"), "built[7]");
  EXPECT_EQ(html("<sup>14</sup>C, H<sub>2</sub>O, CO<sub>2</sub>"), "14C, H2O, CO2");
  EXPECT_EQ(html("x<sub>1</sub>, v<sub>max</sub>, 101<sub>2</sub>"), "x_1, v_max, 101_2");
}

TEST(RetrievalHtml, HiddenElementsAreNotRead) {
  EXPECT_EQ(html(slurp("hidden.html")), "shown text of Marrowby");
  for (const char* hidden :
       {"hidden", "hidden=until-found", "style=display:none", "style='DISPLAY : none !important; display: block'",
        "style='color: red; display:/**/none'", "style='visibility: collapse'", "style='opacity:0'"}) {
    EXPECT_EQ(html("<p>a</p><div " + std::string(hidden) + ">b</div><p>c</p>"), "a\n\nc") << hidden;
  }
  EXPECT_EQ(html("<p style='display:none;display:block'>shown"), "shown");
  EXPECT_EQ(html("<div style='visibility:hidden'>a<span style='visibility:visible'>b</span>c</div>"), "b");
  EXPECT_EQ(html("<p aria-hidden=true>shown to eyes"), "shown to eyes");
  EXPECT_EQ(html("<dialog>no</dialog><dialog open>yes</dialog><datalist><option>no</datalist>"), "yes");
}

TEST(RetrievalHtml, OnlyBlocksPartWords) {
  EXPECT_EQ(html(slurp("inline.html")), "This is the depot of MRW in Marrowby.");
  EXPECT_EQ(html("<x-big>T</x-big>his i<blink>s</blink> o<center>ne</center>"), "This is o\n\nne");
  EXPECT_EQ(html("a<span style='display:block'>b</span>c<div style='display:inline'>d</div>"), "a\n\nb\n\ncd");
  EXPECT_EQ(html("<ruby>\xe6\xbc\xa2<rp>(</rp><rt>kan</rt><rp>)</rp>\xe5\xad\x97<rt>ji</rt></ruby>."),
            "\xe6\xbc\xa2\xe5\xad\x97(kanji).");
}

TEST(RetrievalHtml, SoftHyphensZeroWidthCharactersAndLigaturesAreNoDifference) {
  EXPECT_NE(html(slurp("soft-hyphen.html")).find("Dampfschifffahrt"), std::string::npos);
  EXPECT_EQ(html("zero&#8203;width e&#xFB03;cient word&#8288;joiner"), "zerowidth efficient wordjoiner");
}

// Each ends, within the limits of its size, in text or in an error that names a limit.
TEST(RetrievalHtml, BombsEnd) {
  std::string attributes = "<p ";
  for (int i = 0; i < 50000; ++i) attributes += "a" + std::to_string(i) + "=1 ";
  std::string formatting;
  for (int i = 0; i < 10000; ++i) formatting += "<b a=" + std::to_string(i) + ">";
  const std::string bombs[] = {attributes + ">x",
                               formatting + repeat("<p>x", 10000),
                               repeat("<a><b>", 5000) + repeat("</a></b>", 5000),
                               repeat("<b><i><u><p>", 3000) + repeat("</b></i></u>", 3000),
                               repeat("<div>", 9000) + repeat("</x>", 20000),
                               repeat("<svg><foreignObject><math><mtext><template>", 5000),
                               repeat("<table><tr><td>", 10000) + "x",
                               "<table>" + repeat("<b>x", 2000),
                               slurp("err.html"),
                               slurp("svg10k.html")};
  for (const std::string& bomb : bombs) {
    const auto document = read_html(bomb, "bomb.html", nullptr);
    if (document.ok()) {
      EXPECT_LE(document->text.size(), bomb.size());
      continue;
    }
    EXPECT_EQ(document.error().code, ErrorCode::kCapacity) << document.error().message;
    EXPECT_NE(document.error().message.find("bomb.html: "), std::string::npos) << document.error().message;
  }
}

TEST(RetrievalPdf, BombsEnd) {
  const auto document = read_pdf(slurp("bomb.pdf"), "bomb.pdf", nullptr);
  ASSERT_FALSE(document.ok());
  if (document.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << document.error().message;
  EXPECT_EQ(document.error().code, ErrorCode::kCapacity) << document.error().message;
  EXPECT_NE(document.error().message.find("the limit for a file of its size"), std::string::npos);
}

// A worker is gone when the process that started it is, however that ended.
TEST(RetrievalPdf, TheReaderDiesWithItsParent) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    const std::string arguments[] = {"run", "sleep", "1000"};
    ::dup2(ends[1], 100);  // the worker would hold it open if it were handed on or lived on
    (void)run_worker(arguments, "", {.cpu_ms = 100000, .memory = int64_t{1} << 30}, "x", [&] {
      static int n = 0;
      if (++n == 3) ::kill(::getpid(), SIGKILL);  // by now it runs
      return true;
    });
    ::_exit(0);
  }
  ::close(ends[1]);
  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, 0), parent);
  EXPECT_TRUE(WIFSIGNALED(status));
  char byte;
  EXPECT_EQ(::read(ends[0], &byte, 1), 0);  // the end of the file: nobody has the other end any more
  ::close(ends[0]);
}

TEST(RetrievalPdf, LimitsAreNamedAndOfTheWorkerAlone) {
  const std::string spin[] = {"run", "sh", "-c", "while :; do :; done"};
  const auto spun = run_worker(spin, "", {.cpu_ms = 100, .memory = int64_t{1} << 30}, "x.pdf", nullptr);
  ASSERT_FALSE(spun.ok());
  EXPECT_EQ(spun.error().code, ErrorCode::kCapacity);
  EXPECT_EQ(spun.error().message,
            "x.pdf: reading it takes more than 100 ms of processor time, the limit for a file of its size");
  const std::string echo[] = {"run", "cat"};
  EXPECT_EQ(*run_worker(echo, "input", {.cpu_ms = 1000, .memory = int64_t{1} << 30}, "x", nullptr), "input");
  const std::string missing[] = {"run", "/nonexistent/program"};
  EXPECT_EQ(run_worker(missing, "", {.cpu_ms = 1000, .memory = int64_t{1} << 30}, "x", nullptr).error().code,
            ErrorCode::kUnsupported);
}

TEST(RetrievalHyphens, StayWhereTheyBelongToTheWord) {
  const std::pair<const char*, const char*> cases[] = {
      {"a cost-\neffective pump", "a cost-effective\npump"},
      {"the main-\ntenance of it", "the maintenance\nof it"},
      {"under-\nstand. Next", "understand.\nNext"},
      {"state-of-\nthe-art pumps", "state-of-the-art\npumps"},
      {"a GPT-\n4 model", "a GPT-4\nmodel"},
      {"2019-\n2020", "2019-2020"},
      {"Smith-\nJones", "Smith-Jones"},
      {"a long-\nterm lease", "a long-term\nlease"},
      {"high-\nest", "highest"},
      {"well-\nknown facts", "well-known\nfacts"},
      {"user-\nfriendly", "user-friendly"},
      {"die Dampf-\nschiffe", "die Dampfschiffe"},
      {"Vor- \nund Nachteile", "Vor- und\nNachteile"},
      {"Dampf\xc2\xad\nschiff", "Dampfschiff"},
      {"unter\xe2\x80\x90\r\n  wegs", "unterwegs"},
      {"--log-\nfile=x", "--log-file=x"},
      {"a --\nb", "a --\nb"},
      {"- \nb", "- \nb"},
      {"end-\n\nnew", "end-\n\nnew"},
      // The rest of the text knows better than any list.
      {"a re-\nuse of it; its re-use", "a re-use\nof it; its re-use"},
      {"a cost-\neffective x, costeffective", "a costeffective\nx, costeffective"},
  };
  for (const auto& [text, joined] : cases) EXPECT_EQ(join_hyphenated(text), joined) << text;
  EXPECT_EQ(read_plain_text("a cost-\neffective pump", "x")->text, "a cost-effective\npump");
}

TEST(RetrievalMarkdown, FrontMatterIsYamlOrToml) {
  const auto rule = read_markdown(slurp("rule.md"), "rule.md");
  EXPECT_NE(rule->text.find("Marrowby"), std::string::npos);
  EXPECT_EQ(titles(rule), (std::vector<std::string>{"", "Release notes", "Older notes"}));
  for (const char* kept :
       {"---\nPlain text, no key.\n---\nrest", "---\n# Heading\n\nWords: some.\n\nMore words.\n---\nrest",
        "+++\nnot toml\n+++\nrest", "---\n- item\n- item\n---\nrest", "---\nkey: value\nnever closed"}) {
    EXPECT_EQ(read_markdown(kept, "x")->text, kept);
  }
  for (const char* cut : {"---\ntitle: Lamp\ntags:\n  - a\n- b\n\n# comment\n---\nrest", "---\n\"a b\": c\n...\nrest",
                          "+++\ntitle = \"Lamp\"\n+++\nrest", "--- \nkey:\n---\nrest"}) {
    EXPECT_EQ(read_markdown(cut, "x")->text, "rest") << cut;
  }
}

TEST(RetrievalMarkdown, FencesAreThoseOfCommonMark) {
  EXPECT_EQ(titles(read_markdown(slurp("fence.md"), "fence.md")),
            (std::vector<std::string>{"Field manual", "Field manual > Cooling", "Field manual > Heating"}));
  const auto count = [](const char* text) { return read_markdown(text, "x")->sections.size(); };
  EXPECT_EQ(count("```sh\n# a\n```\n# b\nx"), 2u);
  EXPECT_EQ(count("```\n# a\n``` no end\n# b\n```\nx"), 1u);
  EXPECT_EQ(count("````\n```\n# a\n````\nx"), 1u);
  EXPECT_EQ(count("~~~ a`b`\n# a\n~~~\nx"), 1u);
  EXPECT_EQ(count("```\n~~~\n# a\n```\nx"), 1u);
}

}  // namespace
}  // namespace kedge::router::retrieval
