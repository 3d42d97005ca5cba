// The router and what belongs to it: JSON texts in, JSON texts out.
#include <map>

#include "tools/node/src/functions.h"

namespace kedge::tools::node {
namespace {

using Request = kedge_status (*)(const char*, size_t, char**, size_t*);

napi_value router_open(const Arguments& a) {
  return start_task<Router>(
      a.env(), [path = a[0].text(), more = a[1].text()] { return Router::open(path, more); }, give_handle<Router>);
}

class AskJob : public Job {
 public:
  AskJob(std::shared_ptr<Router> router, std::string request, std::shared_ptr<Cancel> cancel, bool events)
      : router_(std::move(router)), request_(std::move(request)), cancel_(std::move(cancel)), events_(events) {}
  Status run() override {
    auto answer = router_->ask(
        request_,
        [this](std::string_view json) {
          if (!events_) return !stopped();
          return tell([json = std::string(json)](napi_env env) { return to_js(env, json); });
        },
        cancel_.get());
    if (!answer) return answer.error();
    answer_ = *std::move(answer);
    return {};
  }
  napi_value value(napi_env env) override { return to_js(env, answer_); }
  void stop() override { cancel_->set(); }

 private:
  std::shared_ptr<Router> router_;
  std::string request_;
  std::shared_ptr<Cancel> cancel_;
  bool events_;
  std::string answer_;
};

// ask(router, request, cancel, callback)
napi_value router_ask(const Arguments& a) {
  auto job = std::make_shared<AskJob>(a.handle<Router>(0, "router"), a[1].text(), a.handle<Cancel>(2, "cancel"),
                                      !a[3].missing());
  return start(a.env(), std::move(job), a[3]);
}

template <Result<std::string> (Router::*Method)(std::string_view)>
napi_value router_call(const Arguments& a) {
  return start_task<std::string>(
      a.env(),
      [router = a.handle<Router>(0, "router"), request = a[1].text()] { return (router.get()->*Method)(request); },
      give_text);
}

napi_value router_state(const Arguments& a) { return to_js(a.env(), taken(a.handle<Router>(0, "router")->state())); }
napi_value router_models(const Arguments& a) { return to_js(a.env(), taken(a.handle<Router>(0, "router")->models())); }

// The model and the engine behind an alias: [model, engine].
napi_value router_engine(const Arguments& a) {
  return start_task<RouterEngine>(
      a.env(), [router = a.handle<Router>(0, "router"), alias = a[1].text()] { return router->engine(alias); },
      [](napi_env env, RouterEngine found) {
        napi_value pair = nullptr;
        check(env, napi_create_array_with_length(env, 2, &pair));
        check(env, napi_set_element(env, pair, 0, to_handle(env, std::move(found.model))));
        check(env, napi_set_element(env, pair, 1, to_handle(env, std::move(found.engine))));
        return pair;
      });
}

class IndexJob : public Job {
 public:
  IndexJob(std::string request, bool events) : request_(std::move(request)), events_(events) {}
  Status run() override {
    auto answer = index_build(request_, [this](size_t done, size_t total) {
      if (!events_) return !stopped();
      return tell([done, total](napi_env env) {
        napi_value pair = nullptr;
        check(env, napi_create_array_with_length(env, 2, &pair));
        check(env, napi_set_element(env, pair, 0, to_js(env, static_cast<double>(done))));
        check(env, napi_set_element(env, pair, 1, to_js(env, static_cast<double>(total))));
        return pair;
      });
    });
    if (!answer) return answer.error();
    answer_ = *std::move(answer);
    return {};
  }
  napi_value value(napi_env env) override { return to_js(env, answer_); }

 private:
  std::string request_;
  bool events_;
  std::string answer_;
};

napi_value index_build_of(const Arguments& a) {
  return start(a.env(), std::make_shared<IndexJob>(a[0].text(), !a[1].missing()), a[1]);
}

// request(name, text): one of the functions that take a request and give an answer.
napi_value request_of(const Arguments& a) {
  static const std::map<std::string, Request, std::less<>> kRequests = {
      {"indexSearch", kedge_index_search}, {"indexInfo", kedge_index_info},
      {"auditList", kedge_audit_list},     {"auditShow", kedge_audit_show},
      {"auditVerify", kedge_audit_verify}, {"auditExport", kedge_audit_export},
      {"calibrate", kedge_calibrate},      {"routeReport", kedge_route_report},
      {"checkAnswer", kedge_check_answer}, {"calibratorApply", kedge_calibrator_apply},
  };
  const auto found = kRequests.find(a[0].text());
  if (found == kRequests.end()) fail(KEDGE_INVALID_ARGUMENT, "there is no request '" + a[0].text() + "'");
  return start_task<std::string>(
      a.env(), [function = found->second, request = a[1].text()] { return call(function, request); }, give_text);
}

}  // namespace

void add_router_functions(napi_env env, napi_value exports) {
  add(env, exports, "routerOpen", guarded<router_open>);
  add(env, exports, "routerAsk", guarded<router_ask>);
  add(env, exports, "routerReplay", guarded<router_call<&Router::replay>>);
  add(env, exports, "routerSwap", guarded<router_call<&Router::swap>>);
  add(env, exports, "routerConfigure", guarded<router_call<&Router::configure>>);
  add(env, exports, "routerState", guarded<router_state>);
  add(env, exports, "routerModels", guarded<router_models>);
  add(env, exports, "routerEngine", guarded<router_engine>);
  add(env, exports, "indexBuild", guarded<index_build_of>);
  add(env, exports, "request", guarded<request_of>);
}

}  // namespace kedge::tools::node
