#include "tools/model_flags.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <random>
#include <system_error>

#include "tools/presets.h"
#include "tools/progress.h"
#include "tools/schema.h"
#include "tools/store/store.h"
#include "tools/weights_cache.h"

namespace kedge::tools {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultModel = "scout";

// Where embedded models are looked for: beside an installed command, in the tree a build lies in, in the source tree.
std::vector<fs::path> model_folders() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  std::vector<fs::path> folders;
  if (!error) {
    const fs::path here = self.parent_path();
    for (const char* relative : {"models", "../models", "../../models", "../share/kedge/models"}) {
      folders.push_back((here / relative).lexically_normal());
    }
  }
  folders.emplace_back(KEDGE_MODELS_DIR);
  return folders;
}

// "scout-q4_k_m.gguf" is called "scout". The first folder that has a name wins; within a folder the first file.
std::map<std::string, std::string> embedded_models() {
  std::map<std::string, std::string> models;
  for (const fs::path& folder : model_folders()) {
    std::error_code error;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".gguf") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      const std::string stem = file.stem().string();
      models.emplace(stem.substr(0, stem.find('-')), file.string());
    }
  }
  return models;
}

std::string whole_number(const std::string& text) {
  const bool digits = text.find_first_not_of("+-0123456789") == std::string::npos;
  return digits ? "" : "'" + text + "' is not a whole number";
}

kedge_kv_type kv_type_named(const std::string& name) {
  for (const CacheType& t : cache_types()) {
    if (same_name(t.name, name)) return t.value;
  }
  throw Failure("no cache type is called " + name);
}

// Of a model that was pulled, or that another program keeps; empty when none has that name.
std::string stored_path(const std::string& name) {
  if (name.empty()) return {};
  const auto found = store::find_models(name);
  if (found.empty()) return {};
  for (const auto& other : found) {
    if (!same_name(other.name, found.front().name)) {
      throw Failure("'" + name + "' means " + found.front().name + " and " + other.name + ": name one");
    }
  }
  return found.front().path;
}

std::string flag_name(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& [name, file] : embedded_models()) names.push_back(name);
  for (const auto& model : store::stored_models()) names.push_back(model.name);
  return names;
}

std::string embedded_file(const std::string& name) {
  for (const fs::path& folder : model_folders()) {
    std::error_code error;
    if (fs::exists(folder / name, error)) return (folder / name).string();
  }
  throw Failure("no " + name + " beside the embedded models");
}

void ModelFlags::add_to(CLI::App* command) {
  const CLI::CommonOptions common(command);
  command
      ->add_option("-m,--model", model,
                   "GGUF file, a name that 'kedge list' shows, or an embedded model: scout (the default) or sage")
      ->type_name("FILE|NAME");
  command->add_flag("--no-mmap", no_mmap, "Read the file into memory instead of mapping it");
  command
      ->add_option("--weights-cache", weights_cache,
                   "Folder where packed weights of models from 64 MiB up are kept, so that loading them again takes "
                   "no time; auto: KEDGE_WEIGHTS_CACHE, else the user's cache folder; off: nowhere")
      ->type_name("auto|off|FOLDER")
      ->capture_default_str();
}

std::string ModelFlags::path() const {
  const std::string wanted = model.empty() ? kDefaultModel : model;
  std::error_code error;
  if (!model.empty() && fs::exists(model, error)) return model;
  const auto known = embedded_models();
  const auto found = known.find(wanted);
  if (found != known.end()) return found->second;
  if (const std::string stored = stored_path(model); !stored.empty()) return stored;
  if (model.find('/') != std::string::npos) return model;  // a path: the error is the file's
  std::string names;
  for (const auto& [name, file] : known) names += (names.empty() ? "" : ", ") + name;
  if (names.empty()) names = "none found";
  if (model.empty()) throw Failure("no model given (-m FILE) and no embedded model found");
  throw Failure("'" + model + "': no such file, not an embedded model (" + names + "), and no model of 'kedge list'");
}

kedge::Model ModelFlags::open_vocabulary() const {
  kedge::ModelOptions options;
  options.vocab_only = true;
  return need(kedge::Model::open(path(), options));
}

