#include "weights/packed_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernels/base/input_file.h"
#include "kernels/base/output_file.h"
#include "kernels/pack.h"
#include "weights/packed_file_format.h"

namespace kedge::weights {

using namespace packed_file;  // NOLINT(google-build-using-namespace): the format this reads

namespace {

Error not_used(const std::string& path, const std::string& why) {
  return {ErrorCode::kInvalidArgument, path + ": " + why};
}
Error damaged(const std::string& path, const std::string& what) {
  return {ErrorCode::kCorrupt, path + ": damaged: " + what};
}

std::string_view text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The weights of a process are nobody else's to choose.
Status check_owner(const std::string& path) {
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0) {
    return Error{errno == ENOENT || errno == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
                 path + ": no packed weights are there"};
  }
  if (!S_ISREG(info.st_mode)) return not_used(path, "is not a regular file");
  if (info.st_uid != ::geteuid() && info.st_uid != 0) return not_used(path, "belongs to another user");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return not_used(path, "other users may write to it");
  return {};
}

struct Opened {
  TensorStore file;
  std::span<const std::byte> bytes;  // of the whole file
  std::span<const std::byte> weights;
  std::span<const std::byte> digests;
  uint64_t covered = 0;  // bytes before "digests"
};

// The container, with a header that is as it was written.
Result<Opened> open_container(const std::string& path) {
  KEDGE_TRY(check_owner(path));
  LoadOptions options;
  options.huge_pages = true;
  auto file = TensorStore::open(path, options);
  if (!file.ok()) return damaged(path, file.error().message);
  Opened o;
  o.file = std::move(file).value();
  const GgufMetadata& m = o.file.metadata();
  const auto version = m.get_u32(kVersionKey);
  if (!version.ok()) return not_used(path, "is no file of packed weights");
  if (*version != kVersion) {
    return not_used(path,
                    "has version " + std::to_string(*version) + ", this program writes " + std::to_string(kVersion));
  }
  const TensorInfo* weights = o.file.find(kWeights);
  const TensorInfo* digests = o.file.find(kDigests);
  if (weights == nullptr || digests == nullptr || digests->offset < weights->offset) {
    return damaged(path, "it has no weights or no digests");
  }
  o.bytes = o.file.file(0).bytes();
  o.weights = o.file.data(*weights);
  o.digests = o.file.data(*digests);
  o.covered = digests->offset;
  if (o.digests.size() != (1 + n_chunks(o.covered)) * Sha256::kSize) return damaged(path, "digests are missing");
  const auto rest = o.bytes.subspan(o.covered + o.digests.size());
  const bool padded = std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
  if (o.bytes.size() % kPage != 0 || rest.size() >= kPage || !padded) return damaged(path, "its end is another one");
  if (sha256(text(o.bytes.first(weights->offset))) != text(o.digests.first(Sha256::kSize))) {
    return damaged(path, "its header is not the one that was written");
  }
  return o;
}

Status check_digests(const std::string& path, const Opened& o, const ThreadTeam& team) {
  std::atomic<bool> equal{true};
  team.each(n_chunks(o.covered), [&](size_t i, int) {
    if (!equal.load(std::memory_order_relaxed)) return;
    const auto chunk = o.bytes.subspan(i * kChunk, std::min(kChunk, o.covered - i * kChunk));
    if (sha256(text(chunk)) != text(o.digests.subspan((i + 1) * Sha256::kSize, Sha256::kSize))) equal = false;
  });
  if (!equal) return damaged(path, "its bytes are not those that were written");
  return {};
}

// Whether the digests were compared since anybody last touched the file. It is used now, says the mark's time then.
bool is_marked(const std::string& path, const FileStamp& stamp) {
  const std::string mark = mark_path(path);
  const auto line = read_input_file(mark, 256);
  if (!line.ok() || *line != mark_of(stamp) || !check_owner(mark).ok()) return false;
  ::utimensat(AT_FDCWD, mark.c_str(), nullptr, 0);
  return true;
}

}  // namespace

std::string packed_file::mark_of(const FileStamp& stamp) {
  return std::to_string(stamp.inode) + " " + std::to_string(stamp.size) + " " + std::to_string(stamp.modified) + " " +
         std::to_string(stamp.changed) + "\n";
}

std::string mark_path(const std::string& packed_path) { return packed_path + ".checked"; }

std::string source_digest(const TensorStore& source) {
  Sha256 sha;
  sha.number(source.n_files());
  for (size_t i = 0; i < source.n_files(); ++i) {
    const FileStamp& s = source.file(i).stamp();
    for (const uint64_t n : {s.inode, s.size, static_cast<uint64_t>(s.modified), static_cast<uint64_t>(s.changed)}) {
      sha.number(n);
    }
  }
  for (const TensorInfo& t : source.tensors()) {
    sha.field(t.name);
    for (const int64_t d : t.dims) sha.number(static_cast<uint64_t>(d));
    for (const uint64_t n : {uint64_t{t.type->gguf_id}, uint64_t{t.file}, t.offset, t.bytes}) sha.number(n);
  }
  return sha.hex();
}

uint64_t laid_bytes(const KernelTable& table, const QuantFormat& type, const PackedPiece& piece) {
  return static_cast<uint64_t>(layout_bytes(table, type, piece.n, piece.k)) * static_cast<uint64_t>(piece.n_matrices);
}

