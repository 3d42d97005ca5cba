// The log of the server: what is in a line, and that nobody waits for it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernels/base/json.h"
#include "tools/serve/log.h"

namespace kedge::tools::serve {
namespace {

class ServeLog : public testing::Test {
 protected:
  void TearDown() override {
    std::filesystem::remove(path);
    std::filesystem::remove(path + ".1");
  }
  static std::string text(const std::string& file) {
    std::ostringstream out;
    out << std::ifstream(file, std::ios::binary).rdbuf();
    return out.str();
  }
  std::string path = (std::filesystem::temp_directory_path() / ("kedge-log-" + std::to_string(getpid()))).string();
};

TEST_F(ServeLog, ALineOfARequest) {
  HttpDone done;
  done.id = "req_1";
  done.peer = "127.0.0.1";
  done.method = "POST";
  done.path = "/v1/chat/completions\"";
  done.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  done.status = 200;
  done.bytes = 7;
  done.ms = 1.5;
  done.notes = {{"key", "anna"}};
  {
    Log log;
    ASSERT_TRUE(log.open(path).ok());
    log.request(done);
    done.traceparent = "00-zz";
    done.gone = true;
    log.request(done);
  }
  std::istringstream lines(text(path));
  std::string first;
  std::string second;
  std::getline(lines, first);
  std::getline(lines, second);
  auto line = base::parse_json(first, "line");
  ASSERT_TRUE(line.ok()) << first;
  EXPECT_EQ((*line)["path"], "/v1/chat/completions\"");
  EXPECT_EQ((*line)["trace"], "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ((*line)["key"], "anna");
  EXPECT_EQ((*line)["ms"], 1.5);
  EXPECT_FALSE(line->contains("gone"));
  line = base::parse_json(second, "line");
  EXPECT_FALSE(line->contains("trace"));
  EXPECT_EQ((*line)["gone"], true);
}

TEST_F(ServeLog, TurnedOver) {
  {
    Log log;
    ASSERT_TRUE(log.open(path).ok());
    log.event("one", {{"n", 1}});
    std::filesystem::rename(path, path + ".1");
    ASSERT_TRUE(log.open(path).ok());
    log.event("two", {{"n", 2}});
    EXPECT_FALSE(log.open("/no/such/folder/log").ok());
    log.event("three", {{"n", 3}});
  }
  EXPECT_NE(text(path + ".1").find("\"one\""), std::string::npos);
  EXPECT_EQ(text(path).find("\"one\""), std::string::npos);
  EXPECT_NE(text(path).find("\"two\""), std::string::npos);
  EXPECT_NE(text(path).find("\"three\""), std::string::npos) << "it stays where it was";
  struct stat found {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 077, 0u);
}

TEST_F(ServeLog, APipeNobodyReadsHoldsUpNobody) {
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  {
    Log log;
    ASSERT_TRUE(log.open(path).ok());
    const std::string filler(10'000, 'x');
    while (log.dropped() < 3) log.event("much", {{"filler", filler}});
  }  // and it ends
  close(reader);
}

}  // namespace
}  // namespace kedge::tools::serve
