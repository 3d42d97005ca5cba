// Names: that spellings of one meet and others do not, in text cut anywhere.
#include "memory/anchors/names.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "memory/anchor_index.h"
#include "tests/memory/recall_sample.h"

namespace kedge::memory {
namespace {

// The references of what is told that text behind it mentions.
std::vector<std::string> mentions(std::string_view told, std::string_view text) {
  AnchorIndex index(true);
  std::vector<AnchorIndex::Hit> hits;
  index.note(0, std::string(told) + "\n", &hits);
  index.note(1, "It rained. It was wet. It was cold.\n\n", &hits);
  index.detect();
  hits.clear();
  index.note(2, text, &hits);
  index.note(3, "\n", &hits);
  std::vector<std::string> references;
  for (const AnchorIndex::Hit& hit : hits) {
    if (!hit.subject) references.push_back(hit.reference);
  }
  return references;
}

void meet(std::string_view told, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) EXPECT_FALSE(mentions(told, text).empty()) << told << " | " << text;
}
void miss(std::string_view told, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    const auto found = mentions(told, text);
    EXPECT_TRUE(found.empty()) << told << " | " << text << " | " << (found.empty() ? "" : found[0]);
  }
}

TEST(Names, OfRecords) {
  const std::string told = "Document DOC-83FA21 puts the price at 5120 crowns.";
  meet(told, {"What does DOC-83FA21 say?",
              "what does doc-83fa21 say?",
              "DOC-83FA21's price",
              "(DOC-83FA21)",
              "the DOC-83FA21s",
              "DOC 83FA21",
              "DOC\xe2\x80\x91"
              "83FA21",
              "DOC\xe2\x80\x93"
              "83FA21",
              "DOC\xe2\x88\x92"
              "83FA21",
              "DOC_83FA21",
              "DOC83FA21",
              "DO\xc2\xad"
              "C-83FA21",
              "DOC-83FA21\xe2\x80\x99s",
              "a DOC-83FA21-like one",
              "\xe2\x80\x9c"
              "DOC-83FA21\xe2\x80\x9d",
              "DOC-83FA21/DOC-99",
              "\xef\xbc\xa4\xef\xbc\xaf\xef\xbc\xa3-83FA21",
              "\xe8\xaf\xb7\xe7\x9c\x8b"
              "DOC-83FA21\xe7\x9a\x84\xe4\xbb\xb7",
              "[DOC-83FA21]",
              "DOC-83FA21.",
              "DOC-83FA21: what is it?",
              "#DOC-83FA21",
              "`DOC-83FA21`"});
  miss(told, {"What does DOC-83FA12 say?", "What is the price?", "the document at 5120 crowns", "DOC-83FA2",
              "DOC-83FA211", "DOC-83FA21-7", "XDOC-83FA21", "KB-DOC-83FA21", "83FA21", "DOC", "DOC-83.FA21x"});
}

