#include "memory/byte_stream.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "kernels/base/input_file.h"
#include "kernels/base/output_file.h"
#include "memory/checksum.h"

namespace kedge::memory {

namespace {

Error io(const std::string& what, const std::string& path, int error) {
  return {error == ENOMEM ? ErrorCode::kCapacity : ErrorCode::kIo, what + " " + path + ": " + std::strerror(error)};
}

// The hash of a stream as XXH3 updates it. Its state is large and wants alignment.
class StreamSum {
 public:
  StreamSum() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(state_);
  }
  ~StreamSum() { XXH3_freeState(state_); }
  StreamSum(const StreamSum&) = delete;
  void add(const void* data, size_t size) { XXH3_64bits_update(state_, data, size); }
  uint64_t value() const { return XXH3_64bits_digest(state_); }

 private:
  XXH3_state_t* state_;
};

constexpr size_t kBuffer = 1 << 20;

}  // namespace

struct ByteWriter::State {
  OutputFile file;
  StreamSum sum;
  std::vector<std::byte> buffer;
  Status status;  // the first error

  void flush() {
    if (status.ok()) status = file.write(buffer);
    buffer.clear();
  }
};

ByteWriter::ByteWriter(std::unique_ptr<State> state) : s_(std::move(state)) {}
ByteWriter::ByteWriter(ByteWriter&&) noexcept = default;
ByteWriter::~ByteWriter() = default;

Result<ByteWriter> ByteWriter::create(const std::string& path) {
  KEDGE_ASSIGN(file, OutputFile::create(path, {.owner_only = true}));  // what was said to a model is its owner's
  auto s = std::make_unique<State>();
  s->file = std::move(file);
  s->buffer.reserve(kBuffer);
  return ByteWriter(std::move(s));
}

void ByteWriter::bytes(const void* data, size_t size) {
  s_->sum.add(data, size);
  std::span<const std::byte> rest(static_cast<const std::byte*>(data), size);
  while (!rest.empty()) {
    const auto part = rest.first(std::min(rest.size(), kBuffer - s_->buffer.size()));
    s_->buffer.insert(s_->buffer.end(), part.begin(), part.end());
    rest = rest.subspan(part.size());
    if (s_->buffer.size() == kBuffer) s_->flush();
  }
}

Status ByteWriter::finish() {
  const uint64_t sum = s_->sum.value();
  bytes(&sum, sizeof sum);
  s_->flush();
  KEDGE_TRY(std::move(s_->status));
  return s_->file.commit();
}

struct ByteReader::State {
  std::string path;
  std::FILE* file = nullptr;
  size_t left = 0;
  Status status;
  ~State() {
    if (file != nullptr) std::fclose(file);
  }
};

ByteReader::ByteReader(std::unique_ptr<State> state) : s_(std::move(state)) {}
ByteReader::ByteReader(ByteReader&&) noexcept = default;
ByteReader::~ByteReader() = default;

Result<ByteReader> ByteReader::open(const std::string& path) {
  auto s = std::make_unique<State>();
  s->path = path;
  KEDGE_ASSIGN(in, InputFile::open(path));
  const auto size = static_cast<size_t>(in.size());
  s->file = ::fdopen(in.fd(), "rb");
  if (s->file == nullptr) return io("cannot open", path, errno);
  in.release();  // the stream's
  uint64_t expected = 0;
  if (size < sizeof expected) {
    return Error{ErrorCode::kCorrupt, path + ": " + std::to_string(size) + " bytes are no session file"};
  }
  StreamSum sum;
  std::vector<std::byte> buffer(kBuffer);
  for (size_t done = 0; done < size - sizeof expected;) {
    const size_t n = std::fread(buffer.data(), 1, std::min(kBuffer, size - sizeof expected - done), s->file);
    if (n == 0) return io("reading", path, errno != 0 ? errno : EIO);
    sum.add(buffer.data(), n);
    done += n;
  }
  if (std::fread(&expected, 1, sizeof expected, s->file) != sizeof expected) return io("reading", path, EIO);
  if (expected != sum.value()) {
    return Error{ErrorCode::kCorrupt, path + ": the checksum is wrong: the file is cut short or was changed"};
  }
  std::rewind(s->file);
  s->left = size - sizeof expected;
  return ByteReader(std::move(s));
}

void ByteReader::bytes(void* out, size_t size) {
  if (size == 0) return;
  if (s_->status.ok() && size > s_->left) fail("ends inside a field of " + std::to_string(size) + " bytes");
  if (s_->status.ok() && std::fread(out, 1, size, s_->file) != size) {
    s_->status = io("reading", s_->path, EIO);
  }
  if (!s_->status.ok()) {
    std::memset(out, 0, size);
    return;
  }
  s_->left -= size;
}

size_t ByteReader::count(size_t most, size_t each) {
  const uint64_t n = get<uint64_t>();
  if (n > most || (each > 0 && n > s_->left / each)) {
    fail("holds a count of " + std::to_string(n) + ", more than " + std::to_string(most) + " or than the file has");
    return 0;
  }
  return static_cast<size_t>(n);
}

std::string ByteReader::text(size_t most) {
  std::string s(count(most, 1), '\0');
  bytes(s.data(), s.size());
  return s;
}

void ByteReader::fail(const std::string& what) {
  if (s_->status.ok()) s_->status = Error{ErrorCode::kCorrupt, s_->path + ": " + what};
}

const Status& ByteReader::status() const { return s_->status; }
size_t ByteReader::left() const { return s_->left; }

}  // namespace kedge::memory
