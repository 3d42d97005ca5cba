// What constraints cost: compiling, and the masks of every step, along texts as models write them.
//   grammar_bench MODEL.gguf [SCHEMA.json]
// MODEL may be a vocabulary without weights. With a schema: what compiling it takes, and nothing else.
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/grammar/constraint.h"
#include "engine/model.h"

namespace kedge::bench {
namespace {

// Of this thread's processor time, so that other work on the machine does not count.
double now_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double us_since(double begun) { return now_us() - begun; }

struct Task {
  const char* name;
  std::string spec;
  std::string (*text)(uint32_t seed);
};

std::string words(uint32_t& seed, size_t n) {
  static const char* const kWords[] = {
      "the",     "harbour", "of",        "Gda\u0144sk",  "was",        "rebuilt,",
      "slowly;", "1998",    "caf\u00e9", "\u4e2d\u56fd", "costs",      "(about)",
      "12.5%",   "more",    "than",      "expected.",    "na\u00efve", "\u043c\u043e\u0440\u0435",
      "x_y",     "and",     "its",       "people",       "\U0001f600", "went",
      "on"};
  std::string out;
  for (size_t i = 0; i < n; ++i) {
    seed = seed * 1664525u + 1013904223u;
    out += std::string(i == 0 ? "" : " ") + kWords[(seed >> 8) % std::size(kWords)];
  }
  return out;
}

std::string record(uint32_t seed) {
  std::string out =
      "{\"name\": \"" + words(seed, 3) + "\", \"summary\": \"" + words(seed, 60) + "\", \"kind\": \"harbour\", ";
  out +=
      "\"size\": " + std::to_string(seed % 100000) + ".25, \"tags\": [\"" + words(seed, 1) + "\", \"" + words(seed, 2);
  return out + "\"], \"place\": {\"lat\": -12.5, \"lon\": 7e3, \"note\": null}, \"open\": true}";
}

std::string sum(uint32_t seed) {
  std::string out = std::to_string(seed % 1000);
  for (int i = 0; i < 40; ++i) {
    seed = seed * 1664525u + 1013904223u;
    out +=
        std::string(1, "+-*/"[seed >> 30]) + ((seed >> 20) % 4 == 0 ? "(" + std::to_string(seed % 99) + "*2)" : "17");
  }
  return out;
}

std::string address(uint32_t seed) {
  return "user" + std::to_string(seed % 1000) + ".name@mail" + std::to_string(seed % 77) + ".example.org";
}

const std::vector<Task>& tasks() {
  static const std::vector<Task> kTasks = {
      {"json_object", R"({"json_object": true})", record},
      {"json_schema", R"({"json_schema": {"type": "object", "properties": {"name": {"type": "string"},
          "summary": {"type": "string"}, "kind": {"enum": ["harbour", "airport"]}, "size": {"type": "number"},
          "tags": {"type": "array", "items": {"type": "string"}}, "place": {"type": "object", "properties":
          {"lat": {"type": "number"}, "lon": {"type": "number"}, "note": {"type": ["string", "null"]}},
          "required": ["lat", "lon", "note"], "additionalProperties": false}, "open": {"type": "boolean"}},
          "required": ["name", "summary", "kind", "size", "tags", "place", "open"], "additionalProperties": false}})",
       record},
      {"schema, bounded",
       R"({"json_schema": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 60},
          "summary": {"type": "string", "maxLength": 2000}, "kind": {"type": "string"}, "size": {"type": "number"},
          "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5}, "place": {"type": "object"},
          "open": {"type": "boolean"}}, "required": ["name", "summary", "kind", "size", "tags", "place", "open"],
          "additionalProperties": false}})",
       record},
      {"grammar", R"({"grammar": "root ::= root [-+*/] item | item\nitem ::= [0-9]+ | \"(\" root \")\""})", sum},
      {"regex", R"({"regex": "[\\w.]+@([\\w-]+\\.)+[a-z]{2,8}"})", address},
  };
  return kTasks;
}

void report(const char* what, std::vector<double> us) {
  std::sort(us.begin(), us.end());
  std::printf("  %-12s median %7.1f  p99 %8.1f  max %8.1f us, %zu steps\n", what, us[us.size() / 2],
              us[us.size() * 99 / 100], us.back(), us.size());
}

// The masks along some texts; false when one of them is not allowed.
bool run(const engine::grammar::Constraint& constraint, const Model& model, const Task& task, uint32_t first_seed,
         std::vector<double>& us, size_t& n_forced) {
  std::vector<uint64_t> bits(token_words(static_cast<size_t>(model.config().n_vocab)));
  for (uint32_t seed = first_seed; seed < first_seed + 20; ++seed) {
    const auto ids = model.tokenizer().encode(task.text(seed), {.add_special = false});
    if (!ids.ok()) return false;
    const auto filter = constraint.filter();
    for (const int32_t id : *ids) {
      std::vector<int32_t> forced(16);
      const auto begun = now_us();
      n_forced += filter->forced(forced, 100000);
      std::fill(bits.begin(), bits.end(), ~uint64_t{0});
      if (!filter->allow(bits, 100000).ok() || !token_allowed(bits, static_cast<size_t>(id)) ||
          !filter->accept(id).ok()) {
        std::printf("  '%s' is not allowed\n", std::string(model.tokenizer().piece(id)).c_str());
        return false;
      }
      us.push_back(us_since(begun));
    }
  }
  return true;
}

int measure(const char* path, const char* schema) {
  const auto model = Model::load(path, {.use_mmap = true, .progress = {}, .vocab_only = true});
  if (!model.ok()) {
    std::fprintf(stderr, "%s\n", model.error().message.c_str());
    return 1;
  }
  engine::grammar::Constraints constraints((*model)->tokenizer(), static_cast<size_t>((*model)->config().n_vocab),
                                           nullptr);
  const auto begun = now_us();
  (void)constraints.get(R"({"choice": ["a"]})");
  std::printf("%d tokens; the first constraint, with the trie of tokens: %.1f ms\n", (*model)->config().n_vocab,
              us_since(begun) / 1000);
  if (schema != nullptr) {
    std::ifstream in(schema);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto compiled = constraints.get("{\"json_schema\": " + text + "}");
    if (!compiled.ok()) std::fprintf(stderr, "%s\n", compiled.error().message.c_str());
    if (compiled.ok())
      std::printf("%zu bytes: %.1f ms, %zu bytes\n", text.size(), (*compiled)->compile_ms(), (*compiled)->bytes());
    return compiled.ok() ? 0 : 1;
  }
  for (const Task& task : tasks()) {
    const auto compiled = constraints.get(task.spec);
    if (!compiled.ok()) {
      std::fprintf(stderr, "%s: %s\n", task.name, compiled.error().message.c_str());
      return 1;
    }
    std::vector<double> first;
    std::vector<double> later;
    size_t n_forced = 0;
    std::printf("%s: compiled in %.1f ms\n", task.name, (*compiled)->compile_ms());
    if (!run(**compiled, **model, task, 1, first, n_forced) || !run(**compiled, **model, task, 101, later, n_forced))
      return 1;
    report("first texts", first);
    report("later ones", later);
    std::printf("  forced at %zu places' worth of tokens, %zu bytes in all\n", n_forced, (*compiled)->bytes());
  }
  return 0;
}

}  // namespace
}  // namespace kedge::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s MODEL.gguf [SCHEMA.json]\n", argv[0]);
    return 2;
  }
  return kedge::bench::measure(argv[1], argc > 2 ? argv[2] : nullptr);
}
