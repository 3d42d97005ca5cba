// The routes that generate: each a reader of requests in its API's words.
#include <chrono>
#include <new>

#include "tools/serve/api/parts.h"
#include "tools/serve/wire/api.h"

namespace kedge::tools::serve {

namespace {

struct Generate {
  Parts& parts;
  WireReader reader;

  void operator()(Call call) const {
    auto place = parts.admission.enter();
    if (!place.ok()) return call.send_error(place.error());
    const std::shared_ptr<Admission::Place> held = std::move(*place);
    const auto shared = std::make_shared<Call>(std::move(call));
    if (!parts.workers.try_run(
            [parts = &parts, reader = reader, held, shared] { work(*parts, reader, *held, *shared); })) {
      shared->send_error({.status = 429,
                          .code = "queue_full",
                          .message = "no worker is free",
                          .type = "overloaded_error",
                          .retry_after_ms = 1000});
    }
  }

  static void work(Parts& parts, WireReader reader, Admission::Place& place, const Call& call) noexcept {
    try {
      auto body = json_body(call.request);
      if (!body.ok()) return call.send_error(body.error());
      auto wire = reader(*body, call.request);
      if (!wire.ok()) return call.send_error(wire.error());
      std::unique_ptr<Admission::Place> others;
      if (const size_t n = static_cast<size_t>(wire->job.n) - 1; n > 0) {
        auto more = parts.admission.more(n);
        if (!more.ok()) return call.send_error(more.error());
        others = std::move(*more);
      }
      const auto speaker =
          std::make_shared<Speaker>(parts.requests.count(wire->sink(call.reply), call.request.arrived));
      // The reply must not keep itself alive through what it calls.
      call.reply->when_gone([cancel = place.shared_cancel()] { cancel->now(Cancel::kGone); });
      const auto whole_from = call.request.arrived + std::chrono::milliseconds(parts.whole_ping_ms);
      const bool whole = parts.whole_ping_ms > 0;
      call.reply->when_quiet(std::chrono::milliseconds(parts.ping_ms),
                             [whole, whole_from, weak = std::weak_ptr(speaker)] {
                               if (const auto s = weak.lock())
                                 s->quiet(whole && std::chrono::steady_clock::now() >= whole_from);
                             });
      const Asker asker{.weight = call.who.share,
                        .key = call.who.name,
                        .arrived = call.request.arrived,
                        .request_id = call.request.id};
      parts.runner.run(wire->job, asker, place.cancel(), *speaker);
    } catch (const std::bad_alloc&) {
      // What memory there was for has been sent; the reply that is let go here ends the connection.
    }
  }
};

}  // namespace

void add_generate(Routes& routes, Parts& parts) {
  const auto add = [&](const char* path, WireReader reader) {
    routes.add("POST", path, Role::kUse, Generate{parts, reader});
  };
  add("/v1/chat/completions", read_openai_chat);
  add("/chat/completions", read_openai_chat);
  add("/v1/completions", read_openai_completion);
  add("/v1/responses", read_openai_responses);
  add("/v1/messages", read_anthropic);
  add("/api/chat", read_ollama_chat);
  add("/api/generate", read_ollama_generate);
}

}  // namespace kedge::tools::serve
