#include "tools/serve/live.h"

#include <algorithm>

#include "tools/serve/wire/sse.h"

namespace kedge::tools::serve {

namespace {

constexpr std::chrono::milliseconds kEvery{1000};

double number(const Json& json, const char* pointer) {
  const Json* value = json.pointee(pointer);
  return value != nullptr && value->is_number() ? value->get<double>() : 0;
}

}  // namespace

void Live::listen(std::shared_ptr<HttpReply> reply) {
  SseWriter(reply).start();
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return reply->end();
    listeners_.insert(reply);
  }
  const std::weak_ptr<HttpReply> weak = reply;
  const auto say = [this, weak] {
    if (const auto r = weak.lock()) SseWriter(r).data(now());
  };
  say();
  reply->when_quiet(kEvery, say);
  reply->when_gone([this, weak] {
    const auto r = weak.lock();
    const std::lock_guard lock(mutex_);
    listeners_.erase(r);
  });
}

void Live::end_all() {
  std::set<std::shared_ptr<HttpReply>> all;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    all.swap(listeners_);
  }
  for (const auto& reply : all) reply->end();
}

// All listeners see the same second.
Json Live::now() {
  const auto time = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  const double seconds = std::chrono::duration<double>(time - last_time_).count();
  if (!last_.is_null() && seconds < 0.5) return last_;
  uint64_t decode = 0;
  uint64_t prefill = 0;
  uint64_t steps = 0;
  double step_ms = 0;
  double weight_bytes = 0;
  double in_use = 0;
  double total = 0;
  double running = 0;
  double waiting = 0;
  for (const auto& [name, model] : catalog_.opened()) {
    const auto text = model->engine().stats();
    if (!text.ok()) continue;
    const Json stats = Json::parse(*text);
    decode += static_cast<uint64_t>(number(stats, "/rows/decode"));
    prefill += static_cast<uint64_t>(number(stats, "/rows/prefill"));
    const auto n = static_cast<uint64_t>(number(stats, "/steps"));
    steps += n;
    step_ms += number(stats, "/histograms/step_ms/sum");
    weight_bytes += static_cast<double>(n) * static_cast<double>(model->model().info().bytes_per_token);
    in_use += number(stats, "/pages/in_use");
    total += number(stats, "/pages/total");
    running += number(stats, "/running");
    waiting += number(stats, "/waiting");
  }
  const bool first = last_.is_null();
  const auto rate = [&](auto now, auto before) {
    return first || now < before ? 0.0 : static_cast<double>(now - before) / seconds;
  };
  const auto quantiles = [](const Distribution& d) {
    return Json{{"p50", 1e3 * d.quantile(0.5)}, {"p99", 1e3 * d.quantile(0.99)}};
  };
  Json json = {{"running", running},
               {"waiting", waiting},
               {"requests", admission_.taken()},
               {"refused", admission_.refused()},
               {"tokens_per_second", rate(decode, last_decode_)},
               {"prompt_tokens_per_second", rate(prefill, last_prefill_)},
               {"steps_per_second", rate(steps, last_steps_)},
               {"step_ms", first || steps <= last_steps_
                               ? Json()
                               : Json((step_ms - last_step_ms_) / static_cast<double>(steps - last_steps_))},
               {"weight_bytes_per_second", rate(weight_bytes, last_weight_bytes_)},
               {"kv_usage", total > 0 ? in_use / total : 0.0},
               {"ttft_ms", quantiles(requests_.ttft())},
               {"inter_token_ms", quantiles(requests_.inter_token())}};
  if (bandwidth_ > 0) json["bandwidth_share"] = rate(weight_bytes, last_weight_bytes_) / bandwidth_;
  last_time_ = time;
  last_decode_ = decode;
  last_prefill_ = prefill;
  last_steps_ = steps;
  last_step_ms_ = step_ms;
  last_weight_bytes_ = weight_bytes;
  last_ = json;
  return json;
}

}  // namespace kedge::tools::serve