Result<PackedFile> PackedFile::open(const std::string& path, const TensorStore& source, const KernelTable& table,
                                    const ThreadTeam& team) {
  return without_bad_alloc(path, [&]() -> Result<PackedFile> {
    KEDGE_ASSIGN(opened, open_container(path));
    const auto digest = opened.file.metadata().get_string(kDigestKey);
    if (!digest.ok() || *digest != source_digest(source)) {
      return not_used(path, "was made of another file than " + source.path() + ", or of an earlier state of it");
    }
    const FileStamp stamp = opened.file.file(0).stamp();
    if (!is_marked(path, stamp)) {
      KEDGE_TRY(check_digests(path, opened, team));
      // Without a mark they are compared again the next time.
      (void)write_file(mark_path(path), mark_of(stamp), {.owner_only = true});
    }
    PackedFile packed;
    packed.file_ = std::move(opened.file);
    KEDGE_TRY(packed.read_pieces(source, table));
    KEDGE_TRY(packed.check_rows(source, table));
    packed.bring_in(team);
    return packed;
  });
}

Status PackedFile::read_pieces(const TensorStore& source, const KernelTable& table) {
  const GgufMetadata& m = file_.metadata();
  KEDGE_ASSIGN(tensors, m.get_strings(kTensorsKey));
  KEDGE_ASSIGN(numbers, m.get_i32s(kNumbersKey));
  const auto wrong = [&](const std::string& what) { return damaged(file_.path(), what); };
  if (numbers.size() != tensors.size() * kNumbers) return wrong("pieces and their numbers differ in count");
  const auto weights = file_.data(*file_.find(kWeights));
  uint64_t at = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int32_t* n = numbers.data() + i * kNumbers;
    LaidPiece p{{std::string(tensors[i]), n[0], n[1], n[2], n[3], n[4]}};
    const PackedPiece& piece = p.piece;
    const TensorInfo* t = source.find(piece.tensor);
    if (t == nullptr || piece.n_matrices < 1 || piece.n < 1 || piece.first < 0 || piece.k != t->row_values() ||
        piece.first > piece.of - piece.n || int64_t{piece.of} * piece.n_matrices != t->rows()) {
      return wrong("a piece is not one of tensor " + in_quotes(piece.tensor));
    }
    p.bytes = laid_bytes(table, *t->type, piece);
    if (at > weights.size() || p.bytes > weights.size() - at) {
      return not_used(file_.path(), "has another layout than this program's");
    }
    p.data = weights.data() + at;
    at = aligned(at + p.bytes);
    pieces_.push_back(std::move(p));
  }
  if (at != weights.size()) return not_used(file_.path(), "has another layout than this program's");
  std::sort(pieces_.begin(), pieces_.end(), [](const LaidPiece& a, const LaidPiece& b) {
    return a.piece.tensor != b.piece.tensor ? a.piece.tensor < b.piece.tensor : a.piece.first < b.piece.first;
  });
  return {};
}

// Layouts are not told by a number that somebody might forget to change.
Status PackedFile::check_rows(const TensorStore& source, const KernelTable& table) const {
  std::vector<std::byte> rows;
  for (const LaidPiece& p : pieces_) {
    const TensorInfo& t = *source.find(p.piece.tensor);
    const QuantFormat& type = *t.type;
    const size_t row_bytes = type.row_bytes(static_cast<size_t>(p.piece.k));
    const std::byte* from = source.data(t).data() + row_bytes * static_cast<size_t>(p.piece.first);
    rows.assign(layout_stride(table, type, p.piece.k), std::byte{0});
    if (table.pack[type.index] == nullptr) {
      std::memcpy(rows.data(), from, rows.size());
    } else {
      pack_groups(table, type, from, std::min(p.piece.n, kGroupRows), p.piece.k, 0, 1, rows.data());
    }
    if (std::memcmp(rows.data(), p.data, rows.size()) != 0) {
      return not_used(file_.path(), "does not hold what packing " + in_quotes(p.piece.tensor) + " gives");
    }
  }
  return {};
}

// What the system holds in memory is made visible at once, which is much less work than one fault after the other; what
// it would have to read comes when it is used.
void PackedFile::bring_in(const ThreadTeam& team) const {
#ifdef MADV_POPULATE_READ
  constexpr size_t kPiece = size_t{32} << 20;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto bytes = file_.file(0).bytes();
  team.each((bytes.size() + kPiece - 1) / kPiece, [&](size_t i, int) {
    auto* const at = const_cast<std::byte*>(bytes.data()) + i * kPiece;
    const size_t n = std::min(kPiece, bytes.size() - i * kPiece);
    unsigned char there[kPiece / 4096];
    if (::mincore(at, n, there) != 0) return;
    const size_t pages = (n + page - 1) / page;
    if (std::all_of(there, there + pages, [](unsigned char c) { return (c & 1) != 0; })) {
      ::madvise(at, n, MADV_POPULATE_READ);
    }
  });
#endif
}

const std::byte* PackedFile::find(const PackedPiece& piece) const {
  const auto at = std::find_if(pieces_.begin(), pieces_.end(), [&](const LaidPiece& p) { return p.piece == piece; });
  return at == pieces_.end() ? nullptr : at->data;
}

Status check_packed_file(const std::string& path, const ThreadTeam& team) {
  return without_bad_alloc(path, [&]() -> Status {
    KEDGE_ASSIGN(opened, open_container(path));
    return check_digests(path, opened, team);
  });
}

Result<PackedFileFacts> packed_file_facts(const std::string& path) {
  return without_bad_alloc(path, [&]() -> Result<PackedFileFacts> {
    KEDGE_ASSIGN(opened, open_container(path));
    const GgufMetadata& m = opened.file.metadata();
    KEDGE_ASSIGN(source, m.get_string(kPathKey));
    KEDGE_ASSIGN(digest, m.get_string(kDigestKey));
    PackedFileFacts facts{std::string(source), std::string(digest), opened.bytes.size(),
                          opened.file.file(0).stamp().modified};
    if (const auto mark = file_stamp(mark_path(path)); mark.ok()) facts.last_used = mark->modified;
    return facts;
  });
}

}  // namespace kedge::weights
