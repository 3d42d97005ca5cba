// A loaded model: configuration, weights (mapped, not copied), tokenizer and chat template. Const and shared: any
// number of sessions on any threads may use one Model at once.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
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
#include "weights/packed_folder.h"
#include "weights/packed_store.h"
#include "weights/tensor_store.h"

namespace kedge::engine {

namespace grammar {
class Constraints;
}

// Where packed weights are kept, so that they are mapped the next time (weights/packed_file.h).
struct WeightsCacheOptions {
  std::string folder = {};                    // empty: nowhere
  uint64_t limit = kPackedFolderBytes;        // of the folder
  uint64_t least_bytes = uint64_t{64} << 20;  // of tensors: less is packed before one notices
};

struct ModelOptions {
  bool use_mmap = true;  // false: read the file into memory
  // Called during the load with bytes done and total (twice the file's: it is mapped or read, then its tensors are
  // packed); returning false cancels (kCancelled).
  std::function<bool(size_t done, size_t total)> progress;
  // Only the tokenizer and the chat template, of any architecture, with or without weights: no session can be made.
  bool vocab_only = false;
  WeightsCacheOptions weights_cache = {};
};

// What became of it.
struct WeightsCache {
  // kOff: no folder was given, the model is small, or these kernels read the file's own layout. kMissing: `note` says
  // why what is there was not used; write_weights_cache() makes it.
  enum class State { kOff, kUsed, kMissing };
  State state = State::kOff;
  std::string path;
  std::string note;
};

class Model : public std::enable_shared_from_this<Model> {
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

  // The block of the file that predicts further tokens (engine/prediction.h) as a model of its own, with this one's
  // vocabulary; made when it is first asked for, and kept as long as somebody uses it. Errors: kUnsupported (the file
  // or the architecture has none), those of opening the file once more.
  Result<std::shared_ptr<const Model>> prediction() const;

  // Tensors and keys of the file that nothing uses, each by a rule that it changes no result.
  const std::vector<std::string>& ignored() const { return ignored_; }
  // Where adapters can be added, by Weight::site.
  const std::vector<AdapterSite>& sites() const { return sites_; }
  // Bytes of weights read to compute one token (embedding rows excluded, active experts only).
  size_t bytes_per_token() const { return bytes_per_token_; }
  // Of the tensors' names, shapes, types and first bytes and of the vocabulary: what was computed with another model is
  // told by it.
  uint64_t fingerprint() const { return fingerprint_; }

  const WeightsCache& weights_cache() const { return weights_cache_; }
  // Keeps the packed weights for the next load: seconds of writing, on the caller's thread, beside whatever else the
  // model is used for. Nothing to do unless they are kMissing. Errors: those of keep_packed().
  Status write_weights_cache(const LoadProgress& progress) const;

 private:
  Model();
  Status load_network(const ModelOptions& options);
  Status load_prediction(std::shared_ptr<const Model> of);
  void open_weights_cache(const KernelTable& kernels, const WeightsCacheOptions& options);
  void load_chat_template();
  ModelConfig config_;
  std::unique_ptr<TensorStore> store_;
  std::unique_ptr<PackedStore> packed_;
  std::shared_ptr<Tokenizer> tokenizer_;  // of a block that predicts, its model's
  std::unique_ptr<ChatTemplate> chat_template_;
  std::string chat_template_error_;
  const ChatFormat* chat_format_ = nullptr;
  std::unique_ptr<grammar::Constraints> constraints_;
  std::unique_ptr<Network> network_;
  std::vector<std::string> ignored_;
  std::vector<AdapterSite> sites_;
  size_t bytes_per_token_ = 0;
  uint64_t fingerprint_ = 0;
  std::shared_ptr<const Model> predicts_for_;  // whose ends the network shares
  mutable std::mutex prediction_mutex_;
  mutable std::weak_ptr<const Model> prediction_;
  WeightsCacheOptions cache_options_;
  WeightsCache weights_cache_;
  int64_t loaded_at_ = 0;  // nanoseconds since 1970: when loading began
};

}  // namespace kedge::engine
