// A model in words and numbers, for people and for scripts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/model.h"
#include "engine/session.h"
#include "kernels/base/result.h"

namespace kedge::engine {

uint64_t count_parameters(const Model& model);

// JSON: architecture, hyper-parameters, tensor types, tokenizer, chat template, and the memory that a session of `plan`
// takes (a session is made and dropped to learn its buffers; pages are not touched). Errors: those of Session::create.
Result<std::string> describe_model(const std::shared_ptr<const Model>& shared, const SessionOptions& plan);

}  // namespace kedge::engine
