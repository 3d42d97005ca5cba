// Test only: the tokenizer's part of a GGUF file, without the weights room (which this room may not include). Trusts
// the file. Also the texts and tokens of the golden vocabularies.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace kedge::tokenizer {

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string vocab_path(const std::string& name) {
  return std::string(KEDGE_TEST_DATA) + "/vocab/ggml-vocab-" + name + ".gguf";
}

class GgufVocabReader {
 public:
  explicit GgufVocabReader(std::string bytes) : bytes_(std::move(bytes)) {}

  VocabData read() {
    EXPECT_EQ(take<uint32_t>(), 0x46554747u);
    take<uint32_t>();
    take<uint64_t>();
    const auto n = take<uint64_t>();
    for (uint64_t i = 0; i < n; ++i) {
      const std::string key = take_string();
      pair(key, take<uint32_t>());
    }
    return std::move(v_);
  }

 private:
  template <class T>
  T take() {
    T value{};
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::string take_string() {
    const auto n = take<uint64_t>();
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  static size_t width(uint32_t type) {
    static constexpr size_t kWidths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return kWidths[type];
  }

  void array(const std::string& key) {
    const auto type = take<uint32_t>();
    const auto n = take<uint64_t>();
    for (uint64_t i = 0; i < n; ++i) {
      if (type == 8) {
        std::string s = take_string();
        if (key == "tokenizer.ggml.tokens") v_.tokens.push_back(std::move(s));
        if (key == "tokenizer.ggml.merges") v_.merges.push_back(std::move(s));
      } else if (key == "tokenizer.ggml.scores") {
        v_.scores.push_back(take<float>());
      } else if (key == "tokenizer.ggml.token_type") {
        v_.types.push_back(take<int32_t>());
      } else {
        at_ += width(type);
      }
    }
  }

  void pair(const std::string& key, uint32_t type) {
    if (type == 9) return array(key);
    if (type == 8) {
      const std::string value = take_string();
      if (key == "tokenizer.ggml.model") v_.model = value;
      if (key == "tokenizer.ggml.pre") v_.pre = value;
      return;
    }
    const size_t begin = at_;
    const auto id = [&](const char* name, int32_t* field) {
      if (key == std::string("tokenizer.ggml.") + name) std::memcpy(field, bytes_.data() + begin, 4);
    };
    id("bos_token_id", &v_.bos_id);
    id("eos_token_id", &v_.eos_id);
    id("eot_token_id", &v_.eot_id);
    id("unknown_token_id", &v_.unk_id);
    id("padding_token_id", &v_.pad_id);
    if (key == "tokenizer.ggml.add_bos_token") v_.add_bos = bytes_[begin] != 0;
    if (key == "tokenizer.ggml.add_eos_token") v_.add_eos = bytes_[begin] != 0;
    if (key == "tokenizer.ggml.add_space_prefix") v_.add_space_prefix = bytes_[begin] != 0;
    at_ += width(type);
  }

  std::string bytes_;
  size_t at_ = 0;
  VocabData v_;
};

inline VocabData load_vocab(const std::string& name) { return GgufVocabReader(read_file(vocab_path(name))).read(); }

inline std::unique_ptr<Tokenizer> load_tokenizer(const std::string& name) {
  auto made = Tokenizer::make(load_vocab(name));
  EXPECT_TRUE(made.ok()) << name << ": " << made.error().message;
  return made.ok() ? std::move(made).value() : nullptr;
}

struct Golden {
  std::string text;
  std::vector<int32_t> ids;
};

inline std::vector<Golden> load_golden(const std::string& name) {
  static constexpr std::string_view kEnd = "\n__ggml_vocab_test__\n";
  const std::string texts = read_file(vocab_path(name) + ".inp");
  std::ifstream ids(vocab_path(name) + ".out");
  std::vector<Golden> out;
  for (size_t at = 0, end = 0; (end = texts.find(kEnd, at)) != std::string::npos; at = end + kEnd.size()) {
    Golden g;
    g.text = texts.substr(at, end - at);
    std::string line;
    EXPECT_TRUE(std::getline(ids, line)) << name << " has fewer lines than texts";
    std::istringstream numbers(line);
    for (int32_t id = 0; numbers >> id;) g.ids.push_back(id);
    out.push_back(std::move(g));
  }
  return out;
}

inline void append_utf8(char32_t c, std::string* out) {
  const auto put = [&](char32_t bits) { out->push_back(static_cast<char>(bits)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xc0 | (c >> 6));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
  }
  put(0x80 | (c & 0x3f));
}

}  // namespace kedge::tokenizer
