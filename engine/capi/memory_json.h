// KV memory as JSON: segments in, state and log out. The members are documented in kedge.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "memory/kv_memory.h"

namespace kedge::engine {

Result<std::vector<Segment>> parse_segments(std::string_view json);
std::string refusals_json(size_t accepted, const std::vector<KvMemory::Refusal>& refusals);

// `what` of kedge_session_recall.
Result<KvMemory::Recalled> recall_from_json(Session& session, std::string_view what);

Json kv_state(const KvMemory& memory);
Json kv_log(const KvMemory& memory, uint64_t from);

}  // namespace kedge::engine
