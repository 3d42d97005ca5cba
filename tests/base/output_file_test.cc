// The one writer of files: what it replaces, what it refuses, and what is left when it does not end well. And where
// texts are cut.
#include "kernels/base/output_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernels/base/utf8_cut.h"

namespace kedge::base {
namespace {

namespace fs = std::filesystem;

class OutputFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "kedge-output-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name), std::ios::binary).rdbuf();
    return text.str();
  }
  unsigned mode(const std::string& name) const {
    struct stat info {};
    return stat(path(name).c_str(), &info) == 0 ? info.st_mode & 07777u : 0;
  }
  size_t n_files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  std::string folder_;
};

TEST_F(OutputFileTest, WritesAndReplacesFiles) {
  ASSERT_TRUE(write_file(path("new"), "one").ok());
  EXPECT_EQ(read("new"), "one");
  ASSERT_EQ(chmod(path("new").c_str(), 0640), 0);
  ASSERT_TRUE(write_file(path("new"), "two").ok());
  EXPECT_EQ(read("new"), "two");
  EXPECT_EQ(mode("new"), 0640u) << "a replaced file keeps its mode";
  ASSERT_TRUE(write_file(path("new"), "three", {.owner_only = true}).ok());
  EXPECT_EQ(mode("new"), 0600u);
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(OutputFileTest, NothingIsThereBeforeCommit) {
  for (const bool named : {false, true}) {
    auto file = OutputFile::create(path("x"), {.named = named});
    ASSERT_TRUE(file.ok()) << file.error().message;
    EXPECT_FALSE(fs::exists(path("x")));
    *file = OutputFile();
  }
  EXPECT_EQ(n_files(), 0u);
}

TEST_F(OutputFileTest, ANamedOneIsWrittenByOthers) {
  auto file = OutputFile::create(path("x"), {.owner_only = true, .named = true});
  ASSERT_TRUE(file.ok());
  std::ofstream(file->temporary()) << "by name";
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(read("x"), "by name");
  EXPECT_EQ(mode("x"), 0600u);
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(OutputFileTest, NewOnlyNeverReplaces) {
  for (const bool named : {false, true}) {
    auto file = OutputFile::create(path("x"), {.new_only = true, .named = named});
    ASSERT_TRUE(file.ok());
    std::ofstream(path("x")) << "faster";
    const auto status = file->commit();
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("File exists"), std::string::npos) << status.error().message;
    EXPECT_EQ(read("x"), "faster");
    EXPECT_EQ(n_files(), 1u);
    fs::remove(path("x"));
  }
}

TEST_F(OutputFileTest, ReplacesNothingButRegularFiles) {
  std::ofstream(path("file")) << "mine";
  fs::create_directory(path("directory"));
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  fs::create_symlink("file", path("link"));
  fs::create_symlink("nowhere", path("dangling"));
  const int server = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const size_t before = n_files();
  const std::pair<std::string, const char*> targets[] = {
      {path("directory"), "a directory"},    {path("pipe"), "a pipe"},     {path("link"), "a symbolic link"},
      {path("dangling"), "a symbolic link"}, {path("socket"), "a socket"}, {"/dev/full", "a device"},
      {"/dev/stdout", "a symbolic link"},    {"", "not a path"},           {path("no/such"), "No such file"}};
  for (const auto& [target, what] : targets) {
    const auto status = write_file(target, "new");
    ASSERT_FALSE(status.ok()) << target;
    EXPECT_NE(status.error().message.find(what), std::string::npos) << status.error().message;
    EXPECT_NE(status.error().message.find(target), std::string::npos) << status.error().message;
  }
  EXPECT_EQ(n_files(), before);
  EXPECT_EQ(read("file"), "mine");
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
  EXPECT_TRUE(fs::is_symlink(path("link")) && fs::is_symlink(path("dangling")));
  EXPECT_FALSE(fs::exists(path("nowhere")));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  close(server);
}

// What came there while the file was being written is not replaced either.
TEST_F(OutputFileTest, LooksAgainBeforeItReplaces) {
  auto file = OutputFile::create(path("x"));
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(mkfifo(path("x").c_str(), 0600), 0);
  EXPECT_FALSE(file->commit().ok());
  EXPECT_TRUE(fs::is_fifo(path("x")));
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(OutputFileTest, AFullDiskLeavesTheOldFile) {
  ASSERT_TRUE(write_file(path("x"), "old").ok());
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto status = write_file(path("x"), std::string(10000, 'x'));
    _exit(!status.ok() && status.error().message.find("after 4096 of 10000 bytes") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read("x"), "old");
  EXPECT_EQ(n_files(), 1u);
}

// Where the file system knows files without names; elsewhere a name beside the target may be left, and no more.
TEST_F(OutputFileTest, AKilledProcessLeavesNoHalfFile) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto file = OutputFile::create(path("x"));
    if (!file.ok() || !file->write(std::string(100000, 'x')).ok()) _exit(1);
    const char unnamed = file->temporary().empty() ? 'u' : 'n';
    if (write(ends[1], &unnamed, 1) != 1) _exit(1);
    pause();
  }
  char kind = 0;
  ASSERT_EQ(::read(ends[0], &kind, 1), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(fs::exists(path("x")));
  EXPECT_EQ(n_files(), kind == 'u' ? 0u : 1u);
}

TEST(Utf8Cut, CutsBetweenCharacters) {
  const std::string text = "a\u00e9\u8005\U0001F600z";  // 1, 2, 3, 4 and 1 bytes
  const size_t begins[] = {0, 1, 3, 6, 10, 11};
  for (size_t n = 0; n <= text.size() + 2; ++n) {
    size_t expected = 0;
    for (const size_t b : begins) expected = b <= n ? b : expected;
    EXPECT_EQ(utf8_floor(text, n), expected) << n;
    EXPECT_EQ(utf8_cut(text, n), text.substr(0, expected)) << n;
  }
  EXPECT_EQ(utf8_cut(std::string(9, '\x80'), 5).size(), 5u) << "no characters at all";
}

}  // namespace
}  // namespace kedge::base