kedge::Model ModelFlags::open(const std::function<void()>& meanwhile) const {
  Progress progress("loading");
  kedge::ModelOptions options;
  options.use_mmap = !no_mmap;
  options.weights_cache = weights_cache_folder(weights_cache);
  options.on_progress = [&](size_t done, size_t total) {
    progress.update(done, total);
    if (meanwhile) meanwhile();
    return true;
  };
  auto opened = need(kedge::Model::open(path(), options));
  if (!options.weights_cache.empty()) keep_weights(opened, weights_cache != "auto");
  return opened;
}

void SessionFlags::add_to(CLI::App* command, Which which) {
  const CLI::CommonOptions common(command);
  if (which == kAll) {
    command->add_option("-c,--ctx", ctx, "Tokens the context holds; 0: what the model was trained with")
        ->check(in_range(0, 1 << 30))
        ->capture_default_str();
  }
  if (which != kOnlyTypes) {
    command->add_option("-t,--threads", threads, "Threads; 0: the cores this process may use, cgroup quota included")
        ->check(in_range(0, 1024))
        ->capture_default_str();
    command->add_option("--chunk", chunk, "Prompt tokens computed at once; changes speed and memory, never a result")
        ->check(in_range(1, 1 << 20))
        ->capture_default_str();
  }
  std::vector<std::string> names;
  for (const CacheType& type : cache_types()) names.push_back(type.name);
  command->add_option("--kv-type", kv_type, "Type of the cached keys and values")
      ->check(one_of(names))
      ->capture_default_str();
  command
      ->add_option("--numerics", numerics,
                   "exact: the bits of the scalar reference; fast: weights rounded to bytes per 256 values, floats to "
                   "bfloat16 (needs AVX-512 with VNNI, for floats AVX512_BF16; kedge doctor)")
      ->check(CLI::IsMember({"exact", "fast"}))
      ->capture_default_str();
}

kedge::SessionOptions SessionFlags::options() const {
  return {.n_ctx = ctx,
          .n_threads = threads,
          .chunk = chunk,
          .kv_type = kv_type_named(kv_type),
          .numerics = numerics == "fast" ? KEDGE_NUMERICS_FAST : KEDGE_NUMERICS_EXACT};
}

kedge::EngineOptions SessionFlags::engine(int sequences) const {
  const kedge::SessionOptions o = options();
  return {.n_threads = o.n_threads,
          .sequences = sequences,
          .step_tokens = o.chunk,
          .kv_type = o.kv_type,
          .numerics = o.numerics};
}

void add_preset(CLI::App* command) {
  const CLI::CommonOptions common(command);
  std::string names;
  for (const Preset& preset : own_presets()) names += (names.empty() ? "" : ", ") + preset.name + ": " + preset.help;
  command
      ->add_option_function<std::string>(
          "--preset", [](const std::string&) {},
          "Settings by a name (" + names + "), or one of your own file, see 'kedge config'")
      ->type_name("NAME");
}

void TextFlags::add_to(CLI::App* command, Which which) {
  const CLI::CommonOptions common(command);
  if (which == kAll) command->add_flag("--no-bos", no_bos, "Do not put the model's beginning-of-text token first");
  command->add_flag("--special", special, "Read '<|...|>' in the text as control tokens, not as characters");
  command->add_flag("--no-special", "What happens anyway; accepted for older scripts")->group("");
  command->add_flag("--exact-bytes", exact_bytes,
                    "Take the text as it is, also for models that were trained on Unicode NFC and get that otherwise");
}

std::vector<int32_t> TextFlags::tokenize(const kedge::Model& model, const std::string& text) const {
  return need(model.tokenize(text, !no_bos, special, exact_bytes));
}

void Seed::add_to(CLI::App* command, const std::string& help) {
  const CLI::CommonOptions common(command);
  option_ = command
                ->add_option_function<std::string>(
                    "--seed",
                    [this](const std::string& text) {
                      if (text == "random" || text == "-1") return given_.reset();
                      uint64_t value = 0;
                      const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
                      if (error != std::errc() || rest != text.data() + text.size()) {
                        throw CLI::ValidationError("--seed", "'" + text +
                                                                 "' is neither a number from 0 to 18446744073709551615 "
                                                                 "nor random");
                      }
                      given_ = value;
                    },
                    help + " [random]")
                ->type_name("N|random");
}

bool Seed::on_command_line() const { return option_ != nullptr && option_->on_command_line(); }

uint64_t Seed::value() const {
  if (given_) return *given_;
  if (!drawn_) drawn_ = std::random_device()();  // 32 bits: short to type, exact in any JSON reader
  return *drawn_;
}

