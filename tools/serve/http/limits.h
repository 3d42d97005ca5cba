// What one client, or all together, may ask of the server before anybody has looked at what they want.
#pragma once

#include <chrono>
#include <cstddef>

namespace kedge::tools::serve {

struct HttpLimits {
  using Milliseconds = std::chrono::milliseconds;

  size_t header_bytes = 16 * 1024;          // request line and fields: 431
  size_t target_bytes = 8 * 1024;           // of the request line: 414
  size_t header_fields = 100;               // 431
  size_t body_bytes = size_t{32} << 20;     // of one request: 413
  size_t bodies_bytes = size_t{512} << 20;  // of all requests being read or worked on: 503

  Milliseconds header_time{5000};   // from the first byte to the end of the head, and of a TLS handshake: 408
  Milliseconds body_time{10'000};   // a body has so long, and
  size_t body_rate = 64 * 1024;     // a second more for each that many bytes of it: 408
  Milliseconds idle_time{75'000};   // between the requests of a connection
  Milliseconds stall_time{30'000};  // a client that reads nothing for so long is gone
  Milliseconds linger_time{1000};   // how long a client may go on sending what was refused

  size_t connections = 4096;              // in all: 503
  size_t connections_per_address = 512;   // of one IPv4 address, or one /64: 429
  size_t requests = 10'000;               // of a connection, which is closed then
  size_t unsent_bytes = size_t{1} << 20;  // of a reply, before write() waits
};

}  // namespace kedge::tools::serve
