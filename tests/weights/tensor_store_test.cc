// One file or many: lookup, shapes, split models, and mapping equal to reading.
#include <gtest/gtest.h>

#include <unistd.h>
#include <chrono>
#include <filesystem>

#include "tests/weights/gguf_bytes.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::weights {
namespace {

std::vector<std::byte> pattern(size_t n, unsigned seed) {
  std::vector<std::byte> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = static_cast<std::byte>(i * 13 + seed);
  return v;
}

struct SplitSpec {
  uint16_t no;
  uint16_t count;
  int32_t tensors;
  std::vector<std::string> names;
};

void write_part(const std::string& path, const SplitSpec& spec) {
  GgufWriter w;
  if (spec.no == 0) w.add_string("general.architecture", "llama");
  w.add("split.no", spec.no);
  w.add("split.count", spec.count);
  w.add("split.tensors.count", spec.tensors);
  const int64_t dims[] = {16, 2};
  for (const auto& name : spec.names) w.add_tensor(name, *find_quant("F32"), dims);
  ASSERT_TRUE(w.begin(path).ok());
  for (const auto& name : spec.names) {
    ASSERT_TRUE(w.write(name, pattern(128, static_cast<unsigned>(name.back()))).ok());
  }
  ASSERT_TRUE(w.finish().ok());
}

class Split : public ::testing::Test {
 protected:
  void SetUp() override {
    write_part(part(1), {0, 3, 4, {"t.a", "t.b"}});
    write_part(part(2), {1, 3, 4, {"t.c"}});
    write_part(part(3), {2, 3, 4, {"t.d"}});
  }
  std::string part(int i) const { return dir_.file("m-0000" + std::to_string(i) + "-of-00003.gguf"); }
  ScratchDir dir_;
};

TEST_F(Split, IsOneModel) {
  for (const bool use_mmap : {true, false}) {
    LoadOptions o;
    o.use_mmap = use_mmap;
    uint64_t last = 0;
    uint64_t total = 0;
    o.progress = [&](uint64_t done, uint64_t all) {
      EXPECT_GE(done, last);
      last = done;
      total = all;
      return true;
    };
    auto opened = TensorStore::open(part(1), o);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    const TensorStore store = std::move(*opened);
    EXPECT_EQ(store.n_files(), 3u);
    EXPECT_EQ(store.tensors().size(), 4u);
    EXPECT_EQ(store.tensor_bytes(), 512u);
    EXPECT_EQ(*store.metadata().get_string("general.architecture"), "llama");
    uint64_t size = 0;
    for (int i = 1; i <= 3; ++i) size += std::filesystem::file_size(part(i));
    EXPECT_EQ(store.file_bytes(), size);
    EXPECT_EQ(total, size);
    EXPECT_EQ(last, size);
    for (const char* name : {"t.a", "t.b", "t.c", "t.d"}) {
      const auto t = store.require(name, {16, 2});
      ASSERT_TRUE(t.ok()) << t.error().message;
      EXPECT_EQ(std::memcmp(t->data, pattern(128, static_cast<unsigned>(name[2])).data(), 128), 0) << name;
      store.advise(*t->info, MappedFile::Advice::kWillNeed);
    }
    EXPECT_EQ(store.find("t.c")->file, 1u);
  }
}

TEST_F(Split, WantsTheFirstPart) {
  expect_error(TensorStore::open(part(2)), ErrorCode::kInvalidArgument,
               {part(2), "part 2 of 3", "give the first part", part(1)});
  std::filesystem::remove(part(3));
  expect_error(TensorStore::open(part(1)), ErrorCode::kNotFound, {part(3), "part 3 of 3", "missing"});
  std::filesystem::remove(part(1));
  expect_error(TensorStore::open(part(1)), ErrorCode::kNotFound, {part(1), "No such file"});
}

TEST_F(Split, ChecksWhatPartsSay) {
  write_part(part(2), {1, 2, 4, {"t.c"}});
  expect_error(TensorStore::open(part(1)), ErrorCode::kCorrupt, {part(2), "'split.count'", "is 2", "expected 3"});
  write_part(part(2), {2, 3, 4, {"t.c"}});
  expect_error(TensorStore::open(part(1)), ErrorCode::kCorrupt, {part(2), "'split.no'", "is 2", "expected 1"});
  write_part(part(2), {1, 3, 5, {"t.c"}});
  expect_error(TensorStore::open(part(1)), ErrorCode::kCorrupt,
               {part(2), "'split.tensors.count'", "is 5", "expected 4"});
  write_part(part(2), {1, 3, 4, {"t.a"}});
  expect_error(TensorStore::open(part(1)), ErrorCode::kCorrupt, {part(2), "'t.a'", "earlier part"});
  dir_.save("m-00002-of-00003.gguf", "junk");
  expect_error(TensorStore::open(part(1)), ErrorCode::kInvalidArgument, {part(2), "not a GGUF file"});
}

TEST_F(Split, NameMustFollowThePattern) {
  std::filesystem::rename(part(1), dir_.file("renamed.gguf"));
  expect_error(TensorStore::open(dir_.file("renamed.gguf")), ErrorCode::kInvalidArgument,
               {"renamed.gguf", "'split.count'", "is 3", "-00001-of-00003.gguf"});
  GgufBytes plain(0, 0);  // a single file may carry a name of one part
  EXPECT_TRUE(TensorStore::open(dir_.save("one-00001-of-00001.gguf", plain.bytes())).ok());
  expect_error(TensorStore::open(dir_.save("x-00001-of-99999.gguf", plain.bytes())), ErrorCode::kCapacity,
               {"99999", "65535"});
}

TEST(TensorStore, FindsAndChecksShapes) {
  GgufBytes b(2, 0);
  b.tensor("m", {4, 2, 1}, kF32, 0).tensor("v", {3}, kF32, 32).pad().zeros(64);
  const auto store = TensorStore::from_bytes(b.bytes(), "mem");
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_EQ(store->find("none"), nullptr);
  ASSERT_NE(store->find("v"), nullptr);
  EXPECT_EQ(store->data(*store->find("v")).size(), 12u);
  EXPECT_TRUE(store->require("m", {4, 2}).ok());
  EXPECT_TRUE(store->require("m", {4, 2, 1, 1, 1}).ok());
  EXPECT_TRUE(static_cast<bool>(*store->optional("v", {3})));
  EXPECT_FALSE(static_cast<bool>(*store->optional("none", {3})));
  expect_error(store->require("none", {8, 9}), ErrorCode::kNotFound, {"mem", "'none'", "missing", "[8, 9]"});
  expect_error(store->require("m", {2, 4}), ErrorCode::kCorrupt, {"mem", "'m'", "[4, 2, 1]", "expected [2, 4]"});
  expect_error(store->require("m", {4}), ErrorCode::kCorrupt, {"'m'", "expected [4]"});
  expect_error(store->require("m", {4, 2, 1, 1, 2}), ErrorCode::kCorrupt, {"'m'", "expected [4, 2, 1, 1, 2]"});
  expect_error(store->optional("v", {4}), ErrorCode::kCorrupt, {"mem", "'v'", "[3]", "expected [4]"});
  expect_error(TensorStore::from_bytes(std::span(b.bytes()).subspan(1), "mem"), ErrorCode::kInvalidArgument,
               {"mem", "aligned to 8"});
}

TEST(TensorStore, RefusesWrongFiles) {
  const ScratchDir dir;
  expect_error(TensorStore::open(dir.file("none")), ErrorCode::kNotFound, {dir.file("none")});
  expect_error(TensorStore::open(dir.path()), ErrorCode::kInvalidArgument, {dir.path(), "directory"});
  expect_error(TensorStore::open(dir.save("t.txt", "Dear diary")), ErrorCode::kInvalidArgument,
               {dir.file("t.txt"), "not a GGUF file", "Dear diary"});
  expect_error(TensorStore::open(dir.save("e", "")), ErrorCode::kInvalidArgument, {dir.file("e"), "empty"});
}

TEST(TensorStore, GigabyteOpensAtOnce) {
  const ScratchDir dir;
  GgufBytes b(1, 0);
  b.tensor("w", {1024, uint64_t{256} << 10}, kF32, 0).pad();
  const std::string path = dir.save("big.gguf", b.bytes());
  ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(b.size() + (uint64_t{1} << 30))), 0);
  const auto start = std::chrono::steady_clock::now();
  const auto store = TensorStore::open(path);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_EQ(store->tensor_bytes(), uint64_t{1} << 30);
  EXPECT_LT(took.count(), 0.2);
}

}  // namespace
}  // namespace kedge::weights
