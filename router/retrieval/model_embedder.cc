#include "router/retrieval/model_embedder.h"

#include "kernels/base/sha256.h"
#include "kernels/quants.h"
#include "router/retrieval/pooling.h"

namespace kedge::router {

namespace {

constexpr const char* kTensor = "token_embd.weight";

class ModelEmbedder final : public Embedder {
 public:
  ModelEmbedder(std::shared_ptr<const Model> model, const TensorInfo& tensor)
      : model_(std::move(model)), tensor_(&tensor), rows_(model_->store().data(tensor).data()) {
    Sha256 digest;
    digest.field("kedge token embeddings 1");
    digest.field(kPoolingName);
    digest.number(static_cast<uint64_t>(dim()));
    digest.field(tensor.type->name);
    digest.field(model_->tokenizer().fingerprint());
    digest.field({reinterpret_cast<const char*>(rows_), tensor.bytes});
    fingerprint_ = digest.hex();
  }

  int dim() const override { return static_cast<int>(tensor_->row_values()); }
  int n_tokens() const override { return model_->tokenizer().size(); }
  const std::string& fingerprint() const override { return fingerprint_; }
  const std::string& name() const override { return model_->store().path(); }

  Result<std::vector<int32_t>> encode(std::string_view text) const override {
    return model_->tokenizer().encode(text, {.add_special = false, .parse_special = false});
  }

  void vector(int32_t token, float* out) const override {
    tensor_->type->dequantise(rows_ + static_cast<size_t>(token) * tensor_->row_bytes(), out,
                              static_cast<size_t>(tensor_->row_values()));
  }

 private:
  std::shared_ptr<const Model> model_;
  const TensorInfo* tensor_;
  const std::byte* rows_;
  std::string fingerprint_;
};

}  // namespace

Result<std::shared_ptr<const Embedder>> make_model_embedder(std::shared_ptr<const Model> model) {
  const std::string& path = model->store().path();
  const TensorInfo* tensor = model->store().find(kTensor);
  if (tensor == nullptr) {
    return Error{ErrorCode::kUnsupported,
                 path + ": has no " + kTensor + " (a file of vocabulary only?): it cannot make vectors"};
  }
  if (tensor->rows() < model->tokenizer().size()) {
    return Error{ErrorCode::kCorrupt, path + ": " + kTensor + " has " + std::to_string(tensor->rows()) +
                                          " rows, the vocabulary " + std::to_string(model->tokenizer().size()) +
                                          " tokens"};
  }
  return std::shared_ptr<const Embedder>(std::make_shared<ModelEmbedder>(std::move(model), *tensor));
}

}  // namespace kedge::router
