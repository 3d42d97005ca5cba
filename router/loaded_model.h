// A model of the pool, in memory: its weights, what identifies it, its calibrators, and sessions kept for reuse.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/session.h"
#include "kernels/base/result.h"
#include "router/breaker.h"
#include "router/calibration/calibrator.h"
#include "router/config.h"
#include "router/cost_meter.h"

namespace kedge::router {

// What a caller that keeps tokens, vectors or keys and values relies on: they mean the same only under one contract.
struct EmbeddingContract {
  std::string tokenizer;   // SHA-256 of normaliser, pre-tokeniser, vocabulary in id order, merges, specials, template
  std::string embeddings;  // SHA-256 of the token embeddings, their width and how texts become vectors

  bool operator==(const EmbeddingContract&) const = default;
};

// What is remembered of a model when it is unloaded, and while it cannot be loaded.
struct ModelHealth {
  Breaker breaker;
  CostMeter cost;
};

class LoadedModel {
 public:
  // Errors: those of Model::load and read_calibration.
  static Result<std::shared_ptr<LoadedModel>> load(
      const std::string& name, const ModelSpec& spec, const std::string& calibrators,
      std::shared_ptr<ModelHealth> health = std::make_shared<ModelHealth>());

  const std::string& name() const { return name_; }
  const ModelSpec& spec() const { return spec_; }
  const std::shared_ptr<const Model>& model() const { return model_; }
  // Reads the whole embedding matrix. Errors: those of make_model_embedder.
  Result<EmbeddingContract> contract() const;
  const std::string& tokenizer_fingerprint() const { return tokenizer_fingerprint_; }
  uint64_t bytes() const { return model_->store().file_bytes(); }
  const std::string& digest() const { return digest_; }

  // The calibrator for this model and the task, else for any task, else null.
  const Calibration* calibration(const std::string& task) const;

  // A session for one generation, at position 0. Reused when the cache loses nothing, so that memory is touched once.
  class Lease {
   public:
    Lease(LoadedModel& owner, std::unique_ptr<Session> session) : owner_(&owner), session_(std::move(session)) {}
    Lease(Lease&&) = default;
    ~Lease();
    Session& operator*() const { return *session_; }
    Session* operator->() const { return session_.get(); }

   private:
    LoadedModel* owner_;
    std::unique_ptr<Session> session_;
  };
  Result<Lease> session(int n_threads);

  ModelHealth& health() const { return *health_; }
  const std::shared_ptr<ModelHealth>& shared_health() const { return health_; }

 private:
  LoadedModel() = default;
  void give_back(std::unique_ptr<Session> session);

  std::string name_;
  ModelSpec spec_;
  std::shared_ptr<const Model> model_;
  std::string tokenizer_fingerprint_;
  std::string digest_;
  std::map<std::string, Calibration> calibrations_;  // by task
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_;
  std::shared_ptr<ModelHealth> health_;
};

// "sha256:" and 64 hex digits of a file's bytes. Errors: kIo.
Result<std::string> file_digest(const std::string& path);

}  // namespace kedge::router