TEST(Names, OfScholarlyWork) {
  meet("The study is 10.1145/3297858.3304013 and reports 412 kelvin.",
       {"What does 10.1145/3297858.3304013 report?", "doi:10.1145/3297858.3304013",
        "https://doi.org/10.1145/3297858.3304013.", "DOI 10.1145/3297858.3304013",
        "http://dx.doi.org/10.1145/3297858.3304013"});
  miss("The study is 10.1145/3297858.3304013 and reports 412 kelvin.",
       {"10.1145/3297858.3304014", "10.1145/3297858", "doi.org"});
  meet("It is at https://doi.org/10.1145/3297858.3304013 now.",
       {"10.1145/3297858.3304013", "doi:10.1145/3297858.3304013"});
  meet("The study arXiv:2005.14165 reports 412 kelvin.",
       {"arXiv:2005.14165", "arxiv 2005.14165", "https://arxiv.org/abs/2005.14165", "2005.14165?"});
  miss("The study arXiv:2005.14165 reports 412 kelvin.", {"arXiv:2005.14166", "2005"});
  const std::string told = "The alloy melts at 412 kelvin (Harlow et al., 2019).";
  meet(told, {"What do Harlow et al. (2019) report?", "(Harlow et al., 2019)", "Harlow 2019", "Harlow et al. 2019",
              "HARLOW (2019)", "Harlow\xe2\x80\x99s 2019 study", "as in Harlow, 2019."});
  miss(told, {"Harlow (2018)", "Marlow et al. (2019)", "in 2019", "Harlow said", "Harlow (2019b)"});
  meet("Young (1990) found 412 kelvin there.", {"What did Young (1990) find?", "(Young, 1990)"});
  meet("Seen before (Stanforge and Lindham, 1998).",
       {"Stanforge & Lindham (1998)", "Stanforge and Lindham, 1998", "Stanforge 1998"});
  meet("The alloy melts at 412 kelvin [12].",
       {"What does [12] report?", "see [3, 12]", "reference 12", "refs. [12], [14]"});
  miss("The alloy melts at 412 kelvin [12].",
       {"12 of them", "[13]", "x[12]", "at [12:30]", "[2012-12-01]", "[12.5]", "[120]"});
  meet("It is known [3, 7-9].", {"[8]", "[3]", "[7]"});
  EXPECT_EQ(2u, mentions("It is known [12, 14].", "[12] and [14] are of no help").size())
      << "a word left out says nothing again";
  meet(
      "It needs 5 steps (Garc\xc3\xad"
      "a-M\xc3\xa1rquez, 1967).",
      {"Garc\xc3\xad"
       "a-M\xc3\xa1rquez (1967)",
       "Garcia-Marquez 1967"});
  meet("It needs 5 steps (O'Brien, 1967).", {"O'Brien (1967)",
                                             "O\xe2\x80\x99"
                                             "Brien's 1967 book"});
}

TEST(Names, OfNumbers) {
  meet("Section 7.2 caps the liability at 25000 crowns.",
       {"What does Section 7.2 say?", "section 7.2.", "Sec. 7.2", "\xc2\xa7 7.2",
        "\xc2\xa7"
        "7.2",
        "Sections 7.2 and 8"});
  miss("Section 7.2 caps the liability at 25000 crowns.",
       {"Section 7.3", "Section 72", "Section 7", "Section 7.2.1", "Section 7.2(b)", "7.2 percent", "version 7.2"});
  meet("The service listens on port 8443.", {"What listens on port 8443?", "port: 8443", "Port 8443", ":8443",
                                             "localhost:8443", "10.0.0.1:8443", "port no. 8443", "TCP port #8443"});
  miss("The service listens on port 8443.", {"8443 crowns", "port 8444", "port 84430", "12:844", "report 8443"});
  meet("We shipped order #5 on Monday.", {"order #5", "order 5", "Order no. 5", "order number 5"});
  miss("We shipped order #5 on Monday.", {"order 6", "5 orders", "#5", "border 5"});
  meet("The pull request #1234 fixes 3 leaks.", {"PR #1234", "#1234", "request 1234"});
  meet("Order number 77-1032 was sent twice.", {"order 77-1032", "order #77-1032", "no. 77-1032"});
  meet("The ISBN 978-3-16-148410-0 costs 40 euros.", {"ISBN 978-3-16-148410-0", "isbn 9783161484100"});
  meet("The meeting on 3 March 2031 set the fee to 40.", {"on 3 March 2031", "March 3, 2031", "3 march 2031"});
  miss("The meeting on 3 March 2031 set the fee to 40.", {"4 March 2031", "March 2031", "in 2031"});
  meet("Art. 5 Abs. 2 GG sch\xc3\xbctzt die Presse.", {"Art. 5 Abs. 2 GG", "Artikel 5 Absatz 2 GG"});
  miss("timeout = 30", {"the timeout is 30 seconds", "timeout"});
}

