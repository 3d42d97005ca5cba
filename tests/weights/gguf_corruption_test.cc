// A small file with everything in it, cut at every byte and changed in every byte to every value: whatever comes out,
// it is a result, it comes at once, and it took memory in proportion to the file. Run under ASan and UBSan too.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "tests/weights/allocation_meter.h"
#include "tests/weights/gguf_bytes.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::weights {
namespace {

// What parsing may hold at any one time: a multiple of the file, and room for a message.
constexpr size_t allowed(size_t file_bytes) { return 8 * file_bytes + 4096; }

std::vector<std::byte> sample_file(uint32_t version) {
  GgufBytes b(4, 20, version);
  b.text("general.architecture", "llama").text("general.name", "caf\xc3\xa9 \xe2\x96\x81 \xf0\x9f\x98\x80");
  b.value<uint32_t>("general.alignment", GgufType::kUint32, 64);
  b.value<uint8_t>("u8", GgufType::kUint8, 1).value<int8_t>("i8", GgufType::kInt8, -1);
  b.value<uint16_t>("u16", GgufType::kUint16, 1).value<int16_t>("i16", GgufType::kInt16, -1);
  b.value<int32_t>("i32", GgufType::kInt32, -1).value<float>("f32", GgufType::kFloat32, 1.0f);
  b.value<uint8_t>("bool", GgufType::kBool, 1).value<uint64_t>("u64", GgufType::kUint64, 1);
  b.value<int64_t>("i64", GgufType::kInt64, -1).value<double>("f64", GgufType::kFloat64, 1.0);
  b.array("tokenizer.ggml.tokens", GgufType::kString, 32);
  for (int i = 0; i < 32; ++i) b.str("token" + std::to_string(i));
  b.array("tokenizer.ggml.scores", GgufType::kFloat32, 24);
  for (int i = 0; i < 24; ++i) b.put(static_cast<float>(-i));
  b.array("types", GgufType::kInt32, 4).put(1).put(2).put(3).put(4);
  b.array("flags", GgufType::kBool, 3).put<uint8_t>(1).put<uint8_t>(0).put<uint8_t>(1);
  b.array("empty", GgufType::kUint64, 0).text("tokenizer.chat_template", "{{ messages }}");
  b.array("nested", GgufType::kArray, 2).put(8).put<uint64_t>(2).str("x").str("y").put(0).put<uint64_t>(1);
  b.put<uint8_t>(1);
  b.tensor("token_embd.weight", {32, 4}, kQ8_0, 0).tensor("blk.0.attn_q.weight", {8, 8}, kF32, 192);
  b.tensor("experts", {32, 1, 2, 1}, kQ8_0, 448).tensor("norm", {5}, kF32, 576).pad(64);
  b.zeros(448);
  b.zeros(68).pad(64).zeros(20);
  return b.bytes();
}

// Reads all that a caller can reach, so that a sanitizer sees any extent that is wrong.
uint64_t touch_everything(const TensorStore& store) {
  uint64_t sum = store.tensor_bytes() + store.alignment();
  const GgufMetadata& m = store.metadata();
  for (const GgufEntry& e : m.entries()) {
    EXPECT_EQ(m.find(e.key), &e);
    sum += e.type_name().size() + in_quotes(e.key).size();
    for (const GgufScalar& v : e.elements(1000)) {
      if (const auto* text = std::get_if<std::string_view>(&v)) {
        for (const char c : *text) sum += static_cast<unsigned char>(c);
      }
    }
    if (const auto v = m.get_u32(e.key); v.ok()) sum += *v;
    if (const auto v = m.get_strings(e.key); v.ok()) sum += v->size();
    if (const auto v = m.get_f32s(e.key); v.ok()) sum += v->size();
    if (const auto v = m.get_i32s(e.key); v.ok()) sum += v->size();
    if (const auto v = m.get_u32_per_layer(e.key, 4); v.ok()) sum += v->size();
  }
  for (const TensorInfo& t : store.tensors()) {
    EXPECT_EQ(store.find(t.name), &t);
    EXPECT_EQ(t.bytes, static_cast<uint64_t>(t.rows()) * t.row_bytes());
    for (const std::byte b : store.data(t)) sum += static_cast<unsigned>(b);
  }
  return sum;
}

struct Tally {
  size_t runs = 0;
  size_t accepted = 0;
  size_t worst_bytes = 0;
};

void run(std::span<const std::byte> bytes, Tally& tally) {
  size_t peak = 0;
  {
    const AllocationMeter meter;
    const auto store = TensorStore::from_bytes(bytes, "m.gguf");
    peak = meter.peak_bytes();
    ++tally.runs;
    if (store.ok()) {
      ++tally.accepted;
      touch_everything(*store);
    } else if (store.error().message.find("m.gguf: ") != 0 || store.error().message.size() > 1000) {
      ADD_FAILURE() << store.error().message;
    }
  }
  if (peak > allowed(bytes.size())) ADD_FAILURE() << peak << " bytes for a file of " << bytes.size();
  tally.worst_bytes = std::max(tally.worst_bytes, peak);
}

class Corruption : public ::testing::TestWithParam<uint32_t> {
 protected:
  void TearDown() override {
    RecordProperty("runs", static_cast<int>(tally_.runs));
    RecordProperty("accepted", static_cast<int>(tally_.accepted));
    RecordProperty("worst_bytes", static_cast<int>(tally_.worst_bytes));
  }
  std::vector<std::byte> file_ = sample_file(GetParam());
  Tally tally_;
};

TEST_P(Corruption, TheFileItselfIsFine) {
  const auto store = TensorStore::from_bytes(file_, "m.gguf");
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_EQ(store->metadata().entries().size(), 20u);
  EXPECT_EQ(store->tensors().size(), 4u);
  EXPECT_GT(file_.size(), 2000u);
  EXPECT_LT(file_.size(), 4096u);
}

TEST_P(Corruption, CutAtEveryByte) {
  for (size_t n = 0; n < file_.size(); ++n) {
    // A block of its own exactly as long, so that one byte too many is seen.
    const std::unique_ptr<std::byte[]> cut(new std::byte[n + 1]);
    std::memcpy(cut.get(), file_.data(), n);
    run({cut.get(), n}, tally_);
    EXPECT_EQ(tally_.accepted, 0u) << "cut at byte " << n;
  }
  EXPECT_EQ(tally_.runs, file_.size());
}

TEST_P(Corruption, EveryByteToEveryValue) {
  const auto store = TensorStore::from_bytes(file_, "m.gguf");
  ASSERT_TRUE(store.ok());
  const size_t header = static_cast<size_t>(store->tensors()[0].offset);
  for (size_t i = 0; i < file_.size(); ++i) {
    const std::byte original = file_[i];
    for (unsigned v = 0; v < 256; ++v) {
      // Tensor data is never read by the parser: single bits and the extremes are enough there.
      if (i >= header && std::popcount(v) != 1 && v != 0 && v != 255) continue;
      if (static_cast<std::byte>(v) == original) continue;
      file_[i] = static_cast<std::byte>(v);
      run(file_, tally_);
    }
    file_[i] = original;
  }
  EXPECT_GT(tally_.runs, 255 * header);
  EXPECT_GT(tally_.accepted, 0u);
}

// Counts, lengths, dimensions and offsets are 8 bytes: every 8 bytes set to the values that arithmetic trips over.
TEST_P(Corruption, EveryWordToHostileValues) {
  const uint64_t hostile[] = {0,
                              1,
                              31,
                              32,
                              65535,
                              65536,
                              65537,
                              1ull << 20,
                              1ull << 26,
                              1ull << 31,
                              0xffffffff,
                              1ull << 32,
                              1ull << 58,
                              1ull << 60,
                              1ull << 61,
                              1ull << 62,
                              1ull << 63,
                              ~0ull,
                              ~0ull - 31,
                              ~0ull - 63,
                              ~0ull >> 1,
                              ~0ull << 5,
                              file_.size(),
                              file_.size() - 1,
                              (1ull << 63) - 32};
  for (size_t i = 0; i + 8 <= file_.size(); ++i) {
    uint64_t original = 0;
    std::memcpy(&original, &file_[i], 8);
    for (const uint64_t v : hostile) {
      std::memcpy(&file_[i], &v, 8);
      run(file_, tally_);
    }
    std::memcpy(&file_[i], &original, 8);
  }
}

// Several places at once, so that one error does not always hide the next. The generator is fixed.
TEST_P(Corruption, SeveralBytesAtRandom) {
  uint64_t state = 88172645463325252ull + GetParam();
  const auto next = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  };
  const std::vector<std::byte> original = file_;
  for (int round = 0; round < 50000; ++round) {
    file_ = original;
    const uint64_t changes = 2 + next() % 6;
    for (uint64_t c = 0; c < changes; ++c) {
      const uint64_t r = next();
      // Mostly low bits and small values: what stays plausible gets further.
      file_[(r >> 16) % file_.size()] ^= static_cast<std::byte>((r & 8) != 0 ? 1u << (r & 7) : (r >> 8) & 0xff);
    }
    if (next() % 4 == 0) file_.resize(next() % file_.size());
    run(file_, tally_);
  }
}
INSTANTIATE_TEST_SUITE_P(All, Corruption, ::testing::Values(2u, 3u));

