// kedge logits: the raw numbers of a forward pass, for comparing engines.
#include <bit>
#include <cstdio>
#include <optional>

#include "kernels/base/output_file.h"
#include "tools/adapter_flags.h"
#include "tools/kv_flags.h"
#include "tools/model_flags.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

struct LogitsFlags {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  AdapterFlags adapters;
  TokensFlags tokens;
  std::string out;
  int last = 0;
  bool json = false;
};

// A file that appears complete or not at all, or standard output.
class Sink {
 public:
  explicit Sink(const std::string& path) {
    if (path != "-") file_ = need(OutputFile::create(path));
  }
  bool write(std::span<const float> row) {
    const auto bytes = std::as_bytes(row);
    if (file_) {
      status_ = file_->write(bytes);
      return status_.ok();
    }
    return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
  }
  void finish() {
    need(std::move(status_));
    if (!file_) check_output();
  }
  void commit() {
    if (file_) need(file_->commit());
  }

 private:
  std::optional<OutputFile> file_;
  base::Status status_;
};

void logits(LogitsFlags& flags) {
  if (flags.out == "-" && flags.json) throw Failure("-o - and --json are both for standard output", kExitUsage);
  if (flags.out != "-") need_outputs({flags.out});
  if (!flags.tokens.given()) throw Failure("give the token ids with --tokens or --tokens-file", kExitUsage);
  const std::vector<int32_t> ids = flags.tokens.read();
  const size_t rows = flags.last > 0 ? static_cast<size_t>(flags.last) : ids.size();
  if (rows > ids.size()) {
    throw Failure(format("--last %zu: there are only %zu tokens", rows, ids.size()));
  }
  const kedge::Model model = flags.model.open();
  kedge::SessionOptions options = flags.session.options();
  options.kv = flags.kv.json();
  options.adapters = flags.adapters.open(model);
  if (options.n_ctx == 0) options.n_ctx = static_cast<int>(ids.size());
  auto session = need(kedge::Session::create(model, options));
  const InterruptGuard guard(session);

  Sink sink(flags.out);
  Progress progress("computing");
  const size_t skipped = ids.size() - rows;
  const auto on_progress = [&](size_t base) {
    return [&, base](size_t done, size_t) {
      progress.update(base + done, ids.size());
      return true;
    };
  };
  const std::span<const int32_t> all(ids);
  if (skipped > 0) need(session.eval(all.first(skipped), on_progress(0)));
  const auto status = session.eval_all(
      all.subspan(skipped), [&](int, std::span<const float> row) { return sink.write(row); }, on_progress(skipped));
  sink.finish();  // what went wrong there is why the rows ended
  need(status);
  sink.commit();
  progress.finish();
  if (flags.json) {
    Json json = {{"file", flags.out},
                 {"rows", rows},
                 {"n_vocab", session.info().n_vocab},
                 {"first_position", skipped},
                 {"type", "f32le"}};
    if (flags.kv.given()) json["kv"] = Json::parse(need(session.kv()));
    print_json(json);
  }
}

}  // namespace

void add_logits(CLI::App& app) {
  auto flags = std::make_shared<LogitsFlags>();
  CLI::App* c = app.add_subcommand("logits", "Write the logits of given tokens to a file");
  flags->model.add_to(c);
  flags->tokens.add_to(c);
  flags->session.add_to(c);
  flags->kv.add_to(c);
  flags->adapters.add_to(c);
  c->add_option("--last", flags->last, "Only the rows of the last N tokens")->check(in_range(1, 1 << 30));
  c->add_option("-o,--out", flags->out, "File to write ('-': standard output): rows of n_vocab little-endian float32")
      ->required();
  c->add_flag("--json", flags->json, "Describe the file as JSON on standard output");
  c->footer(
      "Nothing is added to the tokens: give the beginning-of-text token yourself.\n"
      "Example:\n  kedge logits -m model.gguf --tokens 1,415,273 --kv-type f32 -o logits.f32");
  c->callback([flags] { logits(*flags); });
}

}  // namespace kedge::tools
