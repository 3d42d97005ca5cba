// Opening: what is refused and how it is said; mapping and reading give the same bytes; progress and cancelling.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "tests/weights/gguf_bytes.h"
#include "weights/mapped_file.h"

namespace kedge::weights {
namespace {

// A file of `bytes` zeros that takes no room on the disk.
std::string sparse(const ScratchDir& dir, const char* name, uint64_t bytes) {
  const std::string path = dir.save(name, "x");
  EXPECT_EQ(::truncate(path.c_str(), static_cast<off_t>(bytes)), 0);
  return path;
}

class BothWays : public ::testing::TestWithParam<bool> {
 protected:
  LoadOptions options() const {
    LoadOptions o;
    o.use_mmap = GetParam();
    return o;
  }
  ScratchDir dir_;
};

TEST_P(BothWays, GivesTheBytes) {
  std::string text(100000, ' ');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  const std::string path = dir_.save("f", text);
  auto opened = MappedFile::open(path, options());
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const auto* where = opened->bytes().data();
  const MappedFile file = std::move(opened).value();
  EXPECT_EQ(file.bytes().data(), where);  // moving does not move the bytes
  EXPECT_EQ(file.mapped(), GetParam());
  EXPECT_EQ(file.path(), path);
  ASSERT_EQ(file.bytes().size(), text.size());
  EXPECT_EQ(std::memcmp(file.bytes().data(), text.data(), text.size()), 0);
  for (const auto advice : {MappedFile::Advice::kWillNeed, MappedFile::Advice::kSequential, MappedFile::Advice::kRandom,
                            MappedFile::Advice::kDrop}) {
    file.advise(5000, 50000, advice);
    file.advise(0, ~uint64_t{0}, advice);
    file.advise(1u << 30, 10, advice);
  }
  EXPECT_EQ(std::memcmp(file.bytes().data(), text.data(), text.size()), 0);  // dropped pages come back
}

TEST_P(BothWays, RefusesWhatIsNotAFile) {
  expect_error(MappedFile::open(dir_.file("none.gguf"), options()), ErrorCode::kNotFound,
               {dir_.file("none.gguf"), "No such file"});
  expect_error(MappedFile::open("", options()), ErrorCode::kNotFound, {"No such file"});
  expect_error(MappedFile::open(dir_.path(), options()), ErrorCode::kInvalidArgument, {dir_.path(), "is a directory"});
  expect_error(MappedFile::open(dir_.save("empty", ""), options()), ErrorCode::kInvalidArgument,
               {dir_.file("empty"), "empty (0 bytes)"});
  expect_error(MappedFile::open("/dev/null", options()), ErrorCode::kInvalidArgument, {"/dev/null", "is a device"});
  expect_error(MappedFile::open(std::string("a\0b", 3), options()), ErrorCode::kInvalidArgument, {"NUL"});
  ASSERT_EQ(::mkfifo(dir_.file("pipe").c_str(), 0600), 0);
  expect_error(MappedFile::open(dir_.file("pipe"), options()), ErrorCode::kInvalidArgument,
               {dir_.file("pipe"), "is a pipe"});  // and does not wait for a writer
  expect_error(MappedFile::open(dir_.save("f", "x") + "/g", options()), ErrorCode::kNotFound, {"Not a directory"});
  if (::geteuid() != 0) {
    ::chmod(dir_.file("f").c_str(), 0);
    expect_error(MappedFile::open(dir_.file("f"), options()), ErrorCode::kIo, {dir_.file("f"), "Permission denied"});
  }
}

TEST_P(BothWays, ReportsProgressAndStops) {
  const uint64_t size = (uint64_t{40} << 20) + 5;
  const std::string path = sparse(dir_, "big", size);
  std::vector<uint64_t> seen;
  LoadOptions o = options();
  o.populate = true;
  o.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_EQ(total, size);
    seen.push_back(done);
    return true;
  };
  ASSERT_TRUE(MappedFile::open(path, o).ok());
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_LT(seen[0], seen[1]);
  EXPECT_EQ(seen[2], size);
  o.progress = [&](uint64_t done, uint64_t) { return done < (20u << 20); };
  expect_error(MappedFile::open(path, o), ErrorCode::kCancelled, {path, "cancelled", std::to_string(size)});
}
INSTANTIATE_TEST_SUITE_P(MmapOrNot, BothWays, ::testing::Bool());

TEST(MappedFile, LargeFileOpensWithoutReadingIt) {
  const ScratchDir dir;
  const std::string path = sparse(dir, "large", uint64_t{1} << 30);
  bool called = false;
  LoadOptions o;
  o.progress = [&](uint64_t done, uint64_t total) { return called = done == total; };
  const auto start = std::chrono::steady_clock::now();
  const auto file = MappedFile::open(path, o);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(called);
  EXPECT_LT(took.count(), 0.2);
}

TEST(MappedFile, ShortReadIsAnError) {
  // sysfs files claim a page and hold less.
  const std::string path = "/sys/kernel/mm/transparent_hugepage/enabled";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  LoadOptions o;
  o.use_mmap = false;
  expect_error(MappedFile::open(path, o), ErrorCode::kIo, {path, "of 4096 bytes", "shrank"});
  expect_error(MappedFile::open(path), ErrorCode::kIo, {path, "cannot map"});
}

TEST(MappedFile, MoveAssignmentReleasesTheOldFile) {
  const ScratchDir dir;
  auto a = MappedFile::open(dir.save("a", "aaaa"));
  auto b = MappedFile::open(dir.save("b", "bb"));
  ASSERT_TRUE(a.ok() && b.ok());
  *a = std::move(*b);
  EXPECT_EQ(a->bytes().size(), 2u);
  EXPECT_EQ(static_cast<char>(a->bytes()[0]), 'b');
}

}  // namespace
}  // namespace kedge::weights
