// Round trips, refusals, and what is left on the disk when writing fails.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/weights/gguf_bytes.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::weights {
namespace {

const QuantFormat& quant(const char* name) { return *find_quant(std::string_view(name)); }

std::vector<std::byte> pattern(size_t n) {
  std::vector<std::byte> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = static_cast<std::byte>(i * 31 + 7);
  return v;
}

void add_everything(GgufWriter& w) {
  w.add("u8", uint8_t{255});
  w.add("i8", int8_t{-128});
  w.add("u16", uint16_t{65535});
  w.add("i16", int16_t{-32768});
  w.add("u32", 4294967295u);
  w.add("i32", -2147483647);
  w.add("u64", ~uint64_t{0});
  w.add("i64", INT64_MIN);
  w.add("f32", 0.1f);
  w.add("f64", 0.1);
  w.add("bool", true);
  w.add_string("string", "caf\xc3\xa9");
  w.add_strings("strings", std::vector<std::string>{"a", "", "bc"});
  const std::vector<std::string_view> views = {"x", "yz"};
  w.add_strings("views", views);
  w.add_array("f32s", std::span<const float>(std::vector<float>{1.5f, -2.0f}));
  w.add_array("i32s", std::span<const int32_t>(std::vector<int32_t>{-1, 2}));
  w.add_array("u64s", std::span<const uint64_t>(std::vector<uint64_t>{~uint64_t{0}}));
  w.add_bools("bools", std::vector<uint8_t>{0, 1});
  w.add_array("empty", std::span<const uint8_t>());
}

class RoundTrip : public ::testing::TestWithParam<uint64_t> {};

TEST_P(RoundTrip, KeepsEverything) {
  const ScratchDir dir;
  const std::string path = dir.file("m.gguf");
  GgufWriter w;
  w.set_alignment(GetParam());
  add_everything(w);
  const int64_t matrix[] = {64, 3};
  const int64_t vector[] = {5};
  w.add_tensor("a", quant("Q8_0"), matrix);
  w.add_tensor("b", quant("F32"), vector);
  const auto a = pattern(204);
  const auto b = pattern(20);
  ASSERT_TRUE(w.begin(path).ok());
  EXPECT_FALSE(std::filesystem::exists(path));  // not before it is complete
  ASSERT_TRUE(w.write("a", std::span(a).first(100)).ok());
  ASSERT_TRUE(w.write("a", std::span(a).subspan(100)).ok());
  ASSERT_TRUE(w.write("b", b).ok());
  const uint64_t total = w.total_bytes();
  ASSERT_TRUE(w.finish().ok());
  EXPECT_EQ(dir.n_files(), 1u);
  EXPECT_EQ(std::filesystem::file_size(path), total);

  const auto store = TensorStore::open(path);
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_EQ(store->alignment(), GetParam());
  EXPECT_EQ(store->version(), 3u);
  const GgufMetadata& m = store->metadata();
  EXPECT_EQ(*m.get_u32("u8"), 255u);
  EXPECT_EQ(*m.get_i32("i8"), -128);
  EXPECT_EQ(*m.get_u32("u16"), 65535u);
  EXPECT_EQ(*m.get_i32("i16"), -32768);
  EXPECT_EQ(*m.get_u32("u32"), 4294967295u);
  EXPECT_EQ(*m.get_i32("i32"), -2147483647);
  EXPECT_EQ(*m.get_u64("u64"), ~uint64_t{0});
  EXPECT_EQ(*m.get_i64("i64"), INT64_MIN);
  EXPECT_EQ(*m.get_f32("f32"), 0.1f);
  EXPECT_EQ(*m.get_f64("f64"), 0.1);
  EXPECT_TRUE(*m.get_bool("bool"));
  EXPECT_EQ(*m.get_string("string"), "caf\xc3\xa9");
  EXPECT_EQ(*m.get_strings("strings"), (std::vector<std::string_view>{"a", "", "bc"}));
  EXPECT_EQ(*m.get_strings("views"), (std::vector<std::string_view>{"x", "yz"}));
  EXPECT_EQ(*m.get_f32s("f32s"), (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(*m.get_i32s("i32s"), (std::vector<int32_t>{-1, 2}));
  EXPECT_EQ(*m.get_bools("bools"), (std::vector<uint8_t>{0, 1}));
  EXPECT_EQ(m.get_u32s("empty")->size(), 0u);
  EXPECT_EQ(std::memcmp(store->require("a", matrix)->data, a.data(), a.size()), 0);
  EXPECT_EQ(std::memcmp(store->require("b", vector)->data, b.data(), b.size()), 0);
  for (const TensorInfo& t : store->tensors()) EXPECT_EQ(t.offset % GetParam(), 0u);
}
INSTANTIATE_TEST_SUITE_P(Alignments, RoundTrip, ::testing::Values(8u, 32u, 64u, 1u << 20));

TEST(GgufWriter, CopyIsByteForByte) {
  const auto build = [](auto&& fill) {
    GgufWriter w;
    fill(w);
    return *w.header();
  };
  const auto original = build([](GgufWriter& w) {
    w.set_alignment(64);
    add_everything(w);
  });
  const auto parsed = parse_gguf(original, "original");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const auto copied = build([&](GgufWriter& w) {
    for (const GgufEntry& e : parsed->metadata.entries()) w.copy(e);
  });
  EXPECT_EQ(original, copied);

  GgufBytes nested(0, 1);  // not something the writer makes, but something it keeps
  nested.array("n", GgufType::kArray, 2).put(8).put<uint64_t>(1).str("s").put(0).put<uint64_t>(1).put<uint8_t>(3).pad();
  const auto with_nested = nested.parse();
  ASSERT_TRUE(with_nested.ok());
  EXPECT_EQ(build([&](GgufWriter& w) { w.copy(with_nested->metadata.entries()[0]); }), nested.bytes());
}

TEST(GgufWriter, RefusesWhatTheReaderWould) {
  const int64_t odd[] = {33};
  const int64_t five[] = {1, 1, 1, 1, 1};
  const int64_t zero[] = {4, 0};
  const int64_t huge[] = {int64_t{1} << 62, 4};
  const int64_t one[] = {1};
  const auto refused = [](auto&& fill, std::initializer_list<std::string_view> parts) {
    const ScratchDir dir;
    GgufWriter w;
    fill(w);
    w.add("later", 1);  // the first problem is the one reported
    expect_error(w.begin(dir.file("m.gguf")), ErrorCode::kInvalidArgument, parts);
    EXPECT_EQ(dir.n_files(), 0u);
  };
  refused([](GgufWriter& w) { w.add("", 1); }, {"m.gguf", "key ''", "empty"});
  refused([](GgufWriter& w) { w.add(std::string(65536, 'k'), 1); }, {"65536", "65535"});
  refused([](GgufWriter& w) { w.add("a\xff", 1); }, {"'a\\xff'", "UTF-8"});
  refused([](GgufWriter& w) { w.add_string("s", "a\xff"); }, {"key 's'", "UTF-8", "byte 1"});
  refused([](GgufWriter& w) { w.add_strings("s", std::vector<std::string>{"\xff"}); }, {"key 's'", "UTF-8"});
  refused([](GgufWriter& w) { w.add_bools("b", std::vector<uint8_t>{2}); }, {"key 'b'", "is 2"});
  refused([](GgufWriter& w) { w.add("general.alignment", 64u); }, {"general.alignment", "set_alignment"});
  refused([](GgufWriter& w) { w.set_alignment(3); }, {"alignment is 3", "power of two"});
  refused([](GgufWriter& w) { (w.add("twice", 1), w.add("twice", 2)); }, {"key 'twice'", "more than once"});
  refused([&](GgufWriter& w) { w.add_tensor("t", quant("Q8_0"), odd); }, {"tensor 't'", "33", "multiple of the 32"});
  refused([&](GgufWriter& w) { w.add_tensor("t", quant("F32"), five); }, {"tensor 't'", "5 dimensions", "4"});
  refused([&](GgufWriter& w) { w.add_tensor("t", quant("F32"), zero); }, {"tensor 't'", "dimension 1 is 0"});
  refused([&](GgufWriter& w) { w.add_tensor("t", quant("F32"), huge); }, {"tensor 't'", "overflows"});
  refused([&](GgufWriter& w) { w.add_tensor(std::string(65, 'n'), quant("F32"), one); }, {"65", "64"});
  refused([&](GgufWriter& w) { (w.add_tensor("t", quant("F32"), one), w.add_tensor("t", quant("F32"), one)); },
          {"tensor 't'", "more than once"});
}

TEST(GgufWriter, WantsTheDataInOrderAndComplete) {
  const ScratchDir dir;
  const std::string path = dir.file("m.gguf");
  const int64_t dims[] = {4};
  const auto data = pattern(32);
  {
    GgufWriter w;
    w.add_tensor("a", quant("F32"), dims);
    w.add_tensor("b", quant("F32"), dims);
    expect_error(w.write("a", data), ErrorCode::kInvalidArgument, {"'a'", "no file was begun"});
    expect_error(w.finish(), ErrorCode::kInvalidArgument, {"no file was begun"});
    ASSERT_TRUE(w.begin(path).ok());
    expect_error(w.begin(path), ErrorCode::kInvalidArgument, {path, "already"});
    expect_error(w.write("b", data), ErrorCode::kInvalidArgument, {path, "'b'", "where 'a' is next"});
    expect_error(w.write("a", data), ErrorCode::kInvalidArgument, {path, "'a'", "takes 16 bytes", "32 more"});
    ASSERT_TRUE(w.write("a", std::span(data).first(16)).ok());
    ASSERT_TRUE(w.write("b", std::span(data).first(12)).ok());
    expect_error(w.finish(), ErrorCode::kInvalidArgument, {path, "'b'", "12 of its 16 bytes"});
    EXPECT_LE(dir.n_files(), 1u);  // the temporary file, where the file system knows none without a name
  }
  EXPECT_EQ(dir.n_files(), 0u);
}

TEST(GgufWriter, RefusesTargets) {
  const ScratchDir dir;
  GgufWriter w;
  expect_error(w.begin(dir.path()), ErrorCode::kInvalidArgument, {dir.path(), "a directory"});
  expect_error(w.begin("/dev/full"), ErrorCode::kInvalidArgument, {"/dev/full", "not replaced"});
  expect_error(w.begin(dir.file("no/such/m.gguf")), ErrorCode::kIo,
               {"no/such/m.gguf", "cannot create", "No such file"});
  expect_error(w.begin(""), ErrorCode::kInvalidArgument, {"''"});
  dir.save("real.gguf", "old");
  std::filesystem::create_symlink("real.gguf", dir.file("link.gguf"));
  expect_error(w.begin(dir.file("link.gguf")), ErrorCode::kInvalidArgument, {"link.gguf", "a symbolic link"});
}

// A disk that is full after `limit` bytes, as far as this process can tell.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t limit) : old_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit now = {limit, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_ = {};
  void (*old_handler_)(int);
};

// However little fits: an error that says so, the old file as it was, nothing else in the folder.
TEST(GgufWriter, FullDiskAtEveryPoint) {
  const ScratchDir dir;
  const std::string path = dir.save("m.gguf", "the old file");
  const int64_t dims[] = {100};
  const auto data = pattern(400);
  const auto attempt = [&]() -> Status {
    GgufWriter w;
    w.add_string("general.architecture", "llama");
    w.add_tensor("a", quant("F32"), dims);
    w.add_tensor("b", quant("F32"), dims);
    KEDGE_TRY(w.begin(path));
    KEDGE_TRY(w.write("a", data));
    KEDGE_TRY(w.write("b", data));
    return w.finish();
  };
  for (rlim_t limit = 0; limit < 992; limit += 31) {
    Status status;
    {
      const FileSizeLimit full(limit);
      status = attempt();
    }
    expect_error(status, ErrorCode::kIo, {path, "cannot write", "after " + std::to_string(limit) + " of 992 bytes"});
    EXPECT_EQ(dir.n_files(), 1u);
    EXPECT_EQ(std::filesystem::file_size(path), 12u);
  }
  EXPECT_TRUE(attempt().ok());
  EXPECT_TRUE(TensorStore::open(path).ok());
  EXPECT_EQ(std::filesystem::file_size(path), 992u);
}

}  // namespace
}  // namespace kedge::weights
