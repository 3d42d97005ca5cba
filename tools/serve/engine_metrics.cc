// The counters of engines as metrics.
#include "tools/serve/metrics.h"

namespace kedge::tools::serve {
namespace {

class EngineMetrics {
 public:
  EngineMetrics(MetricText& text, const std::string& model) : text_(text), model_(model) {}

  void counter(const char* name, const char* help, const Json& value, Labels more = {}) {
    text_.counter(name, help, with(std::move(more)), value.get<uint64_t>());
  }
  void gauge(const char* name, const char* help, double value, Labels more = {}) {
    text_.gauge(name, help, with(std::move(more)), value);
  }
  // `unit`: of one of the engine's in one of ours.
  void histogram(const char* name, const char* help, const Json& h, double unit, Labels more = {}) {
    std::vector<double> bounds;
    for (const Json& bound : h["le"]) bounds.push_back(bound.get<double>() * unit);
    const auto counts = h["counts"].get<std::vector<uint64_t>>();
    text_.histogram(name, help, with(std::move(more)), bounds, counts, h["sum"].get<double>() * unit);
  }

 private:
  Labels with(Labels more) const {
    more.insert(more.begin(), {"model", model_});
    return more;
  }
  MetricText& text_;
  const std::string& model_;
};

}  // namespace

void add_engine_metrics(MetricText& text, const std::string& model, const Json& s) {
  EngineMetrics m(text, model);
  m.counter("kedge_steps_total", "Steps of the engine.", s["steps"]);
  const Json* busy = s.pointee("/busy/ms");
  m.gauge("kedge_step_running_seconds", "Time that the step under way has taken; 0: there is none.",
          busy == nullptr ? 0 : busy->get<double>() / 1e3);
  for (const char* kind : {"decode", "prefill", "wasted"}) {
    m.counter("kedge_rows_total", "Rows computed in steps, by kind; wasted: of sequences cancelled within a step.",
              s["rows"][kind], {{"kind", kind}});
  }
  m.gauge("kedge_sequences", "Sequences the engine holds.", s["sequences"].get<double>());
  m.gauge("kedge_sequences_running", "Sequences with a call under way.", s["running"].get<double>());
  m.gauge("kedge_sequences_waiting", "Calls that wait for KV pages.", s["waiting"].get<double>());
  m.gauge("kedge_sequences_swapped", "Sequences whose pages are in a file.", s["swapped_out"].get<double>());
  m.counter("kedge_admitted_total", "Calls that got their KV pages.", s["admitted"]);
  m.counter("kedge_refused_total", "Calls that could never have them, or found the queue full.", s["refused"]);
  for (const char* stage : {"waiting", "prefill", "decode"}) {
    m.counter("kedge_cancelled_total", "Calls cancelled, by the stage they had reached.", s["cancelled"][stage],
              {{"stage", stage}});
  }
  m.counter("kedge_expired_total", "Calls whose deadline passed.", s["expired"]);
  m.counter("kedge_preempted_total", "Calls that gave their pages to others, to go on later.", s["paused"]);
  m.counter("kedge_resumed_total", "Calls that went on.", s["resumed"]);
  const Json& pages = s["pages"];
  const auto total = pages["total"].get<double>();
  const auto in_use = pages["in_use"].get<double>();
  m.gauge("kedge_kv_pages", "KV pages by state.", in_use, {{"state", "in_use"}});
  m.gauge("kedge_kv_pages", "KV pages by state.", total - in_use, {{"state", "free"}});
  m.gauge("kedge_kv_pages_reserved", "KV pages that calls under way may take, those they have included.",
          pages["reserved"].get<double>());
  m.gauge("kedge_kv_usage_ratio", "Share of the KV pages in use.", total > 0 ? in_use / total : 0);
  for (const char* part : {"pages", "buffers", "sequences"}) {
    m.gauge("kedge_memory_bytes", "Memory of the engine, by what it is for.", s["memory"][part].get<double>(),
            {{"part", part}});
  }
  constexpr double kMilliseconds = 1e-3;
  const Json& h = s["histograms"];
  m.histogram("kedge_step_seconds", "Time of a step.", h["step_ms"], kMilliseconds);
  m.histogram("kedge_queue_seconds", "Time that calls waited for their KV pages.", h["queue_ms"], kMilliseconds);
  for (const char* kind : {"decode", "prefill"}) {
    m.histogram("kedge_step_tokens", "Tokens in a step, of steps that have some.", h["step_rows"][kind], 1,
                {{"kind", kind}});
  }
}

}  // namespace kedge::tools::serve
