// The reader of safetensors files: what it takes, each kind of damage by its name, and random damage.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "weights/safetensors.h"

namespace kedge::weights {
namespace {

std::string file_of(const std::string& header, const std::string& data) {
  std::string out(8, '\0');
  const uint64_t n = header.size();
  std::memcpy(out.data(), &n, 8);
  return out + header + data;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string entry(const char* name, const char* type, const char* shape, int begin, int end) {
  return "\"" + std::string(name) + R"(":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":[)" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

std::string bytes(size_t n) { return std::string(n, '\x01'); }

// The code and a part of the message that a file is refused with.
void expect_refused(const std::string& file, ErrorCode code, const std::string& part) {
  const auto parsed = parse_safetensors(bytes_of(file), "f");
  ASSERT_FALSE(parsed.ok()) << part;
  EXPECT_EQ(parsed.error().code, code) << parsed.error().message;
  EXPECT_NE(parsed.error().message.find(part), std::string::npos) << parsed.error().message;
}
void expect_refused_header(const std::string& header, size_t data, ErrorCode code, const std::string& part) {
  expect_refused(file_of(header, bytes(data)), code, part);
}

std::string folder() {
  const std::string path = testing::TempDir() + "kedge-safetensors-" + std::to_string(getpid());
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}
void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirData) {
  const std::string file = file_of("{" + entry("b", "F32", "[2,1]", 4, 12) + "," + entry("a", "BF16", "[2]", 0, 4) +
                                       "," + entry("none", "I64", "[0,3]", 12, 12) + "," +
                                       entry("one", "U8", "[]", 12, 13) + R"(,"__metadata__":{"format":"pt"}}   )",
                                   bytes(13));
  const auto parsed = parse_safetensors(bytes_of(file), "f");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 4u);
  EXPECT_EQ((*parsed)[0].name, "a");
  EXPECT_EQ((*parsed)[1].name, "b");
  EXPECT_EQ((*parsed)[1].shape_text(), "[2, 1]");
  EXPECT_EQ((*parsed)[1].n_values(), 2u);
  EXPECT_EQ((*parsed)[1].data.data(), bytes_of(file).data() + file.size() - 9);
  EXPECT_EQ((*parsed)[2].n_values(), 0u);
  EXPECT_EQ((*parsed)[3].n_values(), 1u);
}

TEST(Safetensors, FloatsOfEveryType) {
  const auto read = [](SafetensorsType type, const auto& values) {
    SafetensorsTensor t;
    t.type = type;
    t.data = std::as_bytes(std::span(values));
    std::vector<float> out(t.n_values() - 1);
    read_safetensors_floats(t, 1, out.size(), out.data());
    return out;
  };
  EXPECT_EQ(read(SafetensorsType::kF32, std::vector<float>{9, 1.5f, -2}), (std::vector<float>{1.5f, -2}));
  EXPECT_EQ(read(SafetensorsType::kF64, std::vector<double>{9, 1.5, 0.1}), (std::vector<float>{1.5f, 0.1f}));
  EXPECT_EQ(read(SafetensorsType::kF16, std::vector<uint16_t>{0, 0x3c00, 0xc100, 1}),
            (std::vector<float>{1, -2.5f, 0x1p-24f}));
  EXPECT_EQ(read(SafetensorsType::kBf16, std::vector<uint16_t>{0, 0x3f80, 0xc020}), (std::vector<float>{1, -2.5f}));
}

TEST(Safetensors, DamageHasAName) {
  using enum ErrorCode;
  expect_refused("", kInvalidArgument, "too few");
  expect_refused(bytes(7), kInvalidArgument, "too few");
  expect_refused(file_of("{}", "").substr(0, 9), kCorrupt, "header says it has 2 bytes");
  expect_refused(std::string(8, '\xff') + "{}", kCorrupt, "18446744073709551615");
  expect_refused_header("[]", 0, kCorrupt, "'{'");
  expect_refused_header(" {}", 0, kCorrupt, "'{'");
  expect_refused_header("{} x", 0, kInvalidArgument, "byte 3");
  expect_refused_header("{", 0, kInvalidArgument, "header");
  expect_refused_header(R"({"a":1})", 0, kInvalidArgument, "'a' is not a JSON object");
  expect_refused_header("{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("a", "F32", "[1]", 0, 4) + "}", 4,
                        kInvalidArgument, "a");
  expect_refused_header("{" + entry("a", "F8_E4M3", "[1]", 0, 1) + "}", 1, kUnsupported, "F8_E4M3");
  expect_refused_header("{" + entry("a", "F32", "[2]", 0, 4) + "}", 4, kCorrupt, "takes 8");
  expect_refused_header("{" + entry("a", "F32", "[-1]", 0, 4) + "}", 4, kInvalidArgument, "shape is -1");
  expect_refused_header("{" + entry("a", "F32", "[1.5]", 0, 4) + "}", 4, kInvalidArgument, "shape is 1.5");
  expect_refused_header("{" + entry("a", "F32", "1", 0, 4) + "}", 4, kCorrupt, "shape must be a list");
  expect_refused_header("{" + entry("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) + "}", 4, kCorrupt, "at most 8");
  expect_refused_header("{" + entry("a", "F32", "[281474976710656,281474976710656]", 0, 4) + "}", 4, kCorrupt,
                        "overflows");
  expect_refused_header("{" + entry("a", "F32", "[1]", 4, 0) + "}", 4, kInvalidArgument, "data_offsets");
  expect_refused_header("{" + entry("a", "F32", "[1]", 4, 8) + "}", 8, kCorrupt, "a gap begins at 0");
  expect_refused_header("{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[1]", 4, 8) + "}", 8, kCorrupt,
                        "ends at 8");
  expect_refused_header("{" + entry("a", "F32", "[2]", 0, 8) + "}", 7, kCorrupt, "truncated");
  expect_refused_header("{" + entry("a", "F32", "[1]", 0, 4) + "}", 5, kCorrupt, "1 bytes at the end");
  expect_refused_header(R"({"a":{"dtype":"F32","shape":[1]}})", 4, kInvalidArgument, "data_offsets");
  expect_refused_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, kInvalidArgument, "x");
  expect_refused_header(R"({"__metadata__":{"format":1}})", 0, kCorrupt, "__metadata__.format");
  expect_refused_header("{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}", 0, kCapacity, "header");
}

