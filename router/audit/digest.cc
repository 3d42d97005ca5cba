#include "router/audit/digest.h"

#include <sodium.h>

#include <chrono>
#include <cstdio>
#include <ctime>

#include "kernels/base/hex.h"
#include "kernels/base/sha256.h"

namespace kedge::router::audit {

namespace {

const unsigned char* octets(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }
unsigned char* mutable_octets(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

}  // namespace

Status init_crypto() {
  if (sodium_init() < 0) return Error{ErrorCode::kInternal, "libsodium does not start: no source of random numbers"};
  return {};
}

std::string keyed_digest(std::string_view key, std::string_view a, std::string_view b) {
  const std::string frame = std::to_string(a.size()) + ":";  // so that no byte can move from a to b
  crypto_generichash_state state;
  std::string out(Sha256::kSize, '\0');
  crypto_generichash_init(&state, octets(key), key.size(), out.size());
  crypto_generichash_update(&state, octets(frame), frame.size());
  crypto_generichash_update(&state, octets(a), a.size());
  crypto_generichash_update(&state, octets(b), b.size());
  crypto_generichash_final(&state, mutable_octets(out), out.size());
  return out;
}

std::string random_bytes(size_t n) {
  std::string out(n, '\0');
  randombytes_buf(out.data(), n);
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), octets(bytes), bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  out.pop_back();  // the NUL
  return out;
}

int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string iso_time(int64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                tm.tm_hour, tm.tm_min, tm.tm_sec, static_cast<int>(ms % 1000));
  return text;
}

std::string uuid7(int64_t ms) {
  std::string bytes = random_bytes(16);
  for (size_t i = 0; i < 6; ++i) bytes[i] = static_cast<char>(ms >> (40 - 8 * i));
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x70);  // version
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);  // variant
  std::string text = hex(bytes);
  for (const size_t at : {size_t{8}, size_t{13}, size_t{18}, size_t{23}}) text.insert(at, "-");
  return text;
}

}  // namespace kedge::router::audit
