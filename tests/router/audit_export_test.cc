// Exports through the C interface, checked by the script a third party would use.
#include <sys/wait.h>

#include "include/kedge/kedge_router.h"
#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"
#include "tests/router/audit_fixture.h"

namespace kedge::router {
namespace {

class AuditExportTest : public AuditFixture {
 protected:
  std::string call(decltype(&kedge_audit_list) function, Json request, kedge_status expected = KEDGE_OK) {
    request["db"] = path_;
    const std::string text = request.dump();
    char* out = nullptr;
    size_t size = 0;
    EXPECT_EQ(function(text.data(), text.size(), &out, &size), expected) << kedge_last_error();
    const std::string answer = out == nullptr ? kedge_last_error() : std::string(out, size);
    kedge_free(out);
    return answer;
  }
  int script(const std::string& text) {
    spill(folder_ + "/export.jsonl", text);
    const std::string command =
        "python3 " KEDGE_SOURCE_DIR "/tools/verify_audit_export.py " + folder_ + "/export.jsonl > /dev/null 2>&1";
    const int status = std::system(command.c_str());
    return WEXITSTATUS(status);
  }
};

TEST_F(AuditExportTest, AScriptChecksTheChain) {
  make(5);
  const std::string text = call(kedge_audit_export, {{"artifacts", true}});
  EXPECT_EQ(script(text), 0);
  for (const char* word : {"\\\"small\\\"", "\"first\":2", "\"salt\":\"", "\"prev\":\"", "\"salt_key_sha256\":\""}) {
    std::string bad = text;
    const size_t at = bad.find(word);
    ASSERT_NE(at, std::string::npos) << word;
    const size_t last = at + std::string(word).size() - (word[1] == 'f' ? 1 : 3);
    char& c = bad[word[std::string(word).size() - 1] == '"' && word[0] != '\\' ? at + std::string(word).size() : last];
    c = c == '3' ? '4' : '3';
    EXPECT_EQ(script(bad), 1) << word;
  }
  EXPECT_EQ(call(kedge_audit_export, {}).find("base64"), std::string::npos) << "contents leave only when asked for";
}

// Part by part, as who copies a log elsewhere reads it: the parts together are the whole.
TEST_F(AuditExportTest, InParts) {
  make(5);
  const std::string whole = call(kedge_audit_export, {});
  const std::string head = whole.substr(0, whole.find('\n') + 1);
  std::string parts = head;
  for (const int after : {0, 2, 4, 5}) {
    const std::string part = call(kedge_audit_export, {{"after", after}, {"limit", 2}});
    ASSERT_TRUE(part.starts_with(head));
    parts += part.substr(head.size());
  }
  EXPECT_EQ(parts, whole);
  EXPECT_NE(call(kedge_audit_export, {{"after", -1}}, KEDGE_INVALID_ARGUMENT).find("after"), std::string::npos);
}

TEST_F(AuditExportTest, InToto) {
  make(2);
  std::istringstream lines(call(kedge_audit_export, {{"format", "in-toto"}}));
  std::string line;
  for (int i = 1; i <= 2; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    const Json statement = Json::parse(line);
    EXPECT_EQ(statement["_type"], "https://in-toto.io/Statement/v1");
    EXPECT_EQ(statement["predicateType"], "https://kedge.dev/provenance/v1");
    EXPECT_EQ(statement["subject"][0]["digest"]["sha256"], hex(sha256("answer \n" + std::to_string(i))));
    EXPECT_EQ(statement["predicate"]["record"]["question"], i);
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(AuditExportTest, ListShowVerify) {
  make(3);
  EXPECT_EQ(Json::parse(call(kedge_audit_list, {{"model", "large"}}))["records"].size(), 2u);
  const Json shown = Json::parse(call(kedge_audit_show, {{"record", "2"}}));
  EXPECT_EQ(shown["artifacts"][1]["text"], "answer \n2");
  EXPECT_EQ(Json::parse(call(kedge_audit_verify, Json::object()))["ok"], true);
  tamper("UPDATE records SET json = replace(json, 'small', 'tiny!') WHERE seq = 2");
  const Json report = Json::parse(call(kedge_audit_verify, Json::object()));
  EXPECT_EQ(report["ok"], false);
  EXPECT_EQ(report["problems"][0]["seq"], 2);
  EXPECT_NE(call(kedge_audit_show, {{"record", "2"}}, KEDGE_CORRUPT).find("record 2"), std::string::npos);
  EXPECT_NE(call(kedge_audit_export, Json::object(), KEDGE_CORRUPT).find("record 2"), std::string::npos);
  EXPECT_NE(call(kedge_audit_list, {{"lmit", 1}}, KEDGE_INVALID_ARGUMENT).find("lmit"), std::string::npos);
}

}  // namespace
}  // namespace kedge::router
