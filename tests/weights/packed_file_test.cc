// Packed files: what is used has the bytes that packing gives; what is stale, damaged, foreign or somebody else's is
// not used, and says why.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "kernels/base/input_file.h"
#include "kernels/isa.h"
#include "tests/weights/gguf_bytes.h"
#include "weights/gguf_writer.h"
#include "weights/packed_folder.h"
#include "weights/packed_store.h"

namespace kedge::weights {
namespace {

namespace fs = std::filesystem;

struct Tensor {
  const char* name;
  const char* type;
  int k;
  int rows;
  int matrices;
};
// Rows that are no whole groups, stacks, formats that are packed, grow when packed, and stay as they are.
constexpr Tensor kTensors[] = {
    {"a.weight", "Q8_0", 256, 70, 1},  {"b.weight", "Q4_K", 512, 64, 3},      {"c.weight", "Q6_K", 256, 33, 1},
    {"d.weight", "IQ1_S", 256, 48, 1}, {"e.weight", "F32", 48, 20, 1},        {"f.weight", "F16", 64, 40, 2},
    {"g.weight", "TQ1_0", 256, 32, 1}, {"big.weight", "Q4_0", 4096, 4000, 1},
};

void write_source(const std::string& path, uint32_t seed) {
  GgufWriter w;
  w.add_string("general.architecture", "test");
  for (const Tensor& t : kTensors) {
    const int64_t dims[] = {t.k, t.rows, t.matrices};
    w.add_tensor(t.name, *find_quant(t.type), dims);
  }
  ASSERT_TRUE(w.begin(path).ok());
  uint32_t state = seed;
  for (const Tensor& t : kTensors) {
    const QuantFormat& type = *find_quant(t.type);
    std::vector<std::byte> bytes(type.row_bytes(static_cast<size_t>(t.k)) * static_cast<size_t>(t.rows * t.matrices));
    for (std::byte& b : bytes) b = static_cast<std::byte>((state = state * 1664525u + 1013904223u) >> 24);
    ASSERT_TRUE(w.write(t.name, bytes).ok());
  }
  ASSERT_TRUE(w.finish().ok());
  // The clock of files moves on: what is younger than that is not trusted.
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
}

int64_t now() { return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count(); }

TensorStore open_source(const std::string& path) {
  auto store = TensorStore::open(path);
  EXPECT_TRUE(store.ok());
  return std::move(store).value();
}

class PackedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto kernels = active_kernels();
    ASSERT_TRUE(kernels.ok());
    kernels_ = *kernels;
    if (!kernels_->packs()) GTEST_SKIP() << "these kernels read the file's own layout";
    source_path_ = dir_.file("source.gguf");
    write_source(source_path_, 1);
    source_.emplace(open_source(source_path_));
    folder_ = dir_.file("cache/packed");
    path_ = packed_path(folder_, source_path_);
  }

  PackedStore lay_out(const TensorStore& source, std::optional<PackedFile> file = {}) {
    PackedStore packed(*kernels_);
    if (file) packed.use(*std::move(file));
    for (const Tensor& t : kTensors) {
      const int64_t dims[] = {t.k, t.rows, t.matrices};
      const auto ref = source.require(t.name, dims);
      EXPECT_TRUE(ref.ok());
      // One of them in two parts, as joined projections are.
      const int cut = std::string_view(t.name) == "b.weight" ? 32 : t.rows;
      for (int first = 0; first < t.rows; first += cut) {
        const MatrixRows rows{.n = cut, .first = first, .of = t.rows};
        EXPECT_TRUE(packed.lay_out(source, *ref, t.matrices, rows, t.k, true, team_).ok());
      }
    }
    return packed;
  }
  void keep() {
    const PackedStore packed = lay_out(*source_);
    const Status kept = keep_packed(folder_, kPackedFolderBytes, *source_, packed.pieces(), now(), {});
    ASSERT_TRUE(kept.ok()) << kept.error().message;
  }
  Result<PackedFile> open() { return PackedFile::open(path_, *source_, *kernels_, team_); }
  void expect_unused(ErrorCode code, std::initializer_list<std::string_view> words) {
    expect_error(open(), code, words);
  }

