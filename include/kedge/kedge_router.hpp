// C++20 over kedge_router.h, in the manner of kedge.hpp: JSON text in, JSON text out.
#pragma once

#include "kedge/kedge.hpp"
#include "kedge/kedge_router.h"

namespace kedge::api {

// One of the functions that take a request and give an answer: call(kedge_audit_list, R"({"db": "audit.db"})").
inline Result<std::string> call(kedge_status (*function)(const char*, size_t, char**, size_t*),
                                std::string_view request) {
  return detail::text([&](char** d, size_t* n) { return function(request.data(), request.size(), d, n); });
}

inline Result<std::string> index_build(std::string_view request, const Progress& on_progress = {}) {
  return detail::text([&](char** d, size_t* n) {
    const auto trampoline = [](void* user, size_t done, size_t total) {
      return (*static_cast<const Progress*>(user))(done, total) ? 0 : 1;
    };
    return kedge_index_build(request.data(), request.size(), on_progress ? +trampoline : nullptr,
                             const_cast<Progress*>(&on_progress), d, n);
  });
}

}  // namespace kedge::api