// The densest files there are: as many names, strings and tensors per byte as the format allows.
TEST(CorruptionMemory, DenseFilesStayWithinTheBound) {
  GgufBytes keys(0, 20000);
  for (int i = 0; i < 20000; ++i) {
    const char name[3] = {static_cast<char>('!' + i % 80), static_cast<char>('!' + i / 80 % 80),
                          static_cast<char>('!' + i / 6400)};
    keys.value<uint8_t>(std::string_view(name, 3), GgufType::kUint8, 0);
  }
  GgufBytes tensors(6000, 0);
  for (uint64_t i = 0; i < 6000; ++i) {
    const char name[2] = {static_cast<char>('!' + i % 80), static_cast<char>('!' + i / 80)};
    tensors.tensor(std::string_view(name, 2), {}, kF32, i * 32);
  }
  tensors.pad().zeros(6000 * 32);
  GgufBytes strings(0, 1);
  strings.array("s", GgufType::kString, 100000).zeros(800000);
  for (GgufBytes* b : {&keys, &tensors, &strings}) {
    Tally tally;
    const AllocationMeter meter;
    const auto store = TensorStore::from_bytes(b->bytes(), "m.gguf");
    ASSERT_TRUE(store.ok()) << store.error().message;
    const auto all = store->metadata().get_strings("s");
    EXPECT_LE(meter.peak_bytes(), allowed(b->size()));
  }
}

// Every allocation of opening fails once: an error each time, and nothing leaks or escapes.
TEST(CorruptionMemory, EveryAllocationMayFail) {
  const std::vector<std::byte> file = sample_file(3);
  int failures = 0;
  for (long n = 0;; ++n) {
    fail_allocation_after(n);
    const auto store = TensorStore::from_bytes(file, "m.gguf");
    fail_allocation_after(-1);
    if (store.ok()) break;
    EXPECT_EQ(static_cast<int>(store.error().code), static_cast<int>(ErrorCode::kCapacity));
    ASSERT_LT(++failures, 1000);
  }
  EXPECT_GT(failures, 3);
}

}  // namespace
}  // namespace kedge::weights
