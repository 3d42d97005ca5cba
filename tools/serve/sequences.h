// The sequences that requests run in, to be looked at: those at work, and the few that ended last.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/serve/served_model.h"

namespace kedge::tools::serve {

class Sequences {
 public:
  // One of them. A session is looked at while it works and kept when it has ended; the tokens are kept here, because a
  // session at work cannot be asked for them.
  class Sequence {
   public:
    Sequence(std::string name, int number, std::string owner, const std::shared_ptr<ServedModel>& of, bool keeps,
             kedge::Session* session)
        : id(std::move(name)),
          slot(number),
          key(std::move(owner)),
          model_name(of->name()),
          model_(of),
          keeps_(keeps),
          session_(session) {}

    void prompt(std::span<const int32_t> tokens);
    void token(int32_t token);
    // The session's work is over: it is no longer the caller's.
    void ended(kedge::Session session);
    void dropped();  // it is gone, and nothing of it is kept

    Json summary(bool whole) const;         // whole: with "kv" and "experts"
    Answer<Json> log(uint64_t from) const;  // kedge_session_kv_log
    Json text() const;                      // {"tokens": [{"position", "piece"}]}
    bool working() const { return working_; }
    // Its session to a file; the tokens in it. Errors: 400 (at work, or its session is gone), those of the library.
    Answer<size_t> save(const std::string& path) const;

    const std::string id;
    const int slot;  // within its key
    const std::string key;
    const std::string model_name;

   private:
    const std::weak_ptr<ServedModel> model_;  // a pool may unload it meanwhile
    const bool keeps_;
    std::atomic<bool> working_{true};  // by itself: a session may be long in being written to a file
    mutable std::mutex mutex_;         // nobody looks at a session that goes
    kedge::Session* session_;          // null: gone
    std::optional<kedge::Session> kept_;
    std::vector<int32_t> tokens_;
    size_t n_prompt_ = 0;
  };

  // `keeps`: sessions that have ended stay to be looked at, with their pages.
  explicit Sequences(bool keeps) : keeps_(keeps) {}

  // `slot` -1: the first that none of this key is at work in. The last one of a slot that a client named is kept for
  // longer.
  std::shared_ptr<Sequence> begin(const std::string& key, const std::shared_ptr<ServedModel>& model,
                                  kedge::Session& session, int slot = -1);
  // One that works on nothing: it came from a file.
  void put(const std::string& key, const std::shared_ptr<ServedModel>& model, kedge::Session session, int slot);
  Json working_in(const std::string& model) const;                            // ids, of all keys
  std::shared_ptr<Sequence> in_slot(const std::string& key, int slot) const;  // the newest; null: none
  void forget(const std::string& key, int slot);
  // Of this key, the newest first.
  std::vector<std::shared_ptr<Sequence>> of(const std::string& key) const;
  std::shared_ptr<Sequence> find(const std::string& key, std::string_view id) const;  // null: none of this key

 private:
  static constexpr size_t kMostEnded = 8;
  static constexpr size_t kMostNamed = 16;

  std::vector<std::shared_ptr<Sequence>> all_of(const std::string& key) const;  // under the mutex
  int free_slot(const std::string& key) const;

  const bool keeps_;
  mutable std::mutex mutex_;
  uint64_t number_ = 0;
  std::deque<std::weak_ptr<Sequence>> working_;
  std::deque<std::shared_ptr<Sequence>> latest_;  // those that ended too; keeps them
  std::deque<std::shared_ptr<Sequence>> named_;   // the last of each slot that a client named
};

}  // namespace kedge::tools::serve