// Whatever the bytes are, there is a result or an error; what is read lies in the file.
TEST(Safetensors, RandomDamage) {
  const std::string good = file_of(
      "{" + entry("model.a", "F32", "[2,3]", 0, 24) + "," + entry("model.b", "BF16", "[4]", 24, 32) + "}", bytes(32));
  std::mt19937 random(7);
  size_t refused = 0;
  constexpr int kRounds = 20000;
  for (int round = 0; round < kRounds; ++round) {
    std::string file = good;
    const size_t changes = 1 + random() % 4;
    for (size_t i = 0; i < changes && !file.empty(); ++i) {
      const size_t at = random() % file.size();
      switch (random() % 4) {
        case 0:
          file[at] = static_cast<char>(random());
          break;
        case 1:
          file.erase(at, random() % 8);
          break;
        case 2:
          file.insert(at, 1, R"({}[]",:0123456789-eE)"[random() % 20]);
          break;
        default:
          file.resize(at + 1);
      }
    }
    const auto parsed = parse_safetensors(bytes_of(file), "f");
    refused += parsed.ok() ? 0 : 1;
    if (!parsed.ok()) {
      EXPECT_FALSE(parsed.error().message.empty());
      continue;
    }
    for (const SafetensorsTensor& t : *parsed) {
      EXPECT_GE(t.data.data(), bytes_of(file).data());
      EXPECT_LE(t.data.data() + t.data.size(), bytes_of(file).data() + file.size());
    }
  }
  EXPECT_GT(refused, size_t{kRounds / 2});
}

TEST(SafetensorsStore, PartsAreCheckedAgainstTheIndex) {
  const std::string path = folder();
  const std::string a = file_of("{" + entry("a", "F32", "[1]", 0, 4) + "}", bytes(4));
  const std::string b = file_of("{" + entry("b", "F32", "[1]", 0, 4) + "}", bytes(4));
  const std::string index = path + "/model.safetensors.index.json";
  const auto refused = [&](const std::string& part) {
    const auto store = SafetensorsStore::open(path);
    ASSERT_FALSE(store.ok()) << part;
    EXPECT_NE(store.error().message.find(part), std::string::npos) << store.error().message;
  };
  refused("has neither");
  write(path + "/pytorch_model.bin", "x");
  refused("pytorch_model.bin is not read");
  write(index, R"({"metadata":{"total_size":8},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  write(path + "/1.safetensors", a);
  refused("2.safetensors");
  write(path + "/2.safetensors", a);
  refused("'a' is in 2.safetensors, but weight_map says '1.safetensors'");
  write(path + "/2.safetensors", file_of("{}", ""));
  refused("'b' should be in '2.safetensors'");
  write(path + "/2.safetensors", b);
  const auto store = SafetensorsStore::open(path);
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_EQ(store->tensors().size(), 2u);
  EXPECT_NE(store->find("b"), nullptr);
  EXPECT_EQ(store->find("c"), nullptr);
  write(index, R"({"weight_map":{"a":"../1.safetensors"}})");
  refused("no name of a file of this folder");
  write(index, R"({"weight_map":{"a":7}})");
  refused("no name of a file of this folder");
  write(index, R"({"weight_map":[]})");
  refused("weight_map is no object");
  write(index, R"({"weight_map":{"a":"1.safetensors"}, "more": 1})");
  refused("more");
  write(path + "/model.safetensors", a);  // counts before an index
  EXPECT_TRUE(SafetensorsStore::open(path).ok());
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace kedge::weights
