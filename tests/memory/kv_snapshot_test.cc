// Snapshots: all of it or nothing, whatever happens to the file or to the process.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "memory/checksum.h"
#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

KvOptions small_options() {
  KvOptions options;
  options.budget = 48;
  options.cold = KvOptions::Cold::kRam;
  options.cold_bytes = 1 << 14;
  options.log = 64;
  return options;
}

Driver small_memory(uint64_t seed, int n) {
  Driver d = Driver::make(tiny_shape(2000), small_options());
  Segment s{.first = 3, .last = 9, .kind = SegmentKind::kReference, .pin = Pin::kSoft, .source_id = "kb/1"};
  EXPECT_TRUE(d.m->add_segments({&s, 1}).ok());
  EXPECT_TRUE(d.append(Prose(seed).take(n), 16).ok());
  return d;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
std::string with_checksum(std::string bytes) {
  bytes.resize(bytes.size() - 8);
  const uint64_t sum = checksum(bytes.data(), bytes.size());
  bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return bytes;
}

TEST(Snapshot, SavedAgainItIsTheSameFile) {
  Driver d = small_memory(1, 300);
  const std::string path = temporary_path("again");
  ASSERT_TRUE(d.save(path).ok());
  const std::string first = read_file(path);
  d.m = std::move(Driver::load(path, d.m->shape()).value());
  d.check("loaded");
  ASSERT_TRUE(d.save(path).ok());
  EXPECT_EQ(first.size(), read_file(path).size());
  ::unlink(path.c_str());
}

// Files that were written before the memory was made of parts: they load, and go on as they did then.
TEST(Snapshot, FilesOfEarlierTimesGoOnAsTheyDid) {
  struct Old {
    const char* name;
    uint64_t retention;
    uint64_t log;
    uint64_t detached;
    size_t hot;
  };
  for (const Old& old :
       {Old{"anchor", 0x8f85ccaa8d852444, 332, 6, 29}, Old{"recency", 0x6104154da05299c5, 46, 0, 42}}) {
    const std::string path = std::string(KEDGE_SOURCE_DIR "/tests/memory/data/memory_v2_") + old.name + ".bin";
    auto loaded = Driver::load(path, tiny_shape(600, 1, 2));
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    Prose prose(21, 4);
    (void)prose.take(170);  // those it was saved with
    Driver d(std::move(*loaded));
    d.salt.resize(170);
    ASSERT_TRUE(d.append(prose.take(200), 16).ok());
    EXPECT_EQ(old.retention, d.m->retention()) << old.name;
    EXPECT_EQ(old.log, d.m->log().total());
    EXPECT_EQ(old.detached, d.m->counts().detached);
    EXPECT_EQ(old.hot, d.m->hot_positions().size());
    EXPECT_EQ(41u, d.m->counts().events);
  }
}

TEST(Snapshot, EveryChangedByteIsFound) {
  Driver d = small_memory(1, 200);
  const std::string path = temporary_path("bytes");
  ASSERT_TRUE(d.save(path).ok());
  const std::string good = read_file(path);
  Dice dice(3);
  for (int i = 0; i < 400; ++i) {
    const size_t at = i < 100 ? static_cast<size_t>(i) : dice.next() % good.size();
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << dice.below(8)));
    write_file(path, bad);
    const auto loaded = Driver::load(path, d.m->shape());
    ASSERT_FALSE(loaded.ok()) << at;
    EXPECT_EQ(ErrorCode::kCorrupt, loaded.error().code) << loaded.error().message;
    EXPECT_NE(std::string::npos, loaded.error().message.find(path));
  }
  for (int i = 0; i < 200; ++i) {
    const size_t length = i < 40   ? static_cast<size_t>(i)
                          : i < 60 ? good.size() - static_cast<size_t>(i - 39)
                                   : dice.next() % good.size();
    write_file(path, good.substr(0, length));
    const auto loaded = Driver::load(path, d.m->shape());
    ASSERT_FALSE(loaded.ok()) << length;
    EXPECT_EQ(ErrorCode::kCorrupt, loaded.error().code) << loaded.error().message;
  }
  for (const int extra : {1, 7, 8, 9, 5000}) {
    write_file(path, good + std::string(static_cast<size_t>(extra), 'x'));
    EXPECT_FALSE(Driver::load(path, d.m->shape()).ok());
    write_file(path, with_checksum(good + std::string(static_cast<size_t>(extra), 'x')));
    const auto loaded = Driver::load(path, d.m->shape());
    ASSERT_FALSE(loaded.ok());
    EXPECT_EQ(ErrorCode::kCorrupt, loaded.error().code) << loaded.error().message;
  }
  write_file(path, good);
  EXPECT_TRUE(Driver::load(path, d.m->shape()).ok());
  ::unlink(path.c_str());
}

