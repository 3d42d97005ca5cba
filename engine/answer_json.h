// The record of an answer as JSON, which the C interface gives out and the router keeps. The members are documented in
// kedge.h.
#pragma once

#include <string>

#include "engine/generate.h"
#include "kernels/base/json.h"
#include "memory/kv_memory.h"

namespace kedge::engine {

// Every option as it took effect: {"seed", "request", "max_tokens", "logprobs", "ignore_eos", "render_special", "stop",
// "logit_bias", "settings": {...}, "samplers": those that ran, in their order}
std::string generate_settings_json(const GenerateOptions& options, const GenerateResult& result);
// {"kind", "steps", "guessed", "accepted", "stopped": why, if it did before the end}; empty when there was none.
std::string speculation_json(const GenerateOptions& options, const GenerateResult& result);
// A setting's value: integers without a decimal point; JSON has no infinities.
Json setting_json(double value);

// What the memory did since `before`.
std::string kv_answer_json(const KvMemory& memory, const KvCounts& before);
// What is gone, with or without a name: the number of tokens, and the longest runs of them.
Json gone_json(const KvMemory& memory);
// The newest references that were mentioned after they had left.
Json detached_json(const KvMemory& memory, uint64_t newest);

}  // namespace kedge::engine