  // Writes to the file as anybody could.
  void poke(const std::string& path, off_t at, char byte) {
    const int fd = ::open(path.c_str(), O_WRONLY);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::pwrite(fd, &byte, 1, at), 1);
    ::close(fd);
  }
  char peek(const std::string& path, off_t at) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    char byte = 0;
    EXPECT_EQ(::pread(fd, &byte, 1, at), 1);
    ::close(fd);
    return byte;
  }

  ScratchDir dir_;
  const KernelTable* kernels_ = nullptr;
  ThreadTeam team_ = std::move(ThreadTeam::make(3)).value();
  std::string source_path_;
  std::optional<TensorStore> source_;
  std::string folder_;
  std::string path_;
};

TEST_F(PackedFileTest, HasTheBytesThatPackingGives) {
  keep();
  const PackedStore made = lay_out(*source_);
  auto file = open();
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->n_pieces(), std::size(kTensors) + 1);
  const PackedStore kept = lay_out(*source_, std::move(file).value());
  EXPECT_EQ(kept.packed_bytes(), 0u);
  EXPECT_TRUE(kept.all_from_file());
  ASSERT_EQ(made.pieces().size(), kept.pieces().size());
  for (size_t i = 0; i < made.pieces().size(); ++i) {
    const LaidPiece& a = made.pieces()[i];
    const LaidPiece& b = kept.pieces()[i];
    EXPECT_EQ(a.piece, b.piece);
    ASSERT_EQ(a.bytes, b.bytes);
    EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes), 0) << a.piece.tensor;
  }
  EXPECT_TRUE(check_packed_file(path_, team_).ok());
}

TEST_F(PackedFileTest, IsForItsOwnerAlone) {
  ::umask(0);
  keep();
  ::umask(022);
  struct stat info = {};
  for (const std::string& p : {path_, mark_path(path_)}) {
    ASSERT_EQ(::stat(p.c_str(), &info), 0) << p;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << p;
  }
  for (const std::string& p : {folder_, dir_.file("cache")}) {
    ASSERT_EQ(::stat(p.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u) << p;
  }
}

TEST_F(PackedFileTest, NothingIsThere) { expect_unused(ErrorCode::kNotFound, {path_, "no packed weights"}); }

TEST_F(PackedFileTest, ASourceThatWasWrittenToIsAnother) {
  keep();
  const fs::file_time_type before = fs::last_write_time(source_path_);
  poke(source_path_, static_cast<off_t>(fs::file_size(source_path_)) - 1, 1);
  fs::last_write_time(source_path_, before);  // as a copying program would
  source_.emplace(open_source(source_path_));
  expect_unused(ErrorCode::kInvalidArgument, {path_, "made of another file", source_path_});
}

TEST_F(PackedFileTest, ASourcePutInItsPlaceIsAnother) {
  keep();
  const fs::file_time_type before = fs::last_write_time(source_path_);
  write_source(dir_.file("other.gguf"), 2);
  fs::rename(dir_.file("other.gguf"), source_path_);
  fs::last_write_time(source_path_, before);
  source_.emplace(open_source(source_path_));
  expect_unused(ErrorCode::kInvalidArgument, {path_, "made of another file"});
}

TEST_F(PackedFileTest, AnotherModelsFileUnderItsName) {
  keep();
  const std::string other = dir_.file("other.gguf");
  write_source(other, 2);
  fs::copy(path_, packed_path(folder_, other));
  fs::copy(mark_path(path_), mark_path(packed_path(folder_, other)));
  source_.emplace(open_source(other));
  path_ = packed_path(folder_, other);
  expect_unused(ErrorCode::kInvalidArgument, {path_, "made of another file"});
}

// Whatever byte is changed, and whenever: the file's stamp is another one then, and all digests are compared.
TEST_F(PackedFileTest, AChangedByteIsNoticed) {
  keep();
  const auto size = static_cast<off_t>(fs::file_size(path_));
  for (const off_t at :
       {off_t{0}, off_t{4}, off_t{30}, off_t{400}, off_t{4095}, size / 3, size / 2, size - 4097, size - 33, size - 1}) {
    const char was = peek(path_, at);
    poke(path_, at, static_cast<char>(was ^ 0x10));
    const auto damaged = open();
    EXPECT_FALSE(damaged.ok()) << at;
    if (at > 8) {
      EXPECT_FALSE(check_packed_file(path_, team_).ok()) << at;
    }
    poke(path_, at, was);
    const auto whole = open();  // compared again, and marked
    EXPECT_TRUE(whole.ok()) << at << ": " << whole.error().message;
  }
}

TEST_F(PackedFileTest, WithoutItsMarkItIsComparedAndMarked) {
  keep();
  ASSERT_TRUE(fs::remove(mark_path(path_)));
  EXPECT_TRUE(open().ok());
  EXPECT_TRUE(fs::exists(mark_path(path_)));
  const off_t middle = static_cast<off_t>(fs::file_size(path_)) / 2;
  poke(path_, middle, static_cast<char>(peek(path_, middle) ^ 1));
  ASSERT_TRUE(fs::remove(mark_path(path_)));
  expect_unused(ErrorCode::kCorrupt, {path_, "damaged"});
  EXPECT_FALSE(fs::exists(mark_path(path_)));
}

TEST_F(PackedFileTest, Truncated) {
  keep();
  const uint64_t size = fs::file_size(path_);
  for (const uint64_t left : {size - 1, size / 2, uint64_t{4096}, uint64_t{100}, uint64_t{0}}) {
    fs::resize_file(path_, left);
    expect_unused(ErrorCode::kCorrupt, {path_, "damaged"});
  }
}

TEST_F(PackedFileTest, AnotherVersion) {
  keep();
  std::string bytes = *read_input_file(path_);
  const std::string key = "kedge.packed.version";
  const size_t at = bytes.find(key) + key.size() + 4;
  poke(path_, static_cast<off_t>(at), 2);
  expect_unused(ErrorCode::kInvalidArgument, {path_, "has version 2"});
}

// A file that is whole, of this source, and packed by a program that packs otherwise: its first rows tell.
TEST_F(PackedFileTest, AnotherLayout) {
  PackedStore packed = lay_out(*source_);
  std::vector<LaidPiece> pieces(packed.pieces().begin(), packed.pieces().end());
  std::vector<std::byte> other(pieces[1].data, pieces[1].data + pieces[1].bytes);
  std::swap(other[0], other[70]);
  other[3] ^= std::byte{1};
  pieces[1].data = other.data();
  const Status kept = keep_packed(folder_, kPackedFolderBytes, *source_, pieces, now(), {});
  ASSERT_TRUE(kept.ok()) << kept.error().message;
  ASSERT_TRUE(check_packed_file(path_, team_).ok());
  expect_unused(ErrorCode::kInvalidArgument, {path_, "does not hold what packing 'b.weight' gives"});
}

TEST_F(PackedFileTest, OthersMayNotWriteToIt) {
  keep();
  ::chmod(path_.c_str(), 0620);
  expect_unused(ErrorCode::kInvalidArgument, {path_, "other users may write"});
  ::chmod(path_.c_str(), 0644);
  EXPECT_TRUE(open().ok());
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(path_.c_str(), 12345, 0), 0);
  expect_unused(ErrorCode::kInvalidArgument, {path_, "belongs to another user"});
}