TEST(Names, OfCode) {
  meet("The function `parse_header` returns 17.",
       {"What does parse_header return?", "parse_header()", "`parse_header`", "parse_header's", "obj.parse_header(x)"});
  miss("The function `parse_header` returns 17.",
       {"parse the header", "Parse_Header", "parse_headers", "parse_header_raw", "my_parse_header",
        "{\"parse_header\": 3}", "parse_header=3"});
  meet("The call `kv::make_room` frees 96 slots.", {"kv::make_room", "make_room()"});
  meet("The function `clamp` returns 17.", {"What does `clamp` return?", "clamp(x)"});
  miss("The function `clamp` returns 17.", {"a clamp holds it", "Clamp it"});
  meet("Commit 9fceb02d0ae598e95dc970b74767f19372d61af8 removed the cache.",
       {"9fceb02", "9FCEB02D", "9fceb02d0ae598e95dc970b74767f19372d61af8", "9fceb02-dirty", "(9fceb02d0ae5)"});
  miss("Commit 9fceb02d0ae598e95dc970b74767f19372d61af8 removed the cache.",
       {"9fceb0", "9fceb03", "9fceb02d0ae598e95dc970b74767f19372d61af9", "x9fceb02"});
  meet("Commit 9fceb02 removed the cache.", {"9fceb02d0ae598e95dc970b74767f19372d61af8"});
  meet("Request 7f3c9a1e-22b1-4c0e-9d53-6a1f0e9b2c11 failed with code nine.",
       {"7f3c9a1e-22b1-4c0e-9d53-6a1f0e9b2c11", "7F3C9A1E-22B1-4C0E-9D53-6A1F0E9B2C11?",
        "7f3c9a1e22b14c0e9d536a1f0e9b2c11", "request 7f3c9a1e"});
  miss("Request 7f3c9a1e-22b1-4c0e-9d53-6a1f0e9b2c11 failed with code nine.",
       {"7f3c9a1e-22b1-4c0e-9d53-6a1f0e9b2c12", "7f3c9a1e-33b1"});
}

TEST(Names, OfPlaces) {
  const std::string told = "The form is at https://example.org/forms/a77 and takes two days.";
  meet(told, {"How long does https://example.org/forms/a77 take?", "http://example.org/forms/a77/",
              "example.org/forms/a77.", "(www.example.org/forms/a77)", "<https://EXAMPLE.org/forms/a77>"});
  miss(told, {"https://example.org/forms/a78", "https://example.org/forms", "https://example.org/forms/a77/b",
              "https://example.org/forms/a77?x=1", "https://example.com/forms/a77", "forms a77"});
}

TEST(Names, AnyCutOfTheStreamGivesTheSameWords) {
  std::string text =
      "caf\xc3\xa9 O\xe2\x80\x99"
      "Brien's \xe2\x84\x96 5, \xc2\xa7\xc2\xa7 3.1(b); [3, 7] 9fceb02d0-ae59 U.S. x\xe2\x80 \xff --max-depth "
      "\xe8\xaf\xb7"
      "DOC-5 :8443 ";
  for (const RecallRow& row : recall_sample()) text += row.text + row.question;
  struct Seen {
    uint64_t folded, exact;
    size_t begin, end;
    std::string hex;
    bool operator==(const Seen&) const = default;
  };
  const auto into = [](std::vector<Seen>* seen) {
    return [seen](const NameScanner& s) {
      seen->push_back({s.folded(1), s.exact(1), s.begin(1), s.end(), std::string(s.hex())});
    };
  };
  std::vector<Seen> whole;
  NameScanner().push(text, into(&whole));
  EXPECT_GT(whole.size(), 1000u);
  std::mt19937 random(3);
  for (const size_t longest : {size_t{1}, size_t{2}, size_t{9}, size_t{4000}}) {
    std::vector<Seen> pieces;
    NameScanner s;
    for (size_t i = 0; i < text.size();) {
      const size_t n = 1 + random() % longest;
      s.push(std::string_view(text).substr(i, n), into(&pieces));
      s = NameScanner(s.state());  // as restored from a snapshot
      i += n;
    }
    EXPECT_TRUE(whole == pieces) << longest;
  }
}

TEST(Names, AnyBytesAreSafe) {
  std::mt19937 random(7);
  NameTable table;
  for (const Name& name : reference_names(ReferenceKind::kIdentifier, "DOC-83FA21")) table.add(name, 1);
  NameScanner s;
  size_t found = 0;
  for (int i = 0; i < 200000; ++i) {
    const char c = i % 3 == 0 ? static_cast<char>(random()) : "DOC-83FA21 '\".:#[]=&"[random() % 20];
    s.push({&c, 1}, [&](const NameScanner& words) { table.match(words, [&](const NameTable::Match&) { ++found; }); });
  }
  s.push(" DOC-83FA21 ",
         [&](const NameScanner& words) { table.match(words, [&](const NameTable::Match&) { ++found; }); });
  EXPECT_GE(found, 1u);
}

}  // namespace
}  // namespace kedge::memory
