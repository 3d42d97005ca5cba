#include "tools/serve/http/outbox.h"

#include <array>
#include <cstdio>
#include <utility>

#include "tools/serve/http/status_line.h"

namespace kedge::tools::serve {
namespace {

thread_local int io_threads_marks = 0;

class Reply final : public HttpReply {
 public:
  explicit Reply(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}
  ~Reply() override { outbox_->abandon(); }
  void send(int status, Fields headers, std::string body) override { outbox_->send(status, headers, body); }
  void start(int status, Fields headers) override { outbox_->start(status, headers); }
  bool write(std::string_view bytes) override { return outbox_->write(bytes); }
  void end() override { outbox_->end(); }
  bool started() const override { return outbox_->started(); }
  void when_quiet(std::chrono::milliseconds quiet, std::function<void()> f) override {
    outbox_->when_quiet(quiet, std::move(f));
  }
  void when_gone(std::function<void()> f) override { outbox_->when_gone(std::move(f)); }
  bool gone() const override { return outbox_->gone(); }
  void add_header(std::string name, std::string value) override {
    outbox_->add_header(std::move(name), std::move(value));
  }
  void note(std::string name, std::string value) override { outbox_->note(std::move(name), std::move(value)); }

 private:
  std::shared_ptr<Outbox> outbox_;
};

}  // namespace

IoThreadMark::IoThreadMark() { ++io_threads_marks; }
IoThreadMark::~IoThreadMark() { --io_threads_marks; }
bool IoThreadMark::is_set() { return io_threads_marks > 0; }

std::shared_ptr<HttpReply> reply_of(std::shared_ptr<Outbox> outbox) {
  return std::make_shared<Reply>(std::move(outbox));
}

void Outbox::wake() {
  if (!wake_ || woken_) return;
  wake_();
  woken_ = true;
}

// The functions that a reply holds while it lasts; the caller lets them go outside of the lock, since they may hold the
// last of something that comes here again.
std::function<void()> Outbox::finish() {
  auto out = [quiet = std::move(when_quiet_), gone = std::move(when_gone_)] {};
  when_quiet_ = nullptr;
  when_gone_ = nullptr;
  return out;
}

void Outbox::open(int status, const Fields& headers, bool whole, size_t size) {
  const bool none = has_no_body(status);
  chunked_ = !whole && !none && !setup_.http10;
  bodiless_ = none || setup_.head_only;
  closes_ = !setup_.keep_alive || *setup_.draining || (!whole && !none && setup_.http10 && !setup_.head_only);
  status_ = status;
  ReplyHead head{.status = status, .length = size, .close = closes_, .id = setup_.id};
  head.framing = whole ? BodyFraming::kLength : chunked_ ? BodyFraming::kChunked : BodyFraming::kUntilClose;
  head.say_keep_alive = setup_.http10;
  if (more_.empty()) {
    pending_ += reply_head(head, headers);
  } else {
    Fields all = headers;
    all.insert(all.end(), more_.begin(), more_.end());
    pending_ += reply_head(head, all);
  }
}

void Outbox::send(int status, const Fields& headers, std::string_view body) {
  std::function<void()> functions;
  const std::lock_guard lock(mutex_);
  if (status_ != 0 || gone_) return;
  open(status, headers, true, body.size());
  if (!bodiless_) {
    pending_ += body;
    bytes_ += body.size();
  }
  ended_ = true;
  functions = finish();
  wake();
}

void Outbox::start(int status, const Fields& headers) {
  const std::lock_guard lock(mutex_);
  if (status_ != 0 || gone_) return;
  open(status, headers, false, 0);
  given_ = Clock::now();
  wake();
}

bool Outbox::write(std::string_view bytes) {
  std::unique_lock lock(mutex_);
  if (!IoThreadMark::is_set()) {
    changed_.wait(lock, [&] { return gone_ || ended_ || pending_.size() + travelling_ <= setup_.unsent_bytes; });
  }
  if (gone_ || ended_ || status_ == 0) return false;
  if (bytes.empty() || bodiless_) return true;
  pending_.reserve(pending_.size() + bytes.size() + 32);  // whole or not at all, when there is no memory
  if (chunked_) {
    std::array<char, 24> size;
    const int n = std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
    pending_.append(size.data(), static_cast<size_t>(n));
  }
  pending_ += bytes;
  if (chunked_) pending_ += "\r\n";
  bytes_ += bytes.size();
  given_ = Clock::now();
  wake();
  return true;
}

void Outbox::end() {
  std::function<void()> functions;
  const std::lock_guard lock(mutex_);
  if (status_ == 0 || ended_ || gone_) return;
  if (chunked_ && !bodiless_) pending_ += "0\r\n\r\n";
  ended_ = true;
  functions = finish();
  wake();
}

bool Outbox::started() const {
  const std::lock_guard lock(mutex_);
  return status_ != 0;
}

void Outbox::when_quiet(std::chrono::milliseconds quiet, std::function<void()> f) {
  auto next = std::make_shared<std::function<void()>>(std::move(f));
  const std::lock_guard lock(mutex_);
  if (ended_ || gone_) return;
  quiet_ = quiet;
  std::swap(when_quiet_, next);  // the former one is let go after the lock
  given_ = Clock::now();
  wake();
}

void Outbox::when_gone(std::function<void()> f) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    if (!gone_) {
      std::swap(when_gone_, f);
      return;
    }
  }
  if (f) f();
}

