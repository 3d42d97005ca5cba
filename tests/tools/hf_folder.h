// Writes a Hugging Face folder by itself, not with the code it is to test: safetensors (one file or several), JSON
// files, tokenizer.model. And the same from a golden GGUF file, by the names and layouts that transformers has.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "weights/tensor_store.h"

namespace kedge::tools {

struct HfTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};
using HfTensors = std::map<std::string, HfTensor>;

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline HfTensor hf_floats(std::vector<int64_t> shape, const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {"F32", std::move(shape), std::move(bytes)};
}

inline std::string safetensors_header(const std::string& json) {
  std::string out(8, '\0');
  const uint64_t n = json.size();
  std::memcpy(out.data(), &n, 8);
  return out + json;
}

inline std::string safetensors_bytes(const HfTensors& tensors) {
  nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const auto& [name, t] : tensors) {
    header[name] = {
        {"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {data.size(), data.size() + t.bytes.size()}}};
    data += t.bytes;
  }
  return safetensors_header(header.dump()) + data;
}

// model.safetensors, or `parts` of it with an index.
inline void write_weights(const std::string& folder, const HfTensors& tensors, size_t parts = 1) {
  if (parts == 1) return write_bytes(folder + "/model.safetensors", safetensors_bytes(tensors));
  std::vector<HfTensors> shards(parts);
  nlohmann::json map;
  size_t i = 0;
  for (const auto& [name, t] : tensors) {
    const size_t part = i++ % parts;
    shards[part][name] = t;
    map[name] = "model-" + std::to_string(part + 1) + ".safetensors";
  }
  for (size_t p = 0; p < parts; ++p) {
    write_bytes(folder + "/model-" + std::to_string(p + 1) + ".safetensors", safetensors_bytes(shards[p]));
  }
  write_bytes(folder + "/model.safetensors.index.json",
              nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
}

// --- tokenizer.model
// --------------------------------------------------------------------------------------------------

inline std::string pb_varint(uint64_t v) {
  std::string out;
  for (; v > 127; v >>= 7) out += static_cast<char>(v % 128 + 128);
  return out + static_cast<char>(v);
}
inline std::string pb_number(int field, uint64_t v) {
  return pb_varint(static_cast<uint64_t>(field) * 8) + pb_varint(v);
}
inline std::string pb_text(int field, const std::string& s) {
  return pb_varint(static_cast<uint64_t>(field) * 8 + 2) + pb_varint(s.size()) + s;
}
inline std::string pb_float(int field, float v) {
  std::string out = pb_varint(static_cast<uint64_t>(field) * 8 + 5) + std::string(4, '\0');
  std::memcpy(out.data() + out.size() - 4, &v, 4);
  return out;
}

inline std::string sentencepiece_bytes(const weights::GgufMetadata& m) {
  const auto tokens = m.get_strings("tokenizer.ggml.tokens");
  const auto scores = m.get_f32s("tokenizer.ggml.scores");
  const auto types = m.get_i32s("tokenizer.ggml.token_type");
  std::string out;
  for (size_t i = 0; i < tokens->size(); ++i) {
    out += pb_text(1, pb_text(1, std::string((*tokens)[i])) + pb_float(2, (*scores)[i]) +
                          pb_number(3, static_cast<uint64_t>((*types)[i])));
  }
  const bool prefix = *m.get_bool_or("tokenizer.ggml.add_space_prefix", true);
  out += pb_text(2, pb_number(3, 2) + pb_number(35, 1));  // BPE with bytes to fall back to
  return out + pb_text(3, pb_text(1, "identity") + pb_number(3, prefix) + pb_number(4, 0) + pb_number(5, 1));
}

// --- from GGUF
// --------------------------------------------------------------------------------------------------------

// How the folder keeps what GGUF has.
enum class Hf {
  kSame,
  kHalvesOfQueries,  // pairs stand half a head apart
  kHalvesOfKeys,
  kAroundZero,   // norm weights without their 1
  kTransposed,   // [in][out]
  kExperts,      // '@' in the name: a matrix each
  kConvolution,  // [channels][1][taps]
  kVector,       // without dimensions of 1
  kLogOfMinus    // A_log; a vector
};

struct HfLine {
  const char* gguf;  // '#' is the block
  const char* hf;
  Hf how = Hf::kSame;
};

inline std::string with_number(std::string name, char mark, int n) {
  if (const size_t at = name.find(mark); at != std::string::npos) name.replace(at, 1, std::to_string(n));
  return name;
}

class FromGguf {
 public:
  explicit FromGguf(const weights::TensorStore& store) : store_(store) {}

  std::vector<float> values(const std::string& name) const {
    const weights::TensorInfo* info = store_.find(name);
    if (info == nullptr) return {};
    std::vector<float> out(static_cast<size_t>(info->n_values()));
    info->type->dequantise(store_.data(*info).data(), out.data(), out.size());
    return out;
  }
  std::vector<int64_t> shape(const std::string& name) const {
    const weights::TensorInfo* info = store_.find(name);
    std::vector<int64_t> dims(info->dims.begin(), info->dims.begin() + info->n_dims);
    return {dims.rbegin(), dims.rend()};
  }

  // Of all blocks that have it.
  void add(const HfLine& line, int heads, int kv_heads, HfTensors* out) const {
    for (int layer = 0; layer < 64; ++layer) {
      const std::string name = with_number(line.gguf, '#', layer);
      if (store_.find(name) != nullptr) one(line, name, with_number(line.hf, '#', layer), heads, kv_heads, out);
      if (std::string_view(line.gguf).find('#') == std::string_view::npos) break;
    }
  }

 private:
  void one(const HfLine& line, const std::string& from, const std::string& to, int heads, int kv_heads,
           HfTensors* out) const {
    std::vector<float> v = values(from);
    std::vector<int64_t> s = shape(from);
    const auto rows = static_cast<size_t>(s[0]);
    const size_t k = v.size() / rows;
    switch (line.how) {
      case Hf::kSame:
        break;
      case Hf::kHalvesOfQueries:
      case Hf::kHalvesOfKeys: {
        const size_t head = rows / static_cast<size_t>(line.how == Hf::kHalvesOfKeys ? kv_heads : heads);
        std::vector<float> w(v.size());
        for (size_t h = 0; h < rows / head; ++h) {
          for (size_t i = 0; i < head / 2; ++i) {
            for (size_t side = 0; side < 2; ++side) {
              std::copy_n(&v[(h * head + 2 * i + side) * k], k, &w[(h * head + side * head / 2 + i) * k]);
            }
          }
        }
        v = w;
        break;
      }
      case Hf::kAroundZero:
        for (float& x : v) x -= 1.0f;
        break;
      case Hf::kTransposed: {
        std::vector<float> w(v.size());
        for (size_t r = 0; r < rows; ++r) {
          for (size_t c = 0; c < k; ++c) w[c * rows + r] = v[r * k + c];
        }
        v = w;
        s = {s[1], s[0]};
        break;
      }
      case Hf::kExperts:
        for (size_t e = 0; e < rows; ++e) {
          const std::vector<float> own(v.begin() + static_cast<int64_t>(e * k),
                                       v.begin() + static_cast<int64_t>(e * k + k));
          (*out)[with_number(to, '@', static_cast<int>(e))] = hf_floats({s[1], s[2]}, own);
        }
        return;
      case Hf::kConvolution:
        s = {s[0], 1, s[1]};
        break;
      case Hf::kVector:
        s = {static_cast<int64_t>(v.size())};
        break;
      case Hf::kLogOfMinus:
        s = {static_cast<int64_t>(v.size())};
        for (float& x : v) x = std::log(-x);
        break;
    }
    (*out)[to] = hf_floats(s, v);
  }

  const weights::TensorStore& store_;
};

}  // namespace kedge::tools