void SamplerFlags::add_to(CLI::App* command) {
  const CLI::CommonOptions common(command);
  add_preset(command);
  seed_.add_to(command, "Seed of the random choices: the same command and seed give the same text");
  named_.push_back(command->add_option("--stop", stop, "End the answer before this text (may be repeated)"));
  std::string order;
  for (const Json& name : tools::settings_schema().at("order")) {
    order += (order.empty() ? "" : ";") + name.get<std::string>();
  }
  named_.push_back(
      command
          ->add_option("--samplers", samplers, "Samplers in the order they run; those left out are off [" + order + "]")
          ->group("Sampling")
          ->type_name("NAME;NAME..."));
  for (const Json& setting : tools::settings_schema().at("settings")) {
    const std::string name = setting.at("name");
    const bool is_int = setting.at("type") == "int";
    auto value = std::make_shared<std::optional<double>>();
    settings_.emplace_back(name, value);
    std::string flags = flag_name(name);
    if (name == "temperature") {
      flags += ",--temp";
      temperature_ = setting.at("default").get<double>();
    }
    std::string help = setting.at("doc").get<std::string>() + " [" + setting.at("default").dump() + "]";
    auto* option = command->add_option_function<double>(
        flags, [value](double v) { *value = v; }, help);
    option->group("Sampling")->type_name(is_int ? "INT" : "FLOAT");
    named_.push_back(option);
    if (setting.at("min").is_number() && setting.at("max").is_number()) {
      option->check(in_range(setting.at("min").get<double>(), setting.at("max").get<double>()));
    }
    if (is_int) option->check(CLI::Validator(whole_number, ""));
  }
}

void SamplerFlags::apply(kedge::GenerateOptions& options) const {
  options.seed = seed();
  options.stop = stop;
  options.samplers = samplers;
  for (const auto& [name, value] : settings_) {
    if (value->has_value()) options.settings.emplace_back(name, **value);
  }
}

bool SamplerFlags::greedy() const {
  if (!samplers.empty() && samplers.find("temp") == std::string::npos) return false;
  for (const auto& [name, value] : settings_) {
    if (name == "temperature" && value->has_value()) return **value == 0;
  }
  return temperature_ == 0;
}

uint64_t SamplerFlags::seed() const { return seed_.drawn() && greedy() ? 0 : seed_.value(); }

std::string SamplerFlags::first_given() const {
  if (seed_.on_command_line()) return "--seed";
  for (const CLI::Option* option : named_) {
    if (option->on_command_line()) return "--" + option->names().front();
  }
  return "";
}

std::string SamplerFlags::seed_line() const {
  if (!seed_.drawn() || greedy()) return "";
  return format("seed %llu", static_cast<unsigned long long>(seed()));
}

void TokensFlags::add_to(CLI::App* command) {
  auto* list = command->add_option("--tokens", tokens, "Token ids, separated by commas")->type_name("1,2,3");
  command->add_option("--tokens-file", file, "File of token ids, separated by commas or white space")->excludes(list);
}

std::vector<int32_t> TokensFlags::read() const {
  return tokens.empty() ? parse_ids(read_text(file), file) : parse_ids(tokens, "--tokens");
}

Json logprobs_json(const kedge::Model& model, const kedge::Generation& g) {
  Json rows = Json::array();
  for (size_t i = 0; i < g.tokens().size(); ++i) {
    Json row = Json::array();
    for (const kedge_logprob& p : g.logprobs(i)) {
      row.push_back({{"token", p.token}, {"piece", need(model.token(p.token)).piece}, {"logprob", p.logprob}});
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

const char* kv_type_name(kedge_kv_type type) {
  for (const CacheType& t : cache_types()) {
    if (t.value == type) return t.name.c_str();
  }
  return "?";
}

const char* finish_name(kedge_finish_reason reason) {
  switch (reason) {
    case KEDGE_FINISH_STOP_TOKEN:
      return "stop_token";
    case KEDGE_FINISH_STOP_STRING:
      return "stop_string";
    case KEDGE_FINISH_LENGTH:
      return "length";
    case KEDGE_FINISH_CONTEXT_FULL:
      return "context_full";
    case KEDGE_FINISH_CANCELLED:
      return "cancelled";
    case KEDGE_FINISH_DEADLINE:
      return "deadline";
  }
  return "unknown";
}

}  // namespace kedge::tools
