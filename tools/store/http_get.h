// Getting things over HTTP, by libcurl: a small text, or a file that may be gone on with. Only http and https; at most
// ten redirects, never from https down to http; a token is not sent on to another host.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernels/base/result.h"

namespace kedge::tools::store {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;

struct HttpOptions {
  std::string token = {};           // sent as "Authorization: Bearer ..."; empty: none
  int tries = 5;                    // for what may go better the next time: a broken connection, 408, 429, 5xx
  double first_wait_s = 1;          // before the second try; doubles, at most 30 s
  int stall_s = 30;                 // a connection that brings nothing for so long is broken
  std::function<bool()> stop = {};  // true ends it with kCancelled
};

// A text of at most `most` bytes. Errors: kInvalidArgument (no such URL), kNotFound (404), kIo (whatever else; they
// name URL and reason), kCapacity (longer), kCancelled.
Result<std::string> http_text(const std::string& url, size_t most, const HttpOptions& options);

struct Fetched {
  uint64_t bytes = 0;    // of the whole file
  uint64_t resumed = 0;  // of them, were there before
  std::string sha256;    // hex, of the whole file
};

struct FetchOptions {
  HttpOptions http;
  uint64_t expected_bytes = 0;                                       // 0: not known
  std::string expected_sha256 = {};                                  // hex; empty: not known
  std::function<void(uint64_t done, uint64_t total)> progress = {};  // total 0: not known
};

// Into `path`, which appears whole and checked or not at all. What came so far is kept beside it ("<path>.part", and
// how it is to be gone on with in "<path>.part.json") when it fails or is stopped, and used by the next call while the
// server's file is the same. One process at a time works on a path; the next is told so. Errors: those of http_text;
// kCapacity (the disk has no room: both numbers), kCorrupt (another length or digest than expected; the part is
// removed).
Result<Fetched> http_fetch(const std::string& url, const std::string& path, const FetchOptions& options);

}  // namespace kedge::tools::store