TEST_F(PackedFileTest, SymbolicLinksAreNeitherReadNorReplaced) {
  keep();
  const std::string elsewhere = dir_.file("elsewhere");
  fs::rename(path_, elsewhere);
  fs::create_symlink(elsewhere, path_);
  expect_unused(ErrorCode::kInvalidArgument, {path_, "not a regular file"});
  const PackedStore packed = lay_out(*source_);
  expect_error(keep_packed(folder_, kPackedFolderBytes, *source_, packed.pieces(), now(), {}),
               ErrorCode::kInvalidArgument, {path_, "symbolic link"});
  EXPECT_TRUE(fs::exists(elsewhere));
}

TEST_F(PackedFileTest, ASourceThatChangedMeanwhileIsNotKept) {
  const PackedStore packed = lay_out(*source_);
  fs::last_write_time(source_path_, fs::file_time_type::clock::now());
  expect_error(keep_packed(folder_, kPackedFolderBytes, *source_, packed.pieces(), now(), {}), ErrorCode::kIo,
               {source_path_, "another file than the one that was loaded"});
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(PackedFileTest, ASourceWrittenJustBeforeIsNotKept) {
  const PackedStore packed = lay_out(*source_);
  const int64_t loaded_at = source_->file(0).stamp().changed + 1'000'000;
  expect_error(keep_packed(folder_, kPackedFolderBytes, *source_, packed.pieces(), loaded_at, {}), ErrorCode::kIo,
               {source_path_, "written just before"});
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(PackedFileTest, Cancelled) {
  const PackedStore packed = lay_out(*source_);
  expect_error(keep_packed(folder_, kPackedFolderBytes, *source_, packed.pieces(), now(),
                           [](uint64_t done, uint64_t) { return done == 0; }),
               ErrorCode::kCancelled, {});
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_FALSE(open().ok());
}

TEST_F(PackedFileTest, AFolderThatCannotBeMade) {
  const PackedStore packed = lay_out(*source_);
  const std::string in_file = dir_.save("file", "x") + "/packed";
  expect_error(keep_packed(in_file, kPackedFolderBytes, *source_, packed.pieces(), now(), {}), ErrorCode::kIo,
               {dir_.file("file")});
}

// Many processes at once: one file that is whole, whoever wrote it.
TEST_F(PackedFileTest, SeveralWritersLeaveOneWholeFile) {
  const PackedStore packed = lay_out(*source_);
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const Status kept = keep_packed(folder_, kPackedFolderBytes, *source_, packed.pieces(), now(), {});
      ::_exit(kept.ok() ? 0 : kept.error().code == ErrorCode::kCapacity ? 1 : 2);
    }
    children.push_back(child);
  }
  int written = 0;
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_LT(WEXITSTATUS(status), 2);
    written += WEXITSTATUS(status) == 0 ? 1 : 0;
  }
  EXPECT_GE(written, 1);
  EXPECT_TRUE(open().ok());
  EXPECT_EQ(packed_folder_entries(folder_).size(), 1u);
}

