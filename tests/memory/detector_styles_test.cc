// Hand-made texts of many styles: what is pinned by itself in them, and what is only a candidate.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "memory/anchors/detector.h"

namespace kedge::memory {
namespace {

using Words = std::vector<std::string>;

Words surfaces(std::string_view text, ReferenceStrength strength) {
  Words words;
  for (const Reference& r : detect_references(text, true).references) {
    if (r.strength == strength) words.emplace_back(text.substr(r.begin, r.end - r.begin));
  }
  return words;
}

// Exactly `strong` is pinned, in this order; `weak` is among the candidates.
void expect_references(std::string_view text, const Words& strong, const Words& weak = {}) {
  EXPECT_EQ(strong, surfaces(text, ReferenceStrength::kStrong)) << text;
  const Words candidates = surfaces(text, ReferenceStrength::kWeak);
  for (const std::string& w : weak) {
    EXPECT_TRUE(std::find(candidates.begin(), candidates.end(), w) != candidates.end()) << w << " in " << text;
  }
}

TEST(DetectorStyles, SupportLog) {
  expect_references(
      "2024-03-18 09:12:44 ERROR worker-3 request 7f3c9a1e-52b4-4d0e-9c1a-0f6b7a88e210 failed after 30 s\n"
      "Customer says the invoice INV-2024-00871 was charged twice. Escalated as BUG-4821, see also PROJ-77.\n"
      "Rolled back to 9fceb02d0ae598e95dc970b74767f19372d61af8 at 10:02. The retry count is still 5.\n"
      "Connected to 10.0.3.17 on port 8443.",
      {"7f3c9a1e-52b4-4d0e-9c1a-0f6b7a88e210", "INV-2024-00871", "BUG-4821",
       "9fceb02d0ae598e95dc970b74767f19372d61af8"},
      {"PROJ-77", "10.0.3.17", "port 8443"});
}

TEST(DetectorStyles, ScientificAbstract) {
  expect_references(
      "Attention heads specialise early in training (Voita et al., 2019; Clark and Manning, 2020b). Following "
      "M\xc3\xbcller "
      "and O'Brien (2018), we prune 40% of them. Smith (2017) had found 12%. Earlier work [3, 7-9] disagrees. In 1998 "
      "the matter seemed settled (see van der Berg, 1998, p. 14). Code: https://example.org/heads(v2).",
      {"Voita et al., 2019", "Clark and Manning, 2020b", "M\xc3\xbcller and O'Brien (2018", "van der Berg, 1998"},
      {"Smith (2017", "[3, 7-9]", "https://example.org/heads(v2)"});
}

TEST(DetectorStyles, ScientificPreprint) {
  expect_references("The data are at doi:10.5281/zenodo.1234567 and the paper is arXiv:2401.01234v2 (submitted 2024).",
                    {"10.5281/zenodo.1234567", "arXiv:2401.01234v2"});
}

TEST(DetectorStyles, ApiDocumentation) {
  expect_references(
      "## Reading\n\nCall `parse_header` before anything else. `parse_header` returns `nullptr` on failure.\n"
      "The default capacity of `RingBuffer::push` is 64 entries. Use the `value` field.\n"
      "`clamp` returns 255 above the limit. `std::min(a, b)` never allocates. See issue #321 for `open_file`.",
      {"parse_header", "RingBuffer::push", "clamp", "issue #321"}, {"parse_header", "value", "std::min", "open_file"});
}

TEST(DetectorStyles, SourceCode) {
  expect_references(
      "#include <vector>\n"
      "static int scale(int x) { return x * 37; }\n"
      "int sum(const std::vector<int>& v) {\n  int s = 0;\n  for (int i = 0; i < 10; ++i) s += v[i] + buf[12];\n"
      "  return s;\n}\n"
      "def area(r): return 3.14159 * r * r\n"
      "def load(path):\n    return open(path)\n"
      "def same(a, b): return a == b  # since 2019\n"
      "mask = 0xFFFF0000 | (1 << 12)\n",
      {"scale", "area"}, {"load", "same"});
}

TEST(DetectorStyles, OtherLanguagesOfCode) {
  expect_references("pub fn ttl(n: u32) -> u32 { n * 60 + 7 }\nfunction twice(x) { return 2 * x; }\nfunc main() {\n",
                    {"ttl", "twice"}, {"main"});
}

TEST(DetectorStyles, Legal) {
  expect_references(
      "The doctrine was settled in Brown v. Board of Education, 347 U.S. 483 (1954). The complaint in No. "
      "2:19-cv-04521 "
      "was dismissed under Section 4.2(b) of the Agreement. Fees are governed by 17 U.S.C. \xc2\xa7 505. Clause 12 "
      "applies "
      "to all parties. The hearing is on 3 Jan. 2020.",
      {"347 U.S. 483", "19-cv-04521", "17 U.S.C. \xc2\xa7 505"}, {"Section 4.2(b)", "Clause 12"});
}

TEST(DetectorStyles, SecurityBulletin) {
  expect_references(
      "CVE-2021-44228 affects Log4j 2.14. It is fixed in 2.17; the advisory GHSA-JFH8-C2JP says so. UTF-8, SHA-256 and "
      "ISO-8859-15 are not affected, nor is AVX-512 or COVID-19.",
      {"CVE-2021-44228", "GHSA-JFH8-C2JP"});
}

TEST(DetectorStyles, Novel) {
  expect_references(
      "It was in the spring of 1894 that all London was interested. \"There were 12 of them (I counted),\" said Mr. "
      "Holmes. He had lived at 221B Baker Street since 1881 (or so he said). Chapter 3 tells the rest.",
      {}, {"Chapter 3"});
}

TEST(DetectorStyles, Encyclopedia) {
  expect_references(
      "Ada Lovelace (1815\xe2\x80\x93"
      "1852) wrote the first program. The city (population 1,594,000 in 2023) lies on the "
      "river. The film Heat (1995) was shot there (October 1994).[12] It rains 300 days a year.[3]",
      {}, {"Heat (1995", "[12]", "[3]"});
}

TEST(DetectorStyles, Configuration) {
  expect_references("[server]\nport = 8443\ntimeout: 30\nlog_level = debug\nid = REC-5F92B1\n", {"REC-5F92B1"},
                    {"port = 8443", "timeout: 30", "log_level"});
}

TEST(DetectorStyles, Correspondence) {
  expect_references(
      "Dear Ms. Lindham,\nyour order ORD-98A71 (customer number 55213) left today with parcel JD014600003GB. Ring "
      "extension 4410, or write to us; room 12 is open from 9 to 5.\nYours, J. Kesden",
      {"ORD-98A71", "JD014600003GB"}, {"extension 4410", "number 55213", "room 12"});
}

TEST(DetectorStyles, Mathematics) {
  expect_references("Let x[3] = a(2) + N-1 and f(x) = 2x, so (x, 2020) is a point; the interval [0, 1] is closed.", {});
}

TEST(DetectorStyles, RetrievedPassages) {
  expect_references(
      "[W-55626] Adam Frosmont wrote The Dark Feather. He was born in 1851.\n[SRC-FAE9EC] Elsa Glenridge, 1878.",
      {"W-55626", "SRC-FAE9EC"});
}

TEST(DetectorStyles, CharacterNoise) {
  expect_references("---- ==== `` ``` ` ( [ {{ }} -- (, 2019) (and, 2019) A-1 B- -C X--12 DOC- -569B DOC--569", {});
}

TEST(DetectorStyles, AReferenceInAUrlBelongsToTheUrl) {
  expect_references("See https://tracker.example/DOC-569B?id=7f3c9a1e52b4 now.", {},
                    {"https://tracker.example/DOC-569B?id=7f3c9a1e52b4"});
}

TEST(DetectorStyles, KindsHaveNames) {
  for (int k = 0; k <= static_cast<int>(ReferenceKind::kStandard); ++k) {
    EXPECT_STRNE("?", reference_kind_name(static_cast<ReferenceKind>(k)));
  }
}

}  // namespace
}  // namespace kedge::memory
