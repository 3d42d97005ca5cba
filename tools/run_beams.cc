#include "tools/run_beams.h"

#include <cstdio>

#include "tools/interrupt.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

kedge_beam_stop stop_named(const std::string& name) {
  if (name == "first") return KEDGE_BEAM_STOP_FIRST;
  return name == "proven" ? KEDGE_BEAM_STOP_PROVEN : KEDGE_BEAM_STOP_AS_THEY_STAND;
}

void print_answers(const Json& found) {
  for (const Json& a : found.at("answers")) {
    print(format("%8.4f  (%.4f, %zu tokens, %s)\n", a.at("score").get<double>(), a.at("logprob").get<double>(),
                 a.at("tokens").size(), a.at("finish_reason").get<std::string>().c_str()));
    print(a.at("text").get<std::string>() + "\n\n");
  }
}

}  // namespace

CLI::Option* BeamFlags::add_to(CLI::App* command) {
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command->add_option(name, value, help)->group("Beam search");
  };
  auto* option = add("--beams", beams, "Search for the most likely continuations, keeping this many at every token");
  option->check(in_range(1, 256));
  add("--n-best", n_best, "Continuations printed; 0: as many as beams")->check(in_range(0, 256))->needs(option);
  add("--length-penalty", length_penalty,
      "A continuation's score is its log-probability divided by its number of tokens to this power")
      ->check(in_range(0, 10))
      ->capture_default_str()
      ->needs(option);
  add("--beam-stop", stop,
      "With n found, the search ends: first = at once; as-they-stand = when no beginning has a better score than they; "
      "proven = when none can get one")
      ->check(CLI::IsMember({"first", "as-they-stand", "proven"}))
      ->capture_default_str()
      ->needs(option);
  return option;
}

void run_beams(const BeamRun& run, const kedge::Model& model, const std::vector<int32_t>& ids) {
  auto engine = need(kedge::Engine::create(model, run.shape.engine(run.flags.beams)));
  kedge::SessionOptions session_options;
  session_options.n_ctx = run.session.n_ctx;
  session_options.kv = run.session.kv;
  session_options.adapters = run.session.adapters;
  auto session = need(engine.session(session_options));
  const InterruptGuard guard(session);
  Progress progress("reading the prompt");
  kedge::BeamOptions options;
  options.beams = run.flags.beams;
  options.n_best = run.flags.n_best;
  options.max_tokens = run.max_tokens;
  options.stop = stop_named(run.flags.stop);
  options.length_penalty = run.flags.length_penalty;
  options.constraint = run.constraint;
  options.on_prefill = [&](size_t done, size_t total) {
    progress.update(done, total);
    return true;
  };
  const Json found = Json::parse(need(session.beam_search(ids, options)));
  progress.finish();
  if (run.json) {
    print_json(found);
  } else {
    print_answers(found);
  }
  check_output();
}

}  // namespace kedge::tools
