// A job for the router: verified (what is said has passed its checks) or optimistic (said as it is written, and
// superseded when it does not hold).
#include <algorithm>

#include "tools/serve/answer_form.h"
#include "tools/serve/key_files.h"
#include "tools/serve/new_id.h"
#include "tools/serve/runner.h"

namespace kedge::tools::serve {

namespace {

// What the answer has to obey, and what it may call.
void add_form(const Form& form, Json& request) {
  if (!form.tools.empty()) {
    request["tools"] = form.tools;
    request["tool_choice"] = form.tool_choice;
    request["parallel_tool_calls"] = form.parallel_calls;
  }
  if (form.constraint.is_null()) return;
  // A schema is checked too: an answer that breaks it is a failed check.
  if (const Json* schema = form.constraint.pointee("/json_schema")) {
    request["schema"] = *schema;
  } else {
    request["constraint"] = form.constraint;
  }
}

Answer<Json> request_of(const Run& run, uint64_t seed) {
  const Job& job = run.job;
  const KedgeOptions& k = job.kedge;
  Json request = {{"model", "auto"},
                  {"messages", job.prompts.front().messages},
                  {"seed", seed},
                  {"max_tokens", run.max_tokens()},
                  {"temperature", 0.0}};
  for (const auto& [name, value] : job.options.settings) {
    if (name == "temperature") request["temperature"] = value;
  }
  add_form(job.form, request);
  if (k.min_confidence) request["min_confidence"] = *k.min_confidence;
  if (k.max_attempts) request["max_attempts"] = *k.max_attempts;
  if (!k.index.empty()) {
    const auto path = index_files(*run.options.state, run.asker.key).path(k.index);
    if (!path.ok()) return path.error();
    request["index"] = *path;
    request["grounding"] = "always";
  }
  if (!k.evidence.is_null()) request["evidence"] = k.evidence;
  if (!k.conversation.empty()) request["conversation"] = k.conversation;
  if (k.compare) request["compare"] = true;
  request["key"] = run.asker.key + '\n' + job.user;
  const auto left = run.deadline_left_ms();
  if (!left.ok()) return left.error();
  if (*left > 0) request["deadline_s"] = *left / 1000;
  return request;
}

// What a reader is told in place of an answer.
std::string words_of(const Json& answer) {
  if (answer["answer"].is_string()) {
    const auto text = answer["answer"].get<std::string>();
    size_t end = std::min(text.find("<|ref|>"), text.size());
    while (end > 0 && text[end - 1] == ' ') --end;
    return text.substr(0, end);
  }
  const std::string outcome = answer["outcome"];
  const std::string reason = answer["reason"];
  if (outcome == "not_found") return "Not found in the sources: " + reason;
  if (outcome == "low_confidence") return "No answer is given, because it might be wrong: " + reason;
  return "No answer: " + reason;
}

Json detached_of(const Json& attempts) {
  if (attempts.empty()) return Json::array();
  const Json* detached = attempts.back().pointee("/kv/detached");
  return detached == nullptr ? Json::array() : *detached;
}

Json kedge_member(const Run& run, const Json& answer, uint64_t seed) {
  Json k = Json::object();
  for (const char* name :
       {"outcome", "withheld", "reason", "source", "derivation", "task", "model", "alias", "confidence", "threshold",
        "citations", "evidence", "matches", "path", "attempts", "record", "cpu_s", "wall_s", "overhead_s"}) {
    if (answer.contains(name)) k[name] = answer[name];
  }
  if (!k.contains("record")) k["record"] = Json();
  k["detached"] = detached_of(answer["attempts"]);
  k["seed"] = seed;
  k["max_tokens"] = run.max_tokens();
  Json ignored = run.job.ignored;
  for (const auto& [name, value] : run.job.options.settings) {
    if (name != "temperature") ignored.push_back(name);
  }
  for (const Json::Member& m : run.job.prompts.front().chat_options.items()) {
    if (m.key != "tools") ignored.push_back(m.key == "variables" ? "chat_template_kwargs" : m.key);
  }
  if (run.job.form.reasoning_budget) ignored.push_back("reasoning_budget_tokens");
  if (!run.job.options.samplers.empty()) ignored.push_back("samplers");
  if (!run.job.kedge.speculation.empty()) ignored.push_back("kedge.speculation");
  k["ignored"] = std::move(ignored);
  return k;
}

ApiError refused(const kedge::Error& error, const Form& form) {
  const bool formed = !form.constraint.is_null() || !form.tools.empty();
  return formed && error.code == KEDGE_UNSUPPORTED ? constraint_error(error, form) : library_error(error);
}

// Of all attempts.
Usage usage_of(const Json& answer) {
  Usage usage;
  usage.prompt = answer["usage"].value("input_tokens", size_t{0});
  usage.generated = answer["usage"].value("output_tokens", size_t{0});
  return usage;
}

}  // namespace

namespace {

constexpr std::string_view kReference = "<|ref|>";  // behind it stand the citations, which the record has

// What is said of an attempt while it is written: up to its citations.
class Draft {
 public:
  // The part of the next piece that is text for sure.
  std::string_view add(std::string_view piece) {
    all_ += piece;
    const size_t said = said_;
    const size_t mark = all_.find(kReference);
    size_t end = mark == std::string::npos ? all_.size() - begun_mark() : mark;
    while (end > said && all_[end - 1] == ' ') --end;
    said_ = std::max(said, end);
    return std::string_view(all_).substr(said, said_ - said);
  }
  std::string_view said() const { return std::string_view(all_).substr(0, said_); }

