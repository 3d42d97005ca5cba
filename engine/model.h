// A loaded model: configuration, weights (mapped, not copied), tokenizer and chat template. Const and shared: any
// number of sessions on any threads may use one Model at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/adapter_site.h"
#include "engine/arch.h"
#include "engine/chat_format.h"
#include "engine/config.h"
#include "kernels/base/result.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "weights/packed_store.h"
#include "weights/tensor_store.h"

namespace kedge::engine {

namespace grammar {
class Constraints;
}

struct ModelOptions {
  bool use_mmap = true;  // false: read the file into memory
  // Called during the load with bytes done and total (twice the file's: it is mapped or read, then its tensors are
  // packed); returning false cancels (kCancelled).
  std::function<bool(size_t done, size_t total)> progress;
  // Only the tokenizer and the chat template, of any architecture, with or without weights: no session can be made.
  bool vocab_only = false;
};

class Model {
 public:
  // Opens a GGUF file (or the first part of a split model). Errors name the file and what is wrong with it.
  static Result<std::shared_ptr<const Model>> load(const std::string& path, const ModelOptions& options = {});
  ~Model();

  const ModelConfig& config() const { return config_; }
  const TensorStore& store() const { return *store_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // Null when the file has none; then chat_template_error() says so.
  const ChatTemplate* chat_template() const { return chat_template_.get(); }
  const std::string& chat_template_error() const { return chat_template_error_; }
  // How its template lets it write reasoning and tool calls; null: in no form that is known.
  const ChatFormat* chat_format() const { return chat_format_; }
  // What its answers may have to obey, compiled when it is first asked for.
  grammar::Constraints& constraints() const { return *constraints_; }
  bool has_network() const { return network_ != nullptr; }  // false after vocab_only
  const Network& network() const { return *network_; }

  // Tensors and keys of the file that nothing uses, each by a rule that it changes no result.
  const std::vector<std::string>& ignored() const { return ignored_; }
  // Where adapters can be added, by Weight::site.
  const std::vector<AdapterSite>& sites() const { return sites_; }
  // Bytes of weights read to compute one token (embedding rows excluded, active experts only).
  size_t bytes_per_token() const { return bytes_per_token_; }
  // Of the tensors' names, shapes, types and first bytes and of the vocabulary: what was computed with another model is
  // told by it.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  Model();
  Status load_network(const ModelOptions& options);
  void load_chat_template();
  ModelConfig config_;
  std::unique_ptr<TensorStore> store_;
  std::unique_ptr<PackedStore> packed_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ChatTemplate> chat_template_;
  std::string chat_template_error_;
  const ChatFormat* chat_format_ = nullptr;
  std::unique_ptr<grammar::Constraints> constraints_;
  std::unique_ptr<Network> network_;
  std::vector<std::string> ignored_;
  std::vector<AdapterSite> sites_;
  size_t bytes_per_token_ = 0;
  uint64_t fingerprint_ = 0;
};

}  // namespace kedge::engine
