// One request of libcurl, for http_get.cc and http_fetch.cc.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "tools/store/http_get.h"

namespace kedge::tools::store {

struct CurlAnswer {
  long status = 0;     // of the last answer, behind redirects; 0: none came
  bool retry = false;  // may go better the next time
  bool cancelled = false;
  std::string problem;                              // in words; empty when all went well
  std::map<std::string, std::string> headers = {};  // of the last answer, names in lower case
  double retry_after_s = 0;                         // as the server asks
};

struct CurlRequest {
  std::string url;
  std::string range = {};     // "bytes=100-"; empty: everything
  std::string if_range = {};  // an ETag
  // The body's next bytes, of an answer with this status; false ends the request (and says why by itself).
  std::function<bool(const CurlAnswer& so_far, std::string_view)> body;
};

CurlAnswer curl_perform(const CurlRequest& request, const HttpOptions& options);

// What a failed answer is to the caller, with URL and reason.
Error curl_error(const std::string& url, const CurlAnswer& answer);

// Asks again after a while, as the options say; `once` is given what happened and returns the answer.
CurlAnswer with_tries(const HttpOptions& options, const std::function<CurlAnswer()>& once);

}  // namespace kedge::tools::store
