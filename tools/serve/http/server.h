// The HTTP server: HTTP/1.1 and 1.0 over TCP, TLS or a socket in the file system. It reads requests whole, within
// limits, and carries replies; what they say is others' business. Its threads never wait for anything but the network.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/base/result.h"
#include "tools/serve/http/http.h"
#include "tools/serve/http/limits.h"

namespace kedge::tools::serve {

// A request that has ended, for the log.
struct HttpDone {
  std::string id;
  std::string peer;
  std::string method;  // empty when there was none to be read
  std::string path;
  std::string traceparent;
  int status = 0;      // 499: the client had gone before there was one
  uint64_t bytes = 0;  // of the reply, sent or not
  double ms = 0;       // from the first byte of the request to the last of the reply
  bool gone = false;   // the client left before the end
  Fields notes;        // what HttpReply::note() was told
};

struct HttpOptions {
  std::string host = "127.0.0.1";  // a name or an address
  uint16_t port = 8080;            // 0: any that is free
  std::string unix_socket;         // a path: listens there too (and there only when host is empty)
  std::string certificate;         // PEM files: TLS, 1.2 or later
  std::string private_key;
  int threads = 1;
  HttpLimits limits;
  HttpGate gate;  // may be empty
  HttpHandler handler;
  HttpRefusal refusal;                        // empty: a plain text
  std::function<void(const HttpDone&)> done;  // called on an I/O thread; may be empty
};

// Since the start.
struct HttpCounts {
  uint64_t accepted = 0;
  uint64_t connections = 0;  // open now
  uint64_t requests = 0;     // with a readable head
  uint64_t working = 0;      // requests now between their head and the end of their reply
  uint64_t refused = 0;      // requests and connections that no handler saw
};

class HttpServer {
 public:
  // Errors: an address that cannot be had (kIo), certificate files that cannot be read (kInvalidArgument).
  static base::Result<std::unique_ptr<HttpServer>> start(HttpOptions options);
  virtual ~HttpServer() = default;  // closes

  virtual uint16_t port() const = 0;  // 0 when only a path is listened on
  virtual HttpCounts counts() const = 0;

  // New connections and requests have them; the numbers of connections too.
  virtual void set_limits(const HttpLimits& limits) = 0;
  // Reads the files of the options again; on an error the old certificate stays.
  virtual base::Status reload_certificate() = 0;

  // No new connections; those that wait for a request are closed, the others after the reply they are at.
  virtual void stop_accepting() = 0;
  // Waits until no request is being read or worked on, at most so long; false: there still are some.
  virtual bool drain(std::chrono::milliseconds most) = 0;
  // Ends every connection and the threads. Replies may outlive the server: they are gone.
  virtual void close() = 0;
};

}  // namespace kedge::tools::serve
