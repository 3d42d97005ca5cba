// kedge inspect: what a GGUF file holds, and what running it takes. The file is read without loading the model, so a
// file whose architecture Kedge cannot run can still be looked at.
#include <cmath>
#include <set>
#include <type_traits>
#include <variant>

#include "kernels/base/utf8_cut.h"
#include "tools/model_flags.h"
#include "weights/tensor_store.h"

namespace kedge::tools {

namespace {

constexpr size_t kShownElements = 8;  // of an array
constexpr size_t kShownText = 80;     // bytes of a string, in the readable form

struct InspectFlags {
  ModelFlags model;
  SessionFlags session;
  bool tensors = false;
  bool json = false;
};

Json to_json(const GgufScalar& value) {
  return std::visit(
      [](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string_view>)
          return Json(std::string(v));
        else if constexpr (std::is_floating_point_v<std::decay_t<decltype(v)>>)
          return std::isfinite(v) ? Json(v) : Json(format("%g", double{v}));  // JSON has no word for nan
        else
          return Json(v);
      },
      value);
}

// An array as its type, its length and its first elements: vocabularies have 150 000.
Json to_json(const GgufEntry& entry) {
  if (!entry.is_array()) return to_json(entry.scalar());
  Json first = Json::array();
  for (const GgufScalar& v : entry.elements(kShownElements)) first.push_back(to_json(v));
  return {{"type", entry.type_name()}, {"count", entry.count}, {"first", std::move(first)}};
}

Json metadata_json(const TensorStore& store) {
  Json out = Json::object();
  for (const GgufEntry& entry : store.metadata().entries()) out[std::string(entry.key)] = to_json(entry);
  return out;
}

Json tensors_json(const TensorStore& store) {
  Json out = Json::array();
  for (const TensorInfo& t : store.tensors()) {
    out.push_back({{"name", std::string(t.name)},
                   {"type", t.type->name},
                   {"shape", std::vector<int64_t>(t.dims.begin(), t.dims.begin() + t.n_dims)},
                   {"bytes", t.bytes},
                   {"offset", t.offset},
                   {"file", t.file}});
  }
  return out;
}

std::string dump(const Json& value) { return value.dump(); }

// One line of `dump`, cut for the eye only (the JSON form has everything), never inside a character.
std::string shown(const Json& value) {
  std::string text = dump(value);
  if (text.size() <= kShownText) return text;
  return std::string(utf8_cut(text, kShownText)) + format("... (%zu bytes)", text.size());
}

void print_metadata(const TensorStore& store) {
  print(format("\nmetadata (%zu keys)\n", store.metadata().entries().size()));
  for (const GgufEntry& entry : store.metadata().entries()) {
    const Json value = to_json(entry);
    const std::string text = entry.is_array() ? format("%s x %llu: ", entry.type_name().c_str(),
                                                       static_cast<unsigned long long>(entry.count)) +
                                                    shown(value.at("first"))
                                              : shown(value);
    print(format("  %-44s %s\n", std::string(entry.key).c_str(), text.c_str()));
  }
}

void print_tensors(const TensorStore& store, bool all) {
  struct Sum {
    size_t n = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string, Sum> by_type;
  for (const TensorInfo& t : store.tensors()) {
    Sum& sum = by_type[t.type->name];
    ++sum.n;
    sum.bytes += t.bytes;
  }
  print(format("\ntensors (%zu)\n", store.tensors().size()));
  for (const auto& [type, sum] : by_type) {
    print(
        format("  %-6s %5zu tensors, %s\n", type.c_str(), sum.n, human_bytes(static_cast<double>(sum.bytes)).c_str()));
  }
  if (!all) return;
  for (const TensorInfo& t : store.tensors()) {
    print(format("  %-40s %-6s %-24s %s\n", std::string(t.name).c_str(), t.type->name, t.shape().c_str(),
                 human_bytes(static_cast<double>(t.bytes)).c_str()));
  }
}

// Strings without quotes (but with JSON's escapes: what a file says must not steer the terminal), nothing as a dash.
std::string readable(const Json& value) {
  if (value.is_null()) return "-";
  const std::string text = shown(value);
  return value.is_string() && text.ends_with('"') ? text.substr(1, text.size() - 2) : text;
}

// What an adapter's file adds to, and how much of it; null when the file is none.
Json adapter_json(const TensorStore& store) {
  const auto text = [&](const char* key) {
    const auto found = store.metadata().get_string_or(key, "");
    return found.ok() ? std::string(*found) : "";
  };
  const std::string arch = text("general.architecture");
  if (arch == "controlvector") {
    return {
        {"kind", "control_vector"}, {"layers", store.tensors().size()}, {"model", text("controlvector.model_hint")}};
  }
  if (text("general.type") != "adapter") return {};
  std::set<int64_t> ranks;
  size_t n_adapted = 0;
  for (const TensorInfo& t : store.tensors()) {
    if (!t.name.ends_with(".lora_b")) continue;
    ranks.insert(t.dims[0]);
    ++n_adapted;
  }
  const auto alpha = store.metadata().get_f32("adapter.lora.alpha");
  return {{"kind", text("adapter.type")},
          {"architecture", arch},
          {"alpha", alpha.ok() ? Json(*alpha) : Json()},
          {"tensors", n_adapted},
          {"ranks", std::vector<int64_t>(ranks.begin(), ranks.end())}};
}

// The model's own description, key by key; nested objects indented.
void print_object(const Json& object, int indent, bool bytes = false) {
  for (const auto& [key, value] : object.items()) {
    const std::string margin(static_cast<size_t>(indent), ' ');
    if (value.is_object()) {
      print(margin + key + "\n");
      print_object(value, indent + 2, key.ends_with("bytes"));
      continue;
    }
    const bool is_bytes = (bytes || key.ends_with("bytes")) && value.is_number_unsigned();
    const std::string text = is_bytes ? human_bytes(value.get<double>()) : readable(value);
    print(format("%s%-*s %s\n", margin.c_str(), 46 - indent, key.c_str(), text.c_str()));
  }
}

void inspect(const InspectFlags& flags) {
  const std::string path = flags.model.path();
  LoadOptions load;
  load.use_mmap = !flags.model.no_mmap;
  const TensorStore store = need(TensorStore::open(path, load));
  // What the engine makes of it; a reason when it cannot run it.
  Json description;
  std::string problem;
  if (const auto model = kedge::Model::open(path, {.use_mmap = !flags.model.no_mmap}); model.ok()) {
    description = Json::parse(need(model->describe(flags.session.options())));
  } else {
    problem = model.error().message;
  }
  const Json adapter = adapter_json(store);
  if (flags.json) {
    Json out = {{"file", path},
                {"gguf_version", store.version()},
                {"n_files", store.n_files()},
                {"file_bytes", store.file_bytes()},
                {"alignment", store.alignment()}};
    out["runs"] = problem.empty();
    if (problem.empty())
      out["model"] = std::move(description);
    else
      out["problem"] = problem;
    if (!adapter.is_null()) out["adapter"] = adapter;
    out["metadata"] = metadata_json(store);
    out["tensors"] = tensors_json(store);
    print_json(out);
    return;
  }
  print(format("%s: GGUF version %u, %s in %zu file%s\n", path.c_str(), store.version(),
               human_bytes(static_cast<double>(store.file_bytes())).c_str(), store.n_files(),
               store.n_files() == 1 ? "" : "s"));
  if (problem.empty()) {
    print("\nmodel\n");
    print_object(description, 2);
  } else if (!adapter.is_null()) {
    print("\nadapter (--lora or --control-vector adds it to a model)\n");
    print_object(adapter, 2);
  } else {
    print("\nKedge cannot run it: " + problem + "\n");
  }
  print_metadata(store);
  print_tensors(store, flags.tensors);
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* c = app.add_subcommand("inspect", "Show what is in a model file and the memory it needs");
  flags->model.add_to(c);
  c->add_option("file", flags->model.model, "The same as --model")->type_name("FILE|NAME");
  flags->session.add_to(c);
  c->add_flag("--tensors", flags->tensors, "List every tensor");
  c->add_flag("--json", flags->json, "Print everything as JSON");
  c->footer(
      "The memory plan is for a session of --ctx tokens and --kv-type.\n"
      "Examples:\n  kedge inspect model.gguf --tensors\n  kedge inspect scout --ctx 4096 --kv-type q8_0 --json");
  c->callback([flags] { inspect(*flags); });
}

}  // namespace kedge::tools
