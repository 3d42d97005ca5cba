#include "tools/serve/sequences.h"

#include <algorithm>
#include <set>

namespace kedge::tools::serve {

void Sequences::Sequence::prompt(std::span<const int32_t> tokens) {
  const std::lock_guard lock(mutex_);
  tokens_.assign(tokens.begin(), tokens.end());
  n_prompt_ = tokens.size();
}

void Sequences::Sequence::token(int32_t token) {
  const std::lock_guard lock(mutex_);
  tokens_.push_back(token);
}

void Sequences::Sequence::ended(kedge::Session session) {
  const std::lock_guard lock(mutex_);
  working_ = false;
  session_ = nullptr;
  if (!keeps_) return;
  kept_.emplace(std::move(session));
  session_ = &*kept_;
}

void Sequences::Sequence::dropped() {
  const std::lock_guard lock(mutex_);
  working_ = false;
  if (!kept_) session_ = nullptr;
}

Json Sequences::Sequence::summary(bool whole) const {
  const std::lock_guard lock(mutex_);
  Json json = {{"id", id},
               {"model", model_name},
               {"state", kept_                 ? "ended"
                         : session_ == nullptr ? "gone"
                                               : "working"},
               {"tokens", tokens_.size()},
               {"prompt_tokens", n_prompt_}};
  if (!whole || session_ == nullptr) return json;
  const auto kv = session_->kv();
  json["kv"] = kv.ok() ? Json::parse(*kv) : Json();
  const auto experts = session_->experts();
  json["experts"] = experts.ok() ? Json::parse(*experts) : Json();
  if (json["experts"].is_object() && json["experts"]["layers"].empty()) json["experts"] = Json();
  return json;
}

Answer<size_t> Sequences::Sequence::save(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  if (!kept_) {
    return bad_request(session_ != nullptr ? "slot " + std::to_string(slot) + " is at work"
                                           : "the session of slot " + std::to_string(slot) +
                                                 " is gone: this pool has a limit of memory and keeps none");
  }
  if (const auto saved = kept_->save(path); !saved.ok()) return library_error(saved.error());
  return static_cast<size_t>(kept_->info().n_past);
}

Answer<Json> Sequences::Sequence::log(uint64_t from) const {
  const std::lock_guard lock(mutex_);
  if (session_ == nullptr) return Json::array();
  const auto log = session_->kv_log(from);
  if (!log.ok()) return library_error(log.error());
  return Json::parse(*log);
}

Json Sequences::Sequence::text() const {
  const auto model = model_.lock();
  const std::lock_guard lock(mutex_);
  Json tokens = Json::array();
  if (!model) return {{"id", id}, {"prompt_tokens", n_prompt_}, {"tokens", std::move(tokens)}};
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const auto token = model->model().token(tokens_[i]);
    tokens.push_back({{"position", i}, {"piece", token.ok() ? token->piece : std::string()}});
  }
  return {{"id", id}, {"prompt_tokens", n_prompt_}, {"tokens", std::move(tokens)}};
}

int Sequences::free_slot(const std::string& key) const {
  std::set<int> taken;
  for (const auto& sequence : all_of(key)) {
    if (sequence->working()) taken.insert(sequence->slot);
  }
  int slot = 0;
  while (taken.contains(slot)) ++slot;
  return slot;
}

std::shared_ptr<Sequences::Sequence> Sequences::begin(const std::string& key, const std::shared_ptr<ServedModel>& model,
                                                      kedge::Session& session, int slot) {
  const std::lock_guard lock(mutex_);
  auto made = std::make_shared<Sequence>("seq-" + std::to_string(++number_), slot < 0 ? free_slot(key) : slot, key,
                                         model, keeps_, &session);
  std::erase_if(working_, [](const auto& weak) { return weak.expired(); });
  working_.push_front(made);
  latest_.push_front(made);
  while (latest_.size() > kMostEnded) latest_.pop_back();
  if (slot < 0) return made;
  std::erase_if(named_, [&](const auto& s) { return s->key == key && s->slot == slot; });
  named_.push_front(made);
  if (named_.size() > kMostNamed) named_.pop_back();
  return made;
}

void Sequences::put(const std::string& key, const std::shared_ptr<ServedModel>& model, kedge::Session session,
                    int slot) {
  const auto made = begin(key, model, session, slot);
  made->prompt(session.tokens());
  made->ended(std::move(session));
}

std::vector<std::shared_ptr<Sequences::Sequence>> Sequences::all_of(const std::string& key) const {
  std::vector<std::shared_ptr<Sequence>> all;
  const auto add = [&](const std::shared_ptr<Sequence>& s) {
    if (s && s->key == key && std::ranges::find(all, s) == all.end()) all.push_back(s);
  };
  for (const auto& weak : working_) add(weak.lock());
  for (const auto& s : latest_) add(s);
  return all;
}

std::vector<std::shared_ptr<Sequences::Sequence>> Sequences::of(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return all_of(key);
}

Json Sequences::working_in(const std::string& model) const {
  Json ids = Json::array();
  const std::lock_guard lock(mutex_);
  for (const auto& weak : working_) {
    const auto s = weak.lock();
    if (s && s->model_name == model && s->working()) ids.push_back(s->id);
  }
  return ids;
}

// working_ has all that somebody holds, in their order.
std::shared_ptr<Sequences::Sequence> Sequences::in_slot(const std::string& key, int slot) const {
  for (auto& sequence : of(key)) {
    if (sequence->slot == slot) return sequence;
  }
  return nullptr;
}

void Sequences::forget(const std::string& key, int slot) {
  const auto is_it = [&](const std::shared_ptr<Sequence>& s) { return s->key == key && s->slot == slot; };
  std::vector<std::shared_ptr<Sequence>> gone;  // their sessions go without the mutex
  const std::lock_guard lock(mutex_);
  for (auto* from : {&latest_, &named_}) {
    for (const auto& s : *from) {
      if (is_it(s)) gone.push_back(s);
    }
    std::erase_if(*from, is_it);
  }
}

std::shared_ptr<Sequences::Sequence> Sequences::find(const std::string& key, std::string_view id) const {
  for (auto& sequence : of(key)) {
    if (sequence->id == id) return sequence;
  }
  return nullptr;
}

}  // namespace kedge::tools::serve
