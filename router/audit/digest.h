// The bytes a log is made of beside its hashes (router/digest.h): salts, random numbers, text forms, the time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge::router::audit {

Status init_crypto();  // before anything else here; may be called again. Errors: kInternal.

std::string keyed_digest(std::string_view key, std::string_view a, std::string_view b);  // BLAKE2b-256, a and b framed
std::string random_bytes(size_t n);

std::string base64(std::string_view bytes);  // with padding

int64_t unix_ms();
std::string iso_time(int64_t ms);  // "2026-01-31T23:59:59.123Z"
std::string uuid7(int64_t ms);     // RFC 9562, version 7: in the order of time

}  // namespace kedge::router::audit
