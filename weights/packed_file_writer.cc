// Writing a packed file: in pieces of whole huge pages, which is what makes the system hold it in those.
#include <algorithm>
#include <cstring>
#include <filesystem>

#include "kernels/base/output_file.h"
#include "weights/gguf_writer.h"
#include "weights/packed_file.h"
#include "weights/packed_file_format.h"

namespace kedge::weights {

using namespace packed_file;  // NOLINT(google-build-using-namespace): the format this writes

namespace {

// Collects bytes until the file has come to the end of a chunk.
class ChunkedWeights {
 public:
  ChunkedWeights(GgufWriter& writer, std::span<const std::byte> header, const LoadProgress& progress, uint64_t total)
      : writer_(&writer), progress_(&progress), total_(total) {
    chunk_.reserve(kChunk);
    digests_ = sha256(text(header));
    // Longer than a chunk when there are very many pieces: then what is full is digested, and never written again.
    for (; header.size() >= kChunk; header = header.subspan(kChunk)) digests_ += sha256(text(header.first(kChunk)));
    chunk_.assign(header.begin(), header.end());
    written_ = chunk_.size();
  }

  Status add(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const size_t n = std::min(bytes.size(), kChunk - chunk_.size());
      chunk_.insert(chunk_.end(), bytes.data(), bytes.data() + n);
      bytes = bytes.subspan(n);
      if (chunk_.size() == kChunk) KEDGE_TRY(flush());
    }
    return {};
  }
  // `padding`: zeros that the container puts behind.
  Status end(size_t padding) {
    KEDGE_TRY(write());
    std::vector<std::byte> zeros(padding);
    while (!zeros.empty()) {
      const size_t n = std::min(zeros.size(), kChunk - chunk_.size());
      chunk_.insert(chunk_.end(), n, std::byte{0});
      zeros.resize(zeros.size() - n);
      if (chunk_.size() == kChunk) digest();
    }
    if (!chunk_.empty()) digest();
    return {};
  }
  std::string_view digests() const { return digests_; }

 private:
  static std::string_view text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  Status write() {
    const auto fresh = std::span(chunk_).subspan(written_);
    if (!fresh.empty()) KEDGE_TRY(writer_->write(kWeights, fresh));
    done_ += fresh.size();
    written_ = chunk_.size();
    if (*progress_ && !(*progress_)(done_, total_)) {
      return Error{ErrorCode::kCancelled, "writing packed weights was cancelled"};
    }
    return {};
  }
  void digest() {
    digests_ += sha256(text(chunk_));
    chunk_.clear();
    written_ = 0;
  }
  Status flush() {
    KEDGE_TRY(write());
    digest();
    return {};
  }

  GgufWriter* writer_;
  const LoadProgress* progress_;
  uint64_t total_;
  uint64_t done_ = 0;
  std::vector<std::byte> chunk_;
  size_t written_ = 0;  // of the chunk
  std::string digests_;
};

// The stamp of a file tells its states apart unless it was written to so shortly before that the clock had not moved.
Status check_unchanged(const TensorStore& source, int64_t loaded_at) {
  constexpr int64_t kClock = 20'000'000;
  for (size_t i = 0; i < source.n_files(); ++i) {
    const MappedFile& file = source.file(i);
    KEDGE_ASSIGN(now, file_stamp(file.path()));
    if (now != file.stamp()) {
      return Error{ErrorCode::kIo, file.path() + ": is another file than the one that was loaded"};
    }
    if (now.changed > loaded_at - kClock) {
      return Error{ErrorCode::kIo, file.path() +
                                       ": was written just before it was loaded, so its time does not tell "
                                       "whether it has changed since"};
    }
  }
  return {};
}

// Any type does for what are bytes; 16-bit floats make it an even number of them.
void add_bytes(GgufWriter& w, std::string_view name, uint64_t bytes) {
  const auto values = static_cast<int64_t>(bytes / 2);
  w.add_tensor(name, *find_quant("F16"), {&values, 1});
}

// The header's size does not depend on how many digests there are.
Result<GgufWriter> make_writer(const TensorStore& source, std::span<const LaidPiece> pieces, uint64_t bytes,
                               uint64_t n_digests) {
  GgufWriter w;
  w.set_alignment(kPage);
  w.add(kVersionKey, kVersion);
  w.add_string(kDigestKey, source_digest(source));
  std::error_code error;
  const auto whole = std::filesystem::absolute(source.path(), error);
  const std::string path = error ? source.path() : whole.string();
  w.add_string(kPathKey, find_invalid_utf8(path) ? in_quotes(path) : path);
  std::vector<std::string_view> names;
  std::vector<int32_t> numbers;
  for (const LaidPiece& p : pieces) {
    names.push_back(p.piece.tensor);
    numbers.insert(numbers.end(), {p.piece.n_matrices, p.piece.n, p.piece.first, p.piece.of, p.piece.k});
  }
  w.add_strings(kTensorsKey, names);
  w.add_array(kNumbersKey, std::span<const int32_t>(numbers));
  add_bytes(w, kWeights, bytes);
  add_bytes(w, kDigests, n_digests * Sha256::kSize);
  return w;
}

uint64_t whole_pages(uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

Status write(const std::string& path, const TensorStore& source, std::span<const LaidPiece> pieces, int64_t loaded_at,
             const LoadProgress& progress) {
  KEDGE_TRY(check_unchanged(source, loaded_at));
  uint64_t bytes = 0;
  for (const LaidPiece& p : pieces) bytes = aligned(bytes + p.bytes);
  if (bytes == 0) return Error{ErrorCode::kInvalidArgument, path + ": there are no packed weights to keep"};
  KEDGE_ASSIGN(trial, make_writer(source, pieces, bytes, 1));
  KEDGE_ASSIGN(trial_header, trial.header());
  const uint64_t end = whole_pages(trial_header.size() + bytes);
  KEDGE_ASSIGN(w, make_writer(source, pieces, bytes, 1 + n_chunks(end)));
  KEDGE_ASSIGN(header, w.header());
  KEDGE_TRY(w.begin(path, {.owner_only = true}));
  ChunkedWeights weights(w, header, progress, bytes);
  uint64_t at = 0;
  for (const LaidPiece& p : pieces) {
    KEDGE_TRY(weights.add({p.data, static_cast<size_t>(p.bytes)}));
    static constexpr std::byte kZeros[kAlign] = {};
    at += p.bytes;
    KEDGE_TRY(weights.add(std::span(kZeros).first(static_cast<size_t>(aligned(at) - at))));
    at = aligned(at);
  }
  KEDGE_TRY(weights.end(static_cast<size_t>(end - header.size() - bytes)));
  KEDGE_TRY(w.write(kDigests, std::as_bytes(std::span(weights.digests()))));
  KEDGE_TRY(check_unchanged(source, loaded_at));
  KEDGE_TRY(w.finish());
  KEDGE_ASSIGN(stamp, file_stamp(path));
  return write_file(mark_path(path), mark_of(stamp), {.owner_only = true});
}

}  // namespace

Status write_packed_file(const std::string& path, const TensorStore& source, std::span<const LaidPiece> pieces,
                         int64_t loaded_at, const LoadProgress& progress) {
  return without_bad_alloc(path, [&] { return write(path, source, pieces, loaded_at, progress); });
}

}  // namespace kedge::weights