 private:
  // Bytes at the end that a mark may begin with.
  size_t begun_mark() const {
    for (size_t n = std::min(kReference.size() - 1, all_.size()); n > 0; --n) {
      if (all_.ends_with(kReference.substr(0, n))) return n;
    }
    return 0;
  }
  std::string all_;
  size_t said_ = 0;
};

// Says attempts as they are written. An attempt is a choice; one that is followed by another, or that does not hold, is
// superseded.
class Optimist {
 public:
  explicit Optimist(Speaker& out) : out_(out) {}

  bool hears(const Json& event) {
    if (event["state"] != "text") return true;
    const auto attempt = event["attempt"].get<size_t>();
    if (attempt != attempt_) {
      if (begun_ && !superseded("another attempt was needed")) return false;
      attempt_ = attempt;
    }
    begun_ = true;
    const std::string_view more = draft_.add(event["text"].get<std::string>());
    return more.empty() || out_.text(choice_, more, {});
  }
  // The answer as it stands at the end. What was not said yet is said. `obeys`: it has to be what the request said, and
  // words in its place would not.
  void ends(const Json& answer, const std::string& words, bool obeys) {
    if (const Json* thought = answer.pointee("/reasoning")) out_.reasoning(choice_, thought->get<std::string>(), {});
    const bool refused = obeys && answer["outcome"] != "answered";
    if (begun_ && (refused || !words.starts_with(draft_.said()))) superseded("it was not accepted");
    if (refused) {
      out_.refused(choice_, words);
    } else {
      const size_t said = begun_ && words.starts_with(draft_.said()) ? draft_.said().size() : 0;
      if (said < words.size()) out_.text(choice_, std::string_view(words).substr(said), {});
    }
    out_.finished(choice_, {.calls = calls(answer), .refused = refused});
  }

 private:
  size_t calls(const Json& answer) {
    const Json* calls = answer.pointee("/calls");
    if (calls == nullptr) return 0;
    size_t n = 0;
    for (const Json& call : *calls) {
      const std::string id = call["id"].is_string() ? call["id"].get<std::string>() : new_id("call_");
      out_.call(choice_, {.index = n++, .id = id, .name = call["name"]}, {});
      out_.arguments(choice_, call["arguments"].get<std::string>(), {});
    }
    return n;
  }
  bool superseded(std::string_view reason) {
    const bool good = out_.superseded(choice_, choice_ + 1, reason) && out_.finished(choice_, {});
    ++choice_;
    draft_ = {};
    begun_ = false;
    return good;
  }

  Speaker& out_;
  Draft draft_;
  size_t choice_ = 0;
  size_t attempt_ = 0;
  bool begun_ = false;
};

}  // namespace

void run_routed(const Run& run, Catalog& catalog) {
  const uint64_t seed = run.job.seeded ? run.job.options.seed : 0;
  const bool optimistic = run.job.kedge.optimistic;
  if (optimistic && !run.out.can_supersede()) {
    return run.out.failed(
        bad_request("'stream_mode' optimistic is for streams of chat completions, which can say that "
                    "an answer is superseded",
                    "kedge.stream_mode"));
  }
  auto request = request_of(run, seed);
  if (!request.ok()) return run.out.failed(request.error());
  if (optimistic) (*request)["stream"] = true;
  auto end = kedge::Cancel::create();
  if (!end.ok()) return run.out.failed(library_error(end.error()));
  run.out.prepare({.model = "auto", .created = std::time(nullptr), .usage = {}});
  Optimist optimist(run.out);
  Answer<Json> made = [&]() -> Answer<Json> {
    const Cancel::Hears hears(run.cancel, [&end] { end->set(); });
    const auto text = catalog.router().ask(
        (*request).dump(), [&](std::string_view event) { return !optimistic || optimist.hears(Json::parse(event)); },
        &*end);
    if (text.ok()) return Json::parse(*text);
    return run.cancel.reason() != Cancel::kNone ? run.cancelled() : refused(text.error(), run.job.form);
  }();
  if (!made.ok()) return run.out.failed(made.error());
  const bool compared = run.job.kedge.compare;
  const Json& answer = compared ? (*made)["routed"] : *made;
  Outcome outcome;
  outcome.usage = usage_of(answer);
  outcome.kedge = kedge_member(run, answer, seed);
  if (compared) outcome.kedge["compare"] = *made;
  outcome.decode_ms = 1e3 * answer.value("wall_s", 0.0);
  outcome.queue_ms = std::max(0.0, run.ms_since_arrival() - outcome.decode_ms);
  outcome.kedge["timings"] = {{"queue_ms", outcome.queue_ms}, {"wall_ms", outcome.decode_ms}};
  optimist.ends(answer, words_of(answer), !run.job.form.constraint.is_null());
  run.out.done(outcome);
}

}  // namespace kedge::tools::serve
