// Places for requests that generate: so many may run or wait, the next is refused at once. And what is running, so that
// all of it can be ended.
#pragma once

#include <memory>
#include <mutex>
#include <set>

#include "tools/serve/cancel.h"
#include "tools/serve/error.h"

namespace kedge::tools::serve {

class Admission {
 public:
  explicit Admission(size_t places) : places_(places) {}

  // A place for as long as it lives; what has to end early hears it through `cancel`.
  class Place {
   public:
    Place(Admission& admission, size_t n, std::shared_ptr<Cancel> cancel)
        : admission_(admission), n_(n), cancel_(std::move(cancel)) {}
    ~Place() { admission_.leave(n_, cancel_.get()); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Cancel& cancel() { return *cancel_; }
    const std::shared_ptr<Cancel>& shared_cancel() const { return cancel_; }

   private:
    Admission& admission_;
    const size_t n_;
    const std::shared_ptr<Cancel> cancel_;
  };
  // Errors: 429 (all taken), 503 (draining).
  Answer<std::unique_ptr<Place>> enter();
  // Further places for one that is in already (a request of several choices).
  Answer<std::unique_ptr<Place>> more(size_t n);

  void drain();
  void cancel_all();
  bool draining() const;
  size_t taken() const;
  uint64_t refused() const;

 private:
  friend class Place;
  Answer<std::unique_ptr<Place>> take(size_t n, bool first);
  void leave(size_t n, Cancel* cancel);

  const size_t places_;
  mutable std::mutex mutex_;
  std::multiset<Cancel*> running_;
  size_t taken_ = 0;
  uint64_t refused_ = 0;
  bool draining_ = false;
};

}  // namespace kedge::tools::serve
