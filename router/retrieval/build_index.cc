#include "router/retrieval/build_index.h"

#include <filesystem>
#include <unordered_map>

#include "kernels/base/sha256.h"
#include "router/retrieval/index_writer.h"
#include "router/retrieval/pooling.h"
#include "router/retrieval/text_clean.h"
#include "weights/mapped_file.h"

namespace kedge::router {

namespace {

using retrieval::InputFile;
using retrieval::Piece;

// Thousandths: reading, vectors, writing.
constexpr size_t kTotal = 1000;
constexpr size_t kRead = 500;
constexpr size_t kEmbedded = 900;

Error cancelled(const std::string& path) { return {ErrorCode::kCancelled, path + ": cancelled"}; }

// What a vector is made of.
std::string embedded_text(std::string_view title, std::string_view text) {
  if (title.empty()) return std::string(text);
  std::string both(title);
  both += '\n';
  return both += text;
}

class Builder {
 public:
  Builder(const BuildOptions& options, std::shared_ptr<const Embedder> embedder)
      : options_(&options), embedder_(std::move(embedder)), counts_(static_cast<size_t>(embedder_->n_tokens()), 0) {}

  Result<BuildReport> build() {
    if (options_->paths.empty()) return Error{ErrorCode::kInvalidArgument, "no files or folders to index are given"};
    // Before the temporary file is there, which may lie in one of the folders.
    const retrieval::Inputs inputs = retrieval::collect_inputs(options_->paths, options_->out);
    KEDGE_ASSIGN(writer, retrieval::IndexWriter::create(options_->out));
    writer_ = std::move(writer);
    KEDGE_TRY(read_files(inputs));
    KEDGE_TRY(make_ids());
    KEDGE_TRY(embed());
    KEDGE_TRY(write_meta());
    if (!tell(kEmbedded, 1, 2)) return cancelled(options_->out);
    KEDGE_ASSIGN(contents, writer_->commit());
    report_.n_documents = contents.n_documents;
    report_.n_passages = contents.n_passages;
    report_.dim = contents.dim;
    report_.sha256 = contents.sha256;
    report_.fingerprint = contents.fingerprint;
    KEDGE_ASSIGN(size, regular_file_size(options_->out));
    report_.n_bytes = size;
    if (options_->progress) options_->progress(kTotal, kTotal);  // too late to cancel
    return std::move(report_);
  }

 private:
  // Passages of a file that get made-up ids with one beginning.
  struct Group {
    std::string stem;
    std::vector<int64_t> rows;
  };

  bool tell(size_t before, size_t part, size_t parts) const {
    if (!options_->progress) return true;
    const size_t span = before == 0 ? kRead : before == kRead ? kEmbedded - kRead : kTotal - kEmbedded;
    return options_->progress(before + span * part / parts, kTotal);
  }

  // A problem with a file: noted, or the end.
  Status complain(const std::string& path, Error error) {
    const bool of_file = error.code != ErrorCode::kCancelled && error.code != ErrorCode::kInternal;
    if (!options_->skip_bad || !of_file) return error;
    report_.skipped.push_back({path, std::move(error)});
    return {};
  }

  Status read_files(const retrieval::Inputs& inputs) {
    report_.n_hidden = inputs.n_hidden;
    for (const retrieval::Problem& p : inputs.problems) KEDGE_TRY(complain(p.path, p.error));
    uint64_t total = 1;
    uint64_t done = 0;
    for (const InputFile& file : inputs.files) {
      if (const auto size = regular_file_size(file.path); size.ok()) total += *size;
    }
    for (const InputFile& file : inputs.files) {
      if (!tell(0, std::min(done, total), total)) return cancelled(options_->out);
      const auto bytes = MappedFile::open(file.path, {.use_mmap = false, .populate = false, .progress = {}});
      Status status = bytes.ok() ? read_file(file, bytes->bytes(), std::min(done, total), total) : bytes.error();
      if (!status.ok()) KEDGE_TRY(complain(file.path, std::move(status).error()));
      if (!write_error_.ok()) return write_error_;
      if (bytes.ok()) done += bytes->bytes().size();
    }
    if (n_passages_ > 0) return {};
    std::string why = "there is nothing to index in";
    for (const std::string& path : options_->paths) why += " " + path;
    if (!report_.skipped.empty()) why += "; the first problem: " + report_.skipped.front().error.message;
    return Error{ErrorCode::kInvalidArgument, why};
  }

  Status read_file(const InputFile& file, std::span<const std::byte> raw, uint64_t done, uint64_t total) {
    const std::string_view bytes(reinterpret_cast<const char*>(raw.data()), raw.size());
    const auto go_on = [&] { return tell(0, done, total); };
    KEDGE_ASSIGN(pieces, retrieval::read_pieces(file, bytes, static_cast<size_t>(options_->passage_words), go_on));
    // Whatever can be wrong with the file is found before anything of it is in the index.
    std::vector<int32_t> tokens;
    for (const Piece& piece : pieces) {
      if (!go_on()) return cancelled(options_->out);
      KEDGE_ASSIGN(ids, embedder_->encode(embedded_text(piece.title, piece.text)));
      tokens.insert(tokens.end(), ids.begin(), ids.end());
    }
    KEDGE_TRY(claim_ids(file, pieces));
    for (const int32_t token : tokens) ++counts_[static_cast<size_t>(token)];
    write_error_ = write(file, sha256_hex(bytes), bytes.size(), pieces);
    return {};
  }

