#include "engine/chat_format.h"

namespace kedge::engine {

namespace formats {
#define KEDGE_ENTRY(stem) extern constinit const ChatFormat stem;
#include "registry/chat_formats.inc"
#undef KEDGE_ENTRY
}  // namespace formats

namespace {
constexpr const ChatFormat* kFormats[] = {
#define KEDGE_ENTRY(stem) &formats::stem,
#include "registry/chat_formats.inc"
#undef KEDGE_ENTRY
};
}  // namespace

std::span<const ChatFormat* const> chat_formats() { return kFormats; }

const ChatFormat* chat_format_of(std::string_view chat_template) {
  const ChatFormat* best = nullptr;
  int best_fit = 0;
  for (const ChatFormat* format : kFormats) {
    const int fit = format->fits(chat_template);
    if (fit > best_fit) {
      best = format;
      best_fit = fit;
    }
  }
  return best;
}

}  // namespace kedge::engine