// A file that is wrong and has the right checksum: an error, or a memory that can be used and freed. Never a crash.
TEST(Snapshot, WrongFieldsUnderARightChecksumDoNoHarm) {
  Driver d = small_memory(1, 200);
  const std::string path = temporary_path("fields");
  ASSERT_TRUE(d.save(path).ok());
  const std::string good = read_file(path);
  Dice dice(4);
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::string bad = good;
    const size_t at = i < 300 ? static_cast<size_t>(i) : dice.next() % (good.size() - 8);
    const uint64_t value = dice.one_in(2) ? ~uint64_t{0} : dice.next();
    std::memcpy(bad.data() + at, &value,
                std::min<size_t>(static_cast<size_t>(1 + dice.below(8)), good.size() - 8 - at));
    write_file(path, with_checksum(bad));
    auto loaded = Driver::load(path, d.m->shape());
    if (!loaded.ok()) {
      ++refused;
      continue;
    }
    KvMemory& m = **loaded;
    const ThreadTeam team;
    std::vector<std::string_view> texts = {" and", " DOC-1", " it"};
    for (int step = 0; step < 60; ++step) {
      if (m.sequence().next_position() + 3 > m.n_ctx()) break;
      auto begun = KvStep::begin(m, texts, 3, team);
      if (!begun.ok() || !begun->commit(team).ok()) break;
    }
    (void)m.token_runs();
    (void)m.truncate(m.sequence().next_position() / 2, team);
  }
  EXPECT_GT(refused, 20);
  ::unlink(path.c_str());
}

TEST(Snapshot, AnotherShapeIsRefused) {
  Driver d = small_memory(1, 200);
  const std::string path = temporary_path("shape");
  ASSERT_TRUE(d.save(path).ok());
  EXPECT_FALSE(Driver::load(path, tiny_shape(2000, 1, 1)).ok());
  EXPECT_FALSE(Driver::load(path, tiny_shape(2000, 2, 2)).ok());
  EXPECT_FALSE(Driver::load(path, tiny_shape(2000, 1, 2, KvFormat::kQ8_0)).ok());
  EXPECT_FALSE(Driver::load(path, tiny_shape(100)).ok()) << "fewer positions than it holds";
  ::unlink(path.c_str());
}

TEST(Snapshot, FilesThatAreNone) {
  const std::string path = temporary_path("none");
  auto none = Driver::load(path, tiny_shape(100));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ErrorCode::kNotFound, none.error().code);
  none = Driver::load(testing::TempDir(), tiny_shape(100));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ErrorCode::kInvalidArgument, none.error().code);
  write_file(path, "");
  none = Driver::load(path, tiny_shape(100));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ErrorCode::kCorrupt, none.error().code);
  ::unlink(path.c_str());
}

TEST(Snapshot, AFolderThatCannotBeWritten) {
  const Driver d = small_memory(1, 100);
  const Status s = d.save("/nowhere/at/all");
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(ErrorCode::kIo, s.error().code);
  EXPECT_NE(std::string::npos, s.error().message.find("/nowhere/at/all")) << s.error().message;
}

size_t files_beside(const std::string& path) {
  size_t n = 0;
  const std::filesystem::path p(path);
  for (const auto& e : std::filesystem::directory_iterator(p.parent_path())) {
    n += e.path().filename().string().starts_with(p.filename().string()) ? 1 : 0;
  }
  return n;
}

int save_to_full_disk(const std::string& path) {
  std::signal(SIGXFSZ, SIG_IGN);
  const Driver d = small_memory(2, 400);
  const rlimit limit{4096, 4096};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
  const Status s = d.save(path);
  if (s.ok()) return 3;
  if (s.error().code != ErrorCode::kIo) return 4;
  if (s.error().message.find(path) == std::string::npos) return 5;
  return 0;
}

TEST(Snapshot, AFullDiskLeavesTheOldFile) {
  const std::string path = temporary_path("disk");
  const Driver old = small_memory(1, 200);
  ASSERT_TRUE(old.save(path).ok());
  const std::string before = read_file(path);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(save_to_full_disk(path));
  int status = 0;
  ASSERT_EQ(child, ::waitpid(child, &status, 0));
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(0, WEXITSTATUS(status));
  EXPECT_EQ(before, read_file(path));
  EXPECT_EQ(1u, files_beside(path)) << "a temporary file is left";
  ::unlink(path.c_str());
}

// A child saves two states in turn; it is killed after any of 200 saves, at moments that sweep over one save.
TEST(Snapshot, KilledWhileSavingTheFileIsOldOrNew) {
  const std::string path = temporary_path("killed");
  const Driver a = small_memory(1, 200);
  const Driver b = small_memory(2, 300);
  Dice dice(8);
  int seen_a = 0;
  int seen_b = 0;
  for (int round = 0; round < 25; ++round) {
    int ready[2];
    ASSERT_EQ(0, ::pipe(ready));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int i = 0;; ++i) {
        if (!(i % 2 == 0 ? b : a).save(path).ok()) ::_exit(1);
        if (::write(ready[1], "x", 1) != 1) ::_exit(2);
      }
    }
    ::close(ready[1]);
    char byte;
    for (int i = 0; i < 8; ++i) ASSERT_EQ(1, ::read(ready[0], &byte, 1));
    ::usleep(static_cast<useconds_t>(dice.below(3000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(child, ::waitpid(child, &status, 0));
    ASSERT_TRUE(WIFSIGNALED(status));
    ::close(ready[0]);
    auto loaded = Driver::load(path, a.m->shape());
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    const uint64_t r = (*loaded)->retention();
    ASSERT_TRUE(r == a.m->retention() || r == b.m->retention());
    (r == a.m->retention() ? seen_a : seen_b)++;
  }
  EXPECT_EQ(25, seen_a + seen_b);
  for (const auto& e : std::filesystem::directory_iterator(testing::TempDir())) {
    if (e.path().string().starts_with(path)) std::filesystem::remove(e.path());
  }
}

}  // namespace
}  // namespace kedge::memory