  // All ids of the file, or none when one is taken.
  Status claim_ids(const InputFile& file, const std::vector<Piece>& pieces) {
    std::vector<const std::string*> claimed;
    for (const Piece& piece : pieces) {
      if (piece.id.empty()) continue;
      std::string where = file.path + ":" + std::to_string(piece.line);
      const auto [other, is_new] = owners_.try_emplace(piece.id, where);
      if (is_new) {
        claimed.push_back(&other->first);
        continue;
      }
      Error error{ErrorCode::kInvalidArgument,
                  where + ": id '" + piece.id + "' is also that of " + other->second + "; ids have to differ"};
      for (const std::string* id : claimed) owners_.erase(owners_.find(*id));
      return error;
    }
    return {};
  }

  Status write(const InputFile& file, const std::string& sha256, size_t n_bytes, const std::vector<Piece>& pieces) {
    retrieval::InputFile named = file;
    const std::string root = options_->root + "/";
    if (!options_->root.empty() && named.path.starts_with(root)) named.path.erase(0, root.size());
    KEDGE_ASSIGN(document, writer_->add_document(named, sha256, n_bytes));
    bool new_group = true;
    for (const Piece& piece : pieces) {
      KEDGE_ASSIGN(row, writer_->add_passage(document, piece));
      n_passages_ = row;
      if (!piece.id.empty()) continue;
      if (new_group || groups_.back().stem != piece.stem) groups_.push_back({piece.stem, {}});
      new_group = false;
      groups_.back().rows.push_back(row);
    }
    return {};
  }

  // Last of all, so that no made-up id is one that a later file gives.
  Status make_ids() {
    std::unordered_map<std::string, int> used;  // how many beginnings of a stem are taken
    for (const Group& group : groups_) {
      std::vector<std::string> ids;
      for (bool free = false; !free;) {
        const int n = ++used[group.stem];
        const std::string begin = group.stem + (n == 1 ? "" : "_" + std::to_string(n)) + "-";
        ids.clear();
        free = true;
        for (size_t i = 1; free && i <= group.rows.size(); ++i) {
          ids.push_back(begin + std::to_string(i));
          free = !owners_.contains(ids.back());
        }
      }
      for (size_t i = 0; i < ids.size(); ++i) {
        KEDGE_TRY(writer_->set_id(group.rows[i], ids[i]));
        owners_.emplace(ids[i], group.stem);
      }
    }
    return {};
  }

  Status embed() {
    Pooling pooling(embedder_, counts_);
    const auto dim = static_cast<size_t>(embedder_->dim());
    const auto n = static_cast<size_t>(n_passages_);
    std::vector<float> vectors(n * dim);
    std::vector<double> sum(dim, 0.0);
    KEDGE_ASSIGN(rows, writer_->database().prepare("SELECT title, text FROM passages ORDER BY row"));
    for (size_t i = 0; i < n; ++i) {
      if (i % 256 == 0 && !tell(kRead, i, n)) return cancelled(options_->out);
      KEDGE_ASSIGN(more, rows.step());
      if (!more) return Error{ErrorCode::kInternal, options_->out + ": passage " + std::to_string(i + 1) + " is gone"};
      KEDGE_ASSIGN(vector, pooling.raw(embedded_text(rows.view(0), rows.view(1))));
      std::copy(vector.begin(), vector.end(), vectors.begin() + static_cast<std::ptrdiff_t>(i * dim));
      for (size_t d = 0; d < dim; ++d) sum[d] += static_cast<double>(vector[d]);
    }
    rows.reset();
    for (size_t d = 0; d < dim; ++d) mean_.push_back(static_cast<float>(sum[d] / static_cast<double>(n)));
    pooling.set_mean(mean_);
    for (size_t i = 0; i < n; ++i) {
      const std::span<float> vector(vectors.data() + i * dim, dim);
      pooling.finish(vector);
      KEDGE_TRY(writer_->add_vector(static_cast<int64_t>(i) + 1, vector));
    }
    return {};
  }

  Status write_meta() {
    KEDGE_TRY(writer_->set_meta("fingerprint", embedder_->fingerprint()));
    KEDGE_TRY(writer_->set_meta("model", std::filesystem::path(embedder_->name()).filename().string()));
    KEDGE_TRY(writer_->set_meta("pooling", kPoolingName));
    KEDGE_TRY(writer_->set_meta("passage_words", std::to_string(options_->passage_words)));
    KEDGE_TRY(writer_->set_meta("token_counts",
                                {reinterpret_cast<const char*>(counts_.data()), counts_.size() * sizeof(uint64_t)}));
    return writer_->set_meta("mean", {reinterpret_cast<const char*>(mean_.data()), mean_.size() * sizeof(float)});
  }

  const BuildOptions* options_;
  std::shared_ptr<const Embedder> embedder_;
  std::unique_ptr<retrieval::IndexWriter> writer_;
  BuildReport report_;
  std::vector<uint64_t> counts_;  // of each token
  std::vector<float> mean_;
  std::unordered_map<std::string, std::string> owners_;  // id -> who has it, for errors
  std::vector<Group> groups_;
  int64_t n_passages_ = 0;
  Status write_error_;  // of the index, never of an input
};

}  // namespace

Result<BuildReport> build_index(const BuildOptions& options, std::shared_ptr<const Embedder> embedder) {
  if (options.passage_words < 1 || options.passage_words > kMaxPassageWords) {
    return Error{ErrorCode::kInvalidArgument, "passage_words = " + std::to_string(options.passage_words) +
                                                  "; the range is 1 to " + std::to_string(kMaxPassageWords)};
  }
  return Builder(options, std::move(embedder)).build();
}

}  // namespace kedge::router
