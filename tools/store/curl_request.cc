#include "tools/store/curl_request.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "kedge/kedge.h"

namespace kedge::tools::store {

namespace {

struct Transfer {
  const CurlRequest& request;
  const HttpOptions& options;
  CurlAnswer answer;
  CURL* curl = nullptr;
  bool refused_body = false;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

size_t on_header(char* data, size_t size, size_t n, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * n);
  if (line.starts_with("HTTP/")) t.answer.headers.clear();  // of another answer than the one before: a redirect's
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) t.answer.headers[lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  return size * n;
}

size_t on_body(char* data, size_t size, size_t n, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &t.answer.status);
  if (t.answer.status >= 300) return size * n;  // the page of an error: nobody reads it
  t.refused_body = !t.request.body(t.answer, {data, size * n});
  return t.refused_body ? CURL_WRITEFUNC_ERROR : size * n;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& t = *static_cast<Transfer*>(user);
  return t.options.stop && t.options.stop() ? 1 : 0;
}

bool may_go_better(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

bool may_go_better(long status) { return status == 408 || status == 429 || (status >= 500 && status != 501); }

// Text of a problem with the status of an answer.
std::string status_problem(long status) {
  switch (status) {
    case 401:
    case 403:
      return "the server refuses it (" + std::to_string(status) + "): a gated or private file needs a token (HF_TOKEN)";
    case 404:
      return "there is no such file (404)";
    default:
      return "the server answers " + std::to_string(status);
  }
}

void set_up(CURL* curl, Transfer& t, char* problem) {
  curl_easy_setopt(curl, CURLOPT_URL, t.request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, t.request.url.starts_with("https") ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, long{t.options.stall_s});
  const std::string agent = std::string("kedge/") + kedge_version();
  curl_easy_setopt(curl, CURLOPT_USERAGENT, agent.c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &t);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &t);
  if (!t.options.token.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);  // which libcurl keeps from other hosts
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, t.options.token.c_str());
  }
}

// Seconds a server asks to wait: Retry-After in its form with a number.
double asked_wait(const CurlAnswer& answer) {
  const auto at = answer.headers.find("retry-after");
  return at == answer.headers.end() ? 0 : std::strtod(at->second.c_str(), nullptr);
}

}  // namespace

CurlAnswer curl_perform(const CurlRequest& request, const HttpOptions& options) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  Transfer t{.request = request, .options = options, .answer = {}};
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  if (ready != CURLE_OK || curl == nullptr) {
    t.answer.problem = "libcurl does not start";
    return t.answer;
  }
  t.curl = curl.get();
  char problem[CURL_ERROR_SIZE] = "";
  set_up(curl.get(), t, problem);
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(nullptr, curl_slist_free_all);
  const auto add = [&](const std::string& line) { headers.reset(curl_slist_append(headers.release(), line.c_str())); };
  if (!request.range.empty()) add("Range: " + request.range);
  if (!request.if_range.empty()) add("If-Range: " + request.if_range);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = curl_easy_perform(curl.get());
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &t.answer.status);
  t.answer.cancelled = code == CURLE_ABORTED_BY_CALLBACK;
  if (code != CURLE_OK) {
    t.answer.problem = *problem != '\0' ? problem : curl_easy_strerror(code);
    t.answer.retry = may_go_better(code) && !t.refused_body;
  } else if (t.answer.status >= 300) {
    t.answer.problem = status_problem(t.answer.status);
    t.answer.retry = may_go_better(t.answer.status);
    t.answer.retry_after_s = asked_wait(t.answer);
  }
  return std::move(t.answer);
}

Error curl_error(const std::string& url, const CurlAnswer& answer) {
  if (answer.cancelled) return {ErrorCode::kCancelled, "stopped"};
  const ErrorCode code = answer.status == 404 ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, url + ": " + answer.problem};
}

CurlAnswer with_tries(const HttpOptions& options, const std::function<CurlAnswer()>& once) {
  double wait = options.first_wait_s;
  for (int number = 1;; ++number) {
    CurlAnswer answer = once();
    if (answer.problem.empty() || !answer.retry || number >= options.tries) {
      if (!answer.problem.empty() && number > 1) answer.problem += " (tried " + std::to_string(number) + " times)";
      return answer;
    }
    const double seconds = std::min(std::max(wait, answer.retry_after_s), 30.0);
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < until) {
      if (options.stop && options.stop()) {
        answer.cancelled = true;
        return answer;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    wait *= 2;
  }
}

}  // namespace kedge::tools::store