class PackedFolderTest : public PackedFileTest {
 protected:
  // Packs a model of its own.
  std::string keep_model(const std::string& name, uint64_t limit) {
    const std::string source = dir_.file(name);
    if (!fs::exists(source)) write_source(source, 7);
    const TensorStore store = open_source(source);
    const PackedStore packed = lay_out(store);
    last_ = keep_packed(folder_, limit, store, packed.pieces(), now(), {});
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return packed_path(folder_, source);
  }
  Status last_;
};

TEST_F(PackedFolderTest, ThoseNotUsedForLongestMakeRoom) {
  const std::string a = keep_model("a.gguf", kPackedFolderBytes);
  ASSERT_TRUE(last_.ok()) << last_.error().message;
  const uint64_t limit = fs::file_size(a) * 5 / 2;  // two of them
  const std::string b = keep_model("b.gguf", limit);
  ASSERT_TRUE(last_.ok()) << last_.error().message;
  const TensorStore source = open_source(dir_.file("a.gguf"));
  ASSERT_TRUE(PackedFile::open(a, source, *kernels_, team_).ok());  // used: b is older now
  const auto entries = packed_folder_entries(folder_);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].path, a);
  EXPECT_EQ(entries[0].facts.source, dir_.file("a.gguf"));
  const std::string c = keep_model("c.gguf", limit);
  ASSERT_TRUE(last_.ok()) << last_.error().message;
  EXPECT_TRUE(fs::exists(a));
  EXPECT_FALSE(fs::exists(b));
  EXPECT_FALSE(fs::exists(mark_path(b)));
  EXPECT_TRUE(fs::exists(c));
}

TEST_F(PackedFolderTest, ThoseWithoutASourceGoFirst) {
  const std::string a = keep_model("a.gguf", kPackedFolderBytes);
  const std::string b = keep_model("b.gguf", kPackedFolderBytes);
  fs::remove(dir_.file("b.gguf"));
  const std::string c = keep_model("c.gguf", fs::file_size(a) * 5 / 2);
  ASSERT_TRUE(last_.ok()) << last_.error().message;
  EXPECT_TRUE(fs::exists(a));
  EXPECT_FALSE(fs::exists(b));
  EXPECT_TRUE(fs::exists(c));
}

TEST_F(PackedFolderTest, ALimitThatIsTooSmallIsSaid) {
  keep_model("a.gguf", 1000);
  ASSERT_FALSE(last_.ok());
  EXPECT_EQ(last_.error().code, ErrorCode::kCapacity);
  EXPECT_NE(last_.error().message.find("limit of 1000"), std::string::npos) << last_.error().message;
  EXPECT_TRUE(packed_folder_entries(folder_).empty());
}

TEST_F(PackedFolderTest, WhatIsNoPackedFileIsListedWithItsProblem) {
  keep();
  dir_.save("cache/packed/broken.packed", "nothing");
  const auto entries = packed_folder_entries(folder_);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_TRUE(entries[0].problem.empty());
  EXPECT_FALSE(entries[1].problem.empty());
  EXPECT_EQ(entries[1].facts.bytes, 7u);
  for (const PackedFolderEntry& e : entries) EXPECT_TRUE(remove_packed(e.path).ok());
  EXPECT_TRUE(packed_folder_entries(folder_).empty());
  EXPECT_TRUE(remove_packed(path_).ok());
}

}  // namespace
}  // namespace kedge::weights
