#include "tools/serve/wire/openai_sink.h"

#include "tools/serve/wire/api.h"

namespace kedge::tools::serve {

namespace {

Json head_of(const std::string& id, const char* object, const Started& started) {
  return {{"id", id},
          {"object", object},
          {"created", started.created},
          {"model", started.model},
          {"system_fingerprint", fingerprint()}};
}

}  // namespace

OpenAiWhole::OpenAiWhole(const OpenAiForm& form, const char* id_prefix, const char* object,
                         std::shared_ptr<HttpReply> reply)
    : form_(form),
      object_(object),
      id_(new_id(id_prefix)),
      finish_(form.choices),
      out_(std::move(reply), ErrorShape::kOpenAi) {}

bool OpenAiWhole::started(const Started& started) {
  started_ = started;
  return listened();
}

bool OpenAiWhole::finished(size_t choice, const Finish& finish) {
  finish_.at(choice) = openai_finish(finish);
  return listened();
}

void OpenAiWhole::done(const Outcome& outcome) {
  Json answer = head_of(id_, object_, started_);
  Json choices = Json::array();
  for (size_t i = 0; i < finish_.size(); ++i) {
    Json one = {{"index", i}};
    one.update(choice(i));
    one["finish_reason"] = finish_[i];
    choices.push_back(std::move(one));
  }
  answer["choices"] = std::move(choices);
  answer["usage"] = openai_usage(outcome.usage);
  answer["kedge"] = outcome.kedge;
  out_.send(answer, outcome.kedge);
}

OpenAiStream::OpenAiStream(const OpenAiForm& form, const char* id_prefix, const char* object,
                           std::shared_ptr<HttpReply> reply)
    : form_(form), object_(object), id_(new_id(id_prefix)), reply_(reply), out_(std::move(reply)) {}

bool OpenAiStream::started(const Started& started) {
  started_ = started;
  out_.start();
  return begun();
}

bool OpenAiStream::progress(size_t done, size_t total) {
  return out_.comment("prompt " + std::to_string(done) + "/" + std::to_string(total));
}

bool OpenAiStream::finished(size_t choice, const Finish& finish) {
  const bool good = flush({});
  last_ = chunk(choice, closing(), openai_finish(finish));
  return good;
}

void OpenAiStream::done(const Outcome& outcome) {
  flush(outcome.kedge);
  if (form_.usage) {
    Json json = head();
    json["usage"] = openai_usage(outcome.usage);
    out_.data(json);
  }
  out_.line("[DONE]");
  out_.end();
}

void OpenAiStream::failed(const ApiError& error) {
  if (!reply_->started()) return send_error(*reply_, ErrorShape::kOpenAi, error);
  out_.data(error_json(ErrorShape::kOpenAi, error));
  out_.line("[DONE]");
  out_.end();
}

Json OpenAiStream::head() const {
  Json json = head_of(id_, object_, started_);
  json["choices"] = Json::array();
  return json;
}

Json OpenAiStream::chunk(size_t choice, Json members, Json finish) const {
  Json one = {{"index", choice}};
  one.update(members);
  one["finish_reason"] = std::move(finish);
  Json json = head();
  json["choices"].push_back(std::move(one));
  if (form_.usage) json["usage"] = Json();
  return json;
}

bool OpenAiStream::flush(Json kedge) {
  if (!last_) return true;
  if (!kedge.is_null()) (*last_)["kedge"] = std::move(kedge);
  const bool good = out_.data(*last_);
  last_.reset();
  return good;
}

}  // namespace kedge::tools::serve
