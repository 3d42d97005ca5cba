// What the library has to tell while it works, to whoever wants to hear it (kedge_set_log). It writes nowhere itself.
#pragma once

#include <cstddef>
#include <string_view>

#include "kernels/base/rooms.h"

namespace kedge::base {

enum class LogLevel { kError = 1, kWarning = 2, kInfo = 3, kDebug = 4 };

using LogSink = void (*)(void* user, int level, const char* text, size_t text_size);

// Null: nobody wants to hear it. When this returns the sink before is not called any more; so a sink must not set one.
void set_log(LogSink sink, void* user, LogLevel most) noexcept;
// Whether a message of that level would be heard: where making it costs something.
bool log_wanted(LogLevel level) noexcept;
void log_message(LogLevel level, std::string_view text) noexcept;

}  // namespace kedge::base
