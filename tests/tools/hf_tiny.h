// A Llama of one block and a few tokens as a folder, to be changed before it is written.
#pragma once

#include <functional>
#include <random>

#include "tests/tools/hf_folder.h"
#include "tests/tools/run_command.h"
#include "tools/convert/convert.h"

namespace kedge::tools {

struct TinyFolder {
  nlohmann::json config = {{"model_type", "llama"},      {"vocab_size", 8},
                           {"num_hidden_layers", 1},     {"hidden_size", 8},
                           {"num_attention_heads", 2},   {"num_key_value_heads", 1},
                           {"intermediate_size", 32},    {"max_position_embeddings", 64},
                           {"rms_norm_eps", 1e-5},       {"rope_theta", 10000.0},
                           {"tie_word_embeddings", true}};
  HfTensors tensors;
  std::map<std::string, std::string> files;  // beside config.json and the weights

  explicit TinyFolder(int64_t n_vocab = 8) {
    config["vocab_size"] = n_vocab;
    const std::string b = "model.layers.0.";
    for (const auto& [name, shape] :
         std::map<std::string, std::vector<int64_t>>{{"model.embed_tokens.weight", {n_vocab, 8}},
                                                     {"model.norm.weight", {8}},
                                                     {b + "input_layernorm.weight", {8}},
                                                     {b + "post_attention_layernorm.weight", {8}},
                                                     {b + "self_attn.q_proj.weight", {8, 8}},
                                                     {b + "self_attn.k_proj.weight", {4, 8}},
                                                     {b + "self_attn.v_proj.weight", {4, 8}},
                                                     {b + "self_attn.o_proj.weight", {8, 8}},
                                                     {b + "mlp.gate_proj.weight", {32, 8}},
                                                     {b + "mlp.up_proj.weight", {32, 8}},
                                                     {b + "mlp.down_proj.weight", {8, 32}}}) {
      tensors[name] = random_tensor(shape);
    }
    std::string pieces;
    const char* texts[] = {"<unk>", "<s>", "</s>", "\u2581", "a", "b", "ab", "\u2581ab"};
    for (int i = 0; i < 8; ++i) {
      const int type = i == 0 ? 2 : i < 3 ? 3 : 1;
      pieces += pb_text(
          1, pb_text(1, texts[i]) + pb_float(2, static_cast<float>(-i)) + pb_number(3, static_cast<uint64_t>(type)));
    }
    files["tokenizer.model"] = pieces + pb_text(2, pb_number(3, 2)) + pb_text(3, pb_number(3, 1) + pb_number(4, 0));
    files["tokenizer_config.json"] = R"({"tokenizer_class":"LlamaTokenizer"})";
  }

  HfTensor random_tensor(const std::vector<int64_t>& shape) {
    size_t n = 1;
    for (const int64_t d : shape) n *= static_cast<size_t>(d);
    std::vector<float> values(n);
    for (float& v : values) v = static_cast<float>(static_cast<int>(random_() % 255) - 127) / 64.0f;  // BF16 holds them
    return hf_floats(shape, values);
  }

  // Every value in another type; of BF16 and F64.
  void convert_to(const std::string& type) {
    for (auto& [name, t] : tensors) {
      std::string bytes;
      for (size_t i = 0; i < t.bytes.size(); i += 4) {
        float v = 0;
        std::memcpy(&v, t.bytes.data() + i, 4);
        const double wide = v;
        bytes += type == "BF16" ? t.bytes.substr(i + 2, 2) : std::string(reinterpret_cast<const char*>(&wide), 8);
      }
      t = {type, t.shape, bytes};
    }
  }

  std::string write() const {
    const std::string folder = scratch("hf-tiny");
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    write_weights(folder, tensors);
    write_bytes(folder + "/config.json", config.dump());
    for (const auto& [name, text] : files) write_bytes(folder + "/" + name, text);
    return folder;
  }

  Result<convert::ConvertReport> convert(const std::string& out, convert::ConvertOptions options = {}) const {
    return convert::convert_folder(write(), out, options);
  }

 private:
  std::mt19937 random_{5};
};

// Refused with this code, and `part` in the message.
inline void expect_unconvertible(const TinyFolder& folder, base::ErrorCode code, const std::string& part) {
  const std::string out = scratch("refused.gguf");
  std::filesystem::remove(out);
  const auto report = folder.convert(out);
  ASSERT_FALSE(report.ok()) << part;
  EXPECT_EQ(report.error().code, code) << report.error().message;
  EXPECT_NE(report.error().message.find(part), std::string::npos) << report.error().message;
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace kedge::tools
