// What each kind of reference takes for one, to the byte, and what only looks like it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memory/anchors/detector.h"

namespace kedge::memory {
namespace {

using Words = std::vector<std::string>;

// The surfaces of one kind, or of all.
Words found(std::string_view text, std::string_view kind = "") {
  Words words;
  for (const Reference& r : detect_references(text, true).references) {
    if (kind.empty() || kind == reference_kind_name(r.kind)) words.emplace_back(text.substr(r.begin, r.end - r.begin));
  }
  return words;
}

void expect(std::string_view text, std::string_view kind, const Words& words) {
  EXPECT_EQ(words, found(text, kind)) << text;
}
void expect_nothing(std::string_view text) { EXPECT_EQ(Words{}, found(text)) << text; }

TEST(DetectorKinds, Sections) {
  expect(
      "Nach \xc2\xa7 823 Abs. 1 Satz 2 BGB und \xc2\xa7\xc2\xa0"
      "15a haftet er, siehe Art. 5 Abs. 2 GG.",
      "section",
      {"\xc2\xa7 823 Abs. 1 Satz 2 BGB",
       "\xc2\xa7\xc2\xa0"
       "15a",
       "Art. 5 Abs. 2 GG"});
  expect(
      "See \xc2\xa7"
      "6.2, Section 4.2(b), Appendix B and Table 7; Figure 3a, Step 2, lines 33-37, p. 40, Part II.",
      "section",
      {"\xc2\xa7"
       "6.2",
       "Section 4.2(b)", "Appendix B", "Table 7", "Figure 3a", "Step 2", "lines 33-37", "p. 40", "Part II"});
  expect("Siehe Kapitel 3, Abschnitt 12.1.2 und Abb. 4; voir l'article 6.4 et l'annexe 2.", "section",
         {"Kapitel 3", "Abschnitt 12.1.2", "Abb. 4", "article 6.4", "annexe 2"});
  expect(
      "Selon l'article L. 121-1 et l'alin\xc3\xa9"
      "a 2",
      "section",
      {"article L. 121-1",
       "alin\xc3\xa9"
       "a 2"});
  expect(
      "5.6.27. \"Package-List\"\n\nText.\n\n2. Grant of Patent License. Subject to this.\n\n9.2 The Licensor "
      "warrants.\n",
      "section", {"5.6.27", "2", "9.2"});
  expect("Eq. (4), Rule 10b-5, auf S. 14, Rn. 17, s. 7(1) of the Act, Anlage 2", "section",
         {"Eq. (4)", "Rule 10b-5", "S. 14", "Rn. 17", "s. 7(1)", "Anlage 2"});
  expect_nothing("1. Redistributions of source code must retain the notice.\n2. Take a part of it.\n");
  expect_nothing("3.5 GHz is the rate. 4.2 V is enough, in part or in part a.\n");
}

TEST(DetectorKinds, HeadingsKeepTheirTitle) {
  for (const Reference& r : detect_references("5.6.27. Package-List\n\nText.", true).references) {
    EXPECT_EQ(0U, r.span_begin);
    EXPECT_EQ(20U, r.span_end);
  }
}

TEST(DetectorKinds, Paths) {
  expect(
      "Edit /etc/fstab or ~/.ssh/config, see debian/rules, com/sun/jdi/Vars.java, ./a.sh, host:/srv/x and notes.txt.",
      "path",
      {"/etc/fstab", "~/.ssh/config", "debian/rules", "com/sun/jdi/Vars.java", "./a.sh", "host:/srv/x", "notes.txt"});
  expect("cp ${HOME}/bin/tool .git/objects/4b/9458b37 \xc2\xbb/bin/sh\xc2\xab", "path",
         {"${HOME}/bin/tool", ".git/objects/4b/9458b37", "/bin/sh"});
  expect_nothing("Yes and/or no, 60 km/h, TCP/IP, his/her, 1/2, text/plain, application/json, <b>x</b> // so\n");
}

TEST(DetectorKinds, Mail) {
  expect("Write to <a.b@mail.example.org>, not @home or 3 @ 4. Id: <7vocz8a6zk.fsf@gitster.example.org>", "email",
         {"a.b@mail.example.org", "7vocz8a6zk.fsf@gitster.example.org"});
}

TEST(DetectorKinds, Options) {
  expect("Use --no-color or --color=auto (`-x`, -force_pubkey, -1, --tlsv1).", "option",
         {"--no-color", "--color=auto", "-x", "-force_pubkey", "-1", "--tlsv1"});
  expect(
      "\xe2\x80\x90\xe2\x80\x90no\xe2\x80\x90"
      "color is written with typographic hyphens.",
      "option",
      {"\xe2\x80\x90\xe2\x80\x90no\xe2\x80\x90"
       "color"});
  expect_nothing("A well-known one -- so he said -- of \"anarcho\"-capitalists. ---o---o\n- item\n-5 degrees\n");
}

TEST(DetectorKinds, Versions) {
  expect("v1.2.3, 7.52.0, 1:2.9.14+dfsg-1.3~deb12u5, version 3 and release 1.1, versionchanged:: 3.4", "version",
         {"v1.2.3", "7.52.0", "1:2.9.14+dfsg-1.3~deb12u5", "version 3", "release 1.1", "3.4"});
  expect("It costs 3.5 to 4.5, or 0.5-1.0 of it; 12.3 percent.", "version", {});
}

TEST(DetectorKinds, Dates) {
  expect(
      "On Fri, 20 Apr 2001 20:18:00 -0400; February 6, 2023; am 3. M\xc3\xa4rz 2024; le 1er janvier 2020; 2024-03-18; "
      "18.03.2024; in May 1981 and on March 12.",
      "date",
      {"Fri, 20 Apr 2001 20:18:00 -0400", "February 6, 2023", "3. M\xc3\xa4rz 2024", "1er janvier 2020", "2024-03-18",
       "18.03.2024", "May 1981", "March 12"});
  // The clock of a log is in every line.
  expect("2026-05-09 07:29:15 status\nNov 22 08:15:19 host\n[2026-05-09 07:29:15] x\nlast seen 2026-05-08\n", "date",
         {"2026-05-08"});
  expect_nothing("It may rain in May. March on, 5 may go.");
}

TEST(DetectorKinds, Amounts) {
  expect(
      "It was $1,204.50, then 49,90 \xe2\x82\xac, EUR 12, \xc2\xa3"
      "5 or 180 euros.",
      "amount",
      {"$1,204.50", "49,90 \xe2\x82\xac", "EUR 12",
       "\xc2\xa3"
       "5",
       "180 euros"});
  expect("echo $1 $HOME", "amount", {});
}

TEST(DetectorKinds, Phones) {
  expect("Ring +49 30 1234567, (030) 123 456 or 0800 1234567; Tel. 55213; 555-123-4567.", "phone",
         {"+49 30 1234567", "(030) 123 456", "0800 1234567", "55213", "555-123-4567"});
  expect("Boston, MA 02110-1301 USA; 10 20 30 40 50; 2024-2025; +5 or +12.5", "phone", {});
}

TEST(DetectorKinds, Manuals) {
  expect("See gzip(1), x509v3_config(5), nfsmount.conf(5), printf(3p) and LS(1).", "manual",
         {"gzip(1)", "x509v3_config(5)", "nfsmount.conf(5)", "printf(3p)", "LS(1)"});
  expect("x = read(4); f(2), CtrlT(1), fid.read(4)", "manual", {});
}

TEST(DetectorKinds, Standards) {
  expect("RFC 8878, PEP 484, ISO/IEC 9899:2011, DIN EN 60204-1. The EN route; ISO image.", "standard",
         {"RFC 8878", "PEP 484", "ISO/IEC 9899:2011", "DIN EN 60204-1"});
  expect("Regulation (EU) 2016/679, Directive 95/46/EC. Regulation is good.", "standard",
         {"Regulation (EU) 2016/679", "Directive 95/46/EC"});
}

TEST(DetectorKinds, Identifiers) {
  expect("Pay to DE89 3704 0044 0532 0130 00 or GB29NWBK60161331926819; CVE-2021-44228.", "identifier",
         {"DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "CVE-2021-44228"});
  expect(
      "fe80::215:c5ff:fb3e:e2b1%eth0, 00:1a:2b:3c:4d:5e, libssl-dev:amd64, SLe257oHY9fVQ07Z, libxxhash-dev",
      "identifier",
      {"fe80::215:c5ff:fb3e:e2b1%eth0", "00:1a:2b:3c:4d:5e", "libssl-dev:amd64", "SLe257oHY9fVQ07Z", "libxxhash-dev"});
  expect("VIII ZR 145/19, 12 O 345/23, C-131/12, RE-2024/00317, 1Z999AA10123456784", "identifier",
         {"VIII ZR 145/19", "12 O 345/23", "C-131/12", "RE-2024/00317", "1Z999AA10123456784"});
  expect("at 11:02:48 the non-free, case-by-case SortF32Desc", "identifier", {});
}

TEST(DetectorKinds, Names) {
  expect("os.path.join and std::move call pack_stream, ``binary_form``, `decimal-mark` and fit1.", "function",
         {"os.path.join", "std::move", "pack_stream", "binary_form", "decimal-mark", "fit1"});
  expect("e.g. this, i.e. that, 5 p.m., the U.S. and `True` on GitHub with sha256; `frozen' in prose.", "function", {});
}

TEST(DetectorKinds, Numbers) {
  expect("order #5 and bug #1107720 (#17), No. 3, n\xc2\xb0 09-11.133", "number",
         {"order #5", "bug #1107720", "#17", "No. 3", "n\xc2\xb0 09-11.133"});
  expect("gate B12, seat 24C, Steuernummer 27/123/45678, code X7KPQ2; N = 1,204", "number",
         {"gate B12", "seat 24C", "Steuernummer 27/123/45678", "code X7KPQ2"});
  expect("sshd[1390]: UID 996 on port 8443, pid=2952, No. 12; f(lwd=2), Copyright: 2018, 7bit: 7bit", "number",
         {"sshd[1390]", "UID 996", "port 8443", "pid=2952", "No. 12"});
}

TEST(DetectorKinds, HostsAndCourts) {
  expect("see github.com/foo/bar, ftp.example.org and com.example.App", "url",
         {"github.com/foo/bar", "ftp.example.org"});
  expect("cf. Smith v Jones [2001] EWCA Civ 1234 and [2019] UKSC 41", "citation",
         {"[2001] EWCA Civ 1234", "[2019] UKSC 41"});
}

TEST(DetectorKinds, BracketsAreNoVectors) {
  expect("a = np.array([[1, 3], [2, 6]]) and x([0, 1, 0]) but see [3, 7-9], [ABC+19] and [12].", "bracket",
         {"[3, 7-9]", "[ABC+19]", "[12]"});
}

TEST(DetectorKinds, ReferencesGoOverTheEndOfALine) {
  expect("It melts (Harlow et\nal., 2019). It boils, as Smith and\n   Jones (2018) say.", "citation",
         {"Harlow et\nal., 2019", "Smith and\n   Jones (2018"});
  expect("As (Devlin et al., 2019; Liu\net al., 2020) argue.", "citation",
         {"Devlin et al., 2019", "Liu\net al., 2020"});
  expect("It melts (Harlow et al.,\n2019). So says Harlow et al.\n(2020).", "citation",
         {"Harlow et al.,\n2019", "Harlow et al.\n(2020"});
  expect("He wrote it in Section\n4.2 and in (February\n   2021).", "section", {"Section\n4.2"});
  expect("He wrote it in Section\n4.2 and in (February\n   2021).", "date", {"February\n   2021"});
  expect("a list:\nSection\n4.2 is another\n", "section", {"Section\n4.2"});
}

}  // namespace
}  // namespace kedge::memory
