// A model of the pool, in memory: its weights, what identifies it, its calibrators, and the engine that questions
// share.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model.h"
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
  // `n_threads` of its engine; 0: default_threads(). Errors: those of Model::load and read_calibration.
  static Result<std::shared_ptr<LoadedModel>> load(
      const std::string& name, const ModelSpec& spec, const std::string& calibrators, int n_threads,
      std::shared_ptr<ModelHealth> health = std::make_shared<ModelHealth>());

  const std::string& name() const { return name_; }
  const ModelSpec& spec() const { return spec_; }
  const std::shared_ptr<const Model>& model() const { return model_; }
  // Questions need a chat template; a model without one can still be lent out. Error: kUnsupported.
  Status check_askable() const;
  // Reads the whole embedding matrix. Errors: those of make_model_embedder.
  Result<EmbeddingContract> contract() const;
  const std::string& tokenizer_fingerprint() const { return tokenizer_fingerprint_; }
  uint64_t bytes() const { return model_->store().file_bytes(); }
  // Of its file; with adapters, of that and theirs with their scales: other calibrators are for it, and records of it
  // are replayed by it.
  const std::string& digest() const { return digest_; }
  const std::vector<AdapterUse>& adapters() const { return adapters_; }
  Json adapters_json() const;  // [{"name", "digest", "scale"}]

  // The calibrator for this model and the task, else for any task, else null.
  const Calibration* calibration(const std::string& task) const;

  // A session for one generation, at position 0, in the model's engine: what several threads ask of one model at once
  // goes into common steps. The engine is made by the first. Errors: those of Engine::create and Engine::session.
  Result<std::unique_ptr<Session>> session();
  Result<std::shared_ptr<Engine>> engine();
  // The counters of that engine (kedge_engine_stats); empty while there is none.
  std::string engine_stats() const;

  ModelHealth& health() const { return *health_; }
  const std::shared_ptr<ModelHealth>& shared_health() const { return health_; }

 private:
  LoadedModel() = default;
  Status open_adapters();

  std::string name_;
  ModelSpec spec_;
  std::shared_ptr<const Model> model_;
  std::string tokenizer_fingerprint_;
  std::string digest_;
  std::vector<AdapterUse> adapters_;
  std::map<std::string, Calibration> calibrations_;  // by task
  int n_threads_ = 0;
  mutable std::mutex mutex_;        // of engine_ while it is made
  std::shared_ptr<Engine> engine_;  // null: nobody has asked yet
  std::shared_ptr<ModelHealth> health_;
};

// "sha256:" and 64 hex digits of a file's bytes. Errors: kIo.
Result<std::string> file_digest(const std::string& path);

}  // namespace kedge::router
