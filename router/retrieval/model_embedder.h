// The token embeddings of a language model as word vectors: no forward pass, so a query costs microseconds.
#pragma once

#include <memory>

#include "engine/model.h"
#include "router/retrieval/embedder.h"

namespace kedge::router {

// Reads the whole matrix token_embd.weight once for the fingerprint (23 ms for the 9 MB of
// Scout). A model opened with vocab_only will do as long as its file holds that matrix. Errors: kUnsupported when it
// does not, kCorrupt when it has fewer rows than the vocabulary has tokens.
Result<std::shared_ptr<const Embedder>> make_model_embedder(std::shared_ptr<const Model> model);

}  // namespace kedge::router
