// A file that is gone on with where it broke off. The part's own length says how much there is; the ETag (or the date)
// beside it whether the server still has the same file.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/base/input_file.h"
#include "kernels/base/json.h"
#include "kernels/base/output_file.h"
#include "kernels/base/sha256.h"
#include "tools/store/curl_request.h"

namespace kedge::tools::store {

namespace {

namespace fs = std::filesystem;
using base::Json;

std::string why(int code) { return std::strerror(code); }

// The part of a file that is there, locked for this process.
class Part {
 public:
  static Result<std::unique_ptr<Part>> open(const std::string& path) {
    auto part = std::unique_ptr<Part>(new Part(path));
    part->fd_ = ::open(part->name().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (part->fd_ < 0) return Error{ErrorCode::kIo, part->name() + ": " + why(errno)};
    if (::flock(part->fd_, LOCK_EX | LOCK_NB) != 0) {
      return Error{ErrorCode::kIo, part->name() + ": another process is fetching this file"};
    }
    KEDGE_TRY(part->read_what_is_there());
    return part;
  }
  ~Part() {
    if (fd_ >= 0) ::close(fd_);
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  uint64_t bytes() const { return bytes_; }
  // What tells the server's file from another one, for If-Range; empty: nothing may be gone on with.
  const std::string& validator() const { return validator_; }

  Status restart(const std::string& url, const std::string& validator) {
    if (::ftruncate(fd_, 0) != 0) return Error{ErrorCode::kIo, name() + ": " + why(errno)};
    bytes_ = 0;
    digest_ = {};
    validator_ = validator;
    return base::write_file(name() + ".json", Json({{"url", url}, {"validator", validator}}).dump(2) + "\n");
  }

  Status append(std::string_view data) {
    digest_.bytes(data);
    while (!data.empty()) {
      const ssize_t n = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(bytes_));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        const bool full = errno == ENOSPC || errno == EDQUOT;
        return Error{full ? ErrorCode::kCapacity : ErrorCode::kIo,
                     name() + ": " + why(errno) + " after " + std::to_string(bytes_) + " bytes"};
      }
      bytes_ += static_cast<uint64_t>(n);
      data.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }

  std::string digest() { return base::Sha256(digest_).hex(); }

  Status commit() {
    if (::fsync(fd_) != 0 || ::rename(name().c_str(), path_.c_str()) != 0) {
      return Error{ErrorCode::kIo, path_ + ": " + why(errno)};
    }
    ::unlink((name() + ".json").c_str());
    return {};
  }
  void remove() {
    ::unlink(name().c_str());
    ::unlink((name() + ".json").c_str());
  }

 private:
  explicit Part(std::string path) : path_(std::move(path)) {}
  std::string name() const { return path_ + ".part"; }

  Status read_what_is_there() {
    const auto notes = base::read_input_file(name() + ".json", 1 << 16);
    if (notes.ok()) {
      const auto json = base::parse_json(*notes, "the notes of a part");
      if (json.ok() && json->is_object() && json->value("validator", Json()).is_string()) {
        validator_ = (*json)["validator"].get<std::string>();
      }
    }
    if (validator_.empty()) return {};  // whose part it is nobody knows: begun anew by the first answer
    std::vector<char> block(1 << 20);
    for (;;) {
      const ssize_t n = ::pread(fd_, block.data(), block.size(), static_cast<off_t>(bytes_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error{ErrorCode::kIo, name() + ": " + why(errno)};
      if (n == 0) return {};
      digest_.bytes({block.data(), static_cast<size_t>(n)});
      bytes_ += static_cast<uint64_t>(n);
    }
  }

  std::string path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;
  std::string validator_;
  base::Sha256 digest_;
};

std::string header(const CurlAnswer& answer, const char* name) {
  const auto at = answer.headers.find(name);
  return at == answer.headers.end() ? std::string() : at->second;
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

// A weak ETag does not promise equal bytes.
std::string validator_of(const CurlAnswer& answer) {
  const std::string etag = header(answer, "etag");
  return etag.empty() || etag.starts_with("W/") ? header(answer, "last-modified") : etag;
}

// Of the whole file, by an answer that is whole or begins at `from`; 0: it does not say.
uint64_t total_of(const CurlAnswer& answer) {
  if (answer.status == 206) {
    const std::string range = header(answer, "content-range");  // "bytes 100-199/200"
    return number(std::string_view(range).substr(std::min(range.size(), range.rfind('/') + 1))).value_or(0);
  }
  return header(answer, "content-encoding").empty() ? number(header(answer, "content-length")).value_or(0) : 0;
}

bool begins_at(const CurlAnswer& answer, uint64_t from) {
  return header(answer, "content-range").starts_with("bytes " + std::to_string(from) + "-");
}

Status need_room(const std::string& path, uint64_t bytes) {
  struct statvfs disk {};
  const std::string folder = fs::path(path).parent_path().string();
  if (::statvfs(folder.empty() ? "." : folder.c_str(), &disk) != 0) return {};  // the write will tell
  const uint64_t room = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (bytes <= room) return {};
  return Error{ErrorCode::kCapacity, path + " needs " + std::to_string(bytes) + " bytes more, the disk has " +
                                         std::to_string(room) + " free"};
}

class Fetch {
 public:
  Fetch(const std::string& url, const std::string& path, const FetchOptions& options, Part& part)
      : url_(url), path_(path), options_(options), part_(part), resumed_(part.bytes()) {}

  Result<Fetched> run() {
    total_ = options_.expected_bytes;
    const bool whole = total_ > 0 && part_.bytes() == total_;
    if (!whole) {
      const CurlAnswer answer = with_tries(options_.http, [&] { return once(); });
      if (!failed_.ok()) return failed_.error();
      if (!answer.problem.empty() || answer.cancelled) return curl_error(url_, answer);
    }
    return check();
  }

 private:
  CurlAnswer once() {
    begun_ = false;
    CurlRequest request{.url = url_, .body = [&](const CurlAnswer& answer, std::string_view piece) {
                          failed_ = take(answer, piece);
                          return failed_.ok();
                        }};
    if (part_.bytes() > 0 && !part_.validator().empty()) {
      request.range = "bytes=" + std::to_string(part_.bytes()) + "-";
      request.if_range = part_.validator();
    }
    CurlAnswer answer = curl_perform(request, options_.http);
    if (answer.status == 416 &&
        part_.bytes() > 0) {  // nothing is behind what is there: by check(), or from the beginning
      const std::string range = header(answer, "content-range");
      if (range == "bytes */" + std::to_string(part_.bytes())) {
        answer.problem.clear();
      } else {
        failed_ = part_.restart(url_, "");
        answer.retry = failed_.ok();
      }
    }
    return answer;
  }

  // More of the body. The first piece of an answer decides whether it goes behind what is there.
  Status take(const CurlAnswer& answer, std::string_view piece) {
    if (!begun_) {
      begun_ = true;
      if (answer.status != 206 || !begins_at(answer, part_.bytes())) {
        if (answer.status == 206)
          return Error{ErrorCode::kIo, url_ + ": the server sends another range than asked for"};
        resumed_ = 0;
        KEDGE_TRY(part_.restart(url_, validator_of(answer)));
      }
      const uint64_t total = total_of(answer);
      if (options_.expected_bytes > 0 && total > 0 && total != options_.expected_bytes) {
        return wrong("bytes", std::to_string(total), std::to_string(options_.expected_bytes));
      }
      if (total > 0) total_ = total;
      if (total_ > part_.bytes()) KEDGE_TRY(need_room(path_, total_ - part_.bytes()));
    }
    KEDGE_TRY(part_.append(piece));
    if (options_.progress) options_.progress(part_.bytes(), total_);
    return {};
  }

  Error wrong(const char* what, const std::string& got, const std::string& expected) const {
    return {ErrorCode::kCorrupt, url_ + ": " + what + " " + got + ", expected " + expected};
  }

  Result<Fetched> check() {
    const std::string digest = part_.digest();
    Status good;
    if (total_ > 0 && part_.bytes() != total_)
      good = wrong("bytes", std::to_string(part_.bytes()), std::to_string(total_));
    if (good.ok() && !options_.expected_sha256.empty() && digest != options_.expected_sha256) {
      good = wrong("SHA-256", digest, options_.expected_sha256);
    }
    if (!good.ok()) {
      part_.remove();
      return good.error();
    }
    KEDGE_TRY(part_.commit());
    return Fetched{.bytes = part_.bytes(), .resumed = resumed_, .sha256 = digest};
  }

  const std::string& url_;
  const std::string& path_;
  const FetchOptions& options_;
  Part& part_;
  uint64_t resumed_;
  uint64_t total_ = 0;
  bool begun_ = false;
  Status failed_;
};

}  // namespace

Result<Fetched> http_fetch(const std::string& url, const std::string& path, const FetchOptions& options) {
  KEDGE_TRY(base::check_target(path));
  KEDGE_ASSIGN(part, Part::open(path));
  if (options.expected_bytes > part->bytes()) KEDGE_TRY(need_room(path, options.expected_bytes - part->bytes()));
  return Fetch(url, path, options, *part).run();
}

}  // namespace kedge::tools::store
