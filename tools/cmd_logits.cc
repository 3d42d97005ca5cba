// kedge logits: the raw numbers of a forward pass, for comparing engines.
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

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
  TokensFlags tokens;
  std::string out;
  int last = 0;
  bool json = false;
};

void logits(const LogitsFlags& flags) {
  if (!flags.tokens.given()) throw Failure("give the token ids with --tokens or --tokens-file", kExitUsage);
  const std::vector<int32_t> ids = flags.tokens.read();
  const size_t rows = flags.last > 0 ? static_cast<size_t>(flags.last) : ids.size();
  if (rows > ids.size()) {
    throw Failure(format("--last %zu: there are only %zu tokens", rows, ids.size()));
  }
  const api::Model model = flags.model.open();
  api::SessionOptions options = flags.session.options();
  options.kv = flags.kv.json();
  if (options.n_ctx == 0) options.n_ctx = static_cast<int>(ids.size());
  auto session = need(api::Session::create(model, options));

  FILE* out = std::fopen(flags.out.c_str(), "wb");
  if (out == nullptr) throw Failure(flags.out + ": " + std::strerror(errno));
  bool written = true;
  Progress progress("computing");
  const size_t skipped = ids.size() - rows;
  const auto on_progress = [&](size_t base) {
    return [&, base](size_t done, size_t) {
      progress.update(base + done, ids.size());
      return true;
    };
  };
  const std::span<const int32_t> all(ids);
  api::Status status;
  if (skipped > 0) status = session.eval(all.first(skipped), on_progress(0));
  if (status.ok()) {
    const auto on_row = [&](int, std::span<const float> row) {
      written = std::fwrite(row.data(), sizeof(float), row.size(), out) == row.size();
      return written;
    };
    status = session.eval_all(all.subspan(skipped), on_row, on_progress(skipped));
  }
  const int error = errno;
  const bool closed = std::fclose(out) == 0;
  if (!written || (status.ok() && !closed)) throw Failure(flags.out + ": " + std::strerror(written ? errno : error));
  if (!status.ok()) {
    std::remove(flags.out.c_str());  // half a file would look like a result
    need(std::move(status));
  }
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
  c->add_option("--last", flags->last, "Only the rows of the last N tokens")->check(in_range(1, 1 << 30));
  c->add_option("-o,--out", flags->out, "File to write: rows of n_vocab little-endian float32")->required();
  c->add_flag("--json", flags->json, "Describe the file as JSON on standard output");
  c->footer(
      "Nothing is added to the tokens: give the beginning-of-text token yourself.\n"
      "Example:\n  kedge logits -m model.gguf --tokens 1,415,273 --kv-type f32 -o logits.f32");
  c->callback([flags] { logits(*flags); });
}

}  // namespace kedge::tools
