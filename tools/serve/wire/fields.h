// What the APIs have in common in their requests: the members of OpenAI's and llama-server's that mean the same
// wherever they stand.
#pragma once

#include <string>
#include <vector>

#include "tools/serve/job.h"
#include "tools/serve/wire/members.h"

namespace kedge::tools::serve {

// More than any configuration allows; what this one allows is Runner's to say.
inline constexpr int kMaxChoices = 128;
inline constexpr int kMaxLogprobs = 100;
inline constexpr size_t kMaxStops = 1024;
inline constexpr size_t kMaxStopBytes = 1024;

// Sampler settings by the names of the library's schema (temperature, top_p, ...), seed, and ignore_eos.
void read_sampling(Members& in, Job& job);
// "stop": a text or texts.
void read_stop(Members& in, const char* key, Job& job);
// "logit_bias": {"token id": bias} or [[token id, bias], ...].
void read_logit_bias(Members& in, Job& job);
// "user", "prompt_cache_key", "cache_salt", ...: whose request it is, and within what prefixes are shared.
inline constexpr int kMostSlot = 4095;  // number of a slot
void read_identity(Members& in, Job& job);
// "kedge", the request member.
void read_kedge(Members& in, Job& job);
// "samplers": names in the order they run; "lora": [{"id", "scale"}].
void read_samplers(Members& in, Job& job);
void read_lora(Members& in, Job& job);
// "stream_options": whether usage is asked for.
void read_stream_options(Members& in, bool& usage);
// Members of llama-server's that change nothing here.
void read_hints(Members& in);

// Chat messages as kedge_chat_tokenize takes them: roles known, contents texts (the parts of a list joined by a
// newline), arguments of tool calls JSON. Errors name the message and the part.
Json read_messages(Members& in, const char* key);

// What is left over becomes job.ignored, or an error in strict mode.
void finish(Members& in, Job& job);

}  // namespace kedge::tools::serve
