#include "weights/packed_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <system_error>

#include "kernels/base/sha256.h"

namespace kedge::weights {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".packed";
constexpr const char* kLock = "writing.lock";

Error system_error(const std::string& path, const char* what, int code) {
  return {ErrorCode::kIo, path + ": " + what + ": " + std::generic_category().message(code)};
}

Status make_private_folder(const fs::path& folder) {
  struct stat info = {};
  if (::stat(folder.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return Error{ErrorCode::kIo, folder.string() + ": is not a folder"};
  }
  if (folder.has_parent_path() && folder.parent_path() != folder) KEDGE_TRY(make_private_folder(folder.parent_path()));
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return system_error(folder.string(), "cannot make the folder", errno);
}

// One process writes into a folder at a time: several that load the same model would all write the same bytes. The lock
// goes with the process.
class FolderLock {
 public:
  static Result<FolderLock> take(const std::string& folder) {
    const std::string path = folder + "/" + kLock;
    FolderLock lock;
    lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock.fd_ < 0) return system_error(path, "cannot open", errno);
    if (::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno == EWOULDBLOCK) {
      return Error{ErrorCode::kCapacity, folder + ": another process is writing packed weights there"};
    }
    return system_error(path, "cannot lock", errno);
  }
  FolderLock(FolderLock&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  FolderLock() = default;
  int fd_ = -1;
};

uint64_t bytes_free(const std::string& folder) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  return error ? UINT64_MAX : space.available;
}

// Those go whose source is gone, then those not used for longest.
Status make_room(const std::string& folder, const std::string& path, uint64_t bytes, uint64_t limit) {
  if (bytes > limit) {
    return Error{ErrorCode::kCapacity, path + ": " + std::to_string(bytes) +
                                           " bytes of packed weights are more than the folder's limit of " +
                                           std::to_string(limit)};
  }
  std::vector<PackedFolderEntry> others = packed_folder_entries(folder);
  std::erase_if(others, [&](const PackedFolderEntry& e) { return e.path == path; });
  const auto gone = [](const PackedFolderEntry& e) {
    std::error_code error;
    return !e.problem.empty() || (!fs::exists(e.facts.source, error) && !error);
  };
  std::stable_partition(others.begin(), others.end(), [&](const PackedFolderEntry& e) { return !gone(e); });
  uint64_t taken = 0;
  for (const PackedFolderEntry& e : others) taken += e.facts.bytes;
  const auto fits = [&] { return taken <= limit - bytes && bytes <= bytes_free(folder) / 2; };
  while (!others.empty() && (!fits() || gone(others.back()))) {
    KEDGE_TRY(remove_packed(others.back().path));
    taken -= others.back().facts.bytes;
    others.pop_back();
  }
  if (fits()) return {};
  return Error{ErrorCode::kCapacity, path + ": " + std::to_string(bytes) +
                                         " bytes of packed weights are more than half of the " +
                                         std::to_string(bytes_free(folder)) + " that are free there"};
}

}  // namespace

std::string packed_path(const std::string& folder, const std::string& source) {
  std::error_code error;
  const fs::path whole = fs::canonical(source, error);
  const std::string place = error ? source : whole.string();
  std::string name = fs::path(place).stem().string().substr(0, 80);
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  std::replace_if(name.begin(), name.end(), std::not_fn(plain), '_');
  return folder + "/" + name + "-" + sha256_hex(place).substr(0, 16) + std::string(kEnding);
}

std::vector<PackedFolderEntry> packed_folder_entries(const std::string& folder) {
  std::vector<PackedFolderEntry> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() != kEnding) continue;
    PackedFolderEntry e{at->path().string(), {}, {}};
    if (auto facts = packed_file_facts(e.path); facts.ok()) {
      e.facts = std::move(facts).value();
    } else {
      e.problem = facts.error().message;
      if (const auto stamp = file_stamp(e.path); stamp.ok()) e.facts.bytes = stamp->size;
    }
    entries.push_back(std::move(e));
  }
  std::sort(entries.begin(), entries.end(), [](const PackedFolderEntry& a, const PackedFolderEntry& b) {
    return a.facts.last_used != b.facts.last_used ? a.facts.last_used > b.facts.last_used : a.path < b.path;
  });
  return entries;
}

Status remove_packed(const std::string& path) {
  for (const std::string& p : {mark_path(path), path}) {
    if (::unlink(p.c_str()) != 0 && errno != ENOENT) return system_error(p, "cannot remove", errno);
  }
  return {};
}

Status keep_packed(const std::string& folder, uint64_t limit, const TensorStore& source,
                   std::span<const LaidPiece> pieces, int64_t loaded_at, const LoadProgress& progress) {
  return without_bad_alloc(folder, [&]() -> Status {
    KEDGE_TRY(make_private_folder(folder));
    KEDGE_ASSIGN(lock, FolderLock::take(folder));
    const std::string path = packed_path(folder, source.path());
    uint64_t bytes = 0;
    for (const LaidPiece& p : pieces) bytes += p.bytes;
    KEDGE_TRY(make_room(folder, path, bytes, limit));
    return write_packed_file(path, source, pieces, loaded_at, progress);
  });
}

}  // namespace kedge::weights