bool Outbox::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

void Outbox::add_header(std::string name, std::string value) {
  const std::lock_guard lock(mutex_);
  more_.emplace_back(std::move(name), std::move(value));
}

void Outbox::note(std::string name, std::string value) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, said] : notes_) {
    if (key != name) continue;
    said = std::move(value);
    return;
  }
  notes_.emplace_back(std::move(name), std::move(value));
}

void Outbox::abandon() {
  std::function<void()> functions;
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  abandoned_ = true;
  functions = finish();
  try {
    wake();
  } catch (const std::exception&) {  // no memory to say so: the connection ends with its client
  }
}

Outbox::Piece Outbox::take() {
  const std::lock_guard lock(mutex_);
  Piece piece;
  woken_ = false;
  std::swap(piece.bytes, pending_);
  travelling_ = piece.bytes.size();
  piece.ended = ended_;
  piece.abandoned = abandoned_ && !ended_;
  if (when_quiet_ && !ended_) piece.quiet_at = given_ + quiet_;
  return piece;
}

void Outbox::sent() {
  const std::lock_guard lock(mutex_);
  travelling_ = 0;
  changed_.notify_all();
}

void Outbox::quiet(bool now) {
  std::shared_ptr<std::function<void()>> f;
  {
    const std::lock_guard lock(mutex_);
    if (!when_quiet_ || ended_ || gone_ || (!now && Clock::now() < given_ + quiet_)) return;
    given_ = Clock::now();
    f = when_quiet_;
  }
  if (*f) (*f)();
}

void Outbox::set_gone() {
  std::function<void()> f;
  std::shared_ptr<std::function<void()>> quiet;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || ended_) return;
    gone_ = true;
    f = std::exchange(when_gone_, nullptr);
    quiet = std::exchange(when_quiet_, nullptr);
    changed_.notify_all();
  }
  if (f) f();
}

void Outbox::close() {
  std::function<void()> former;
  {
    const std::lock_guard lock(mutex_);
    former = std::exchange(wake_, nullptr);
  }
  set_gone();
}

bool Outbox::closes() const {
  const std::lock_guard lock(mutex_);
  return closes_;
}

int Outbox::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

uint64_t Outbox::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

Fields Outbox::notes() const {
  const std::lock_guard lock(mutex_);
  return notes_;
}

}  // namespace kedge::tools::serve
