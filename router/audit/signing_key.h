// The Ed25519 key pair of one log. The secret is a file beside the database that only its owner may read.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge::router::audit {

inline constexpr size_t kPublicKeySize = 32;
inline constexpr size_t kSignatureSize = 64;

class SigningKey {
 public:
  // Reads the key file. Errors: kNotFound, kIo (also: others may read or write it), kCorrupt.
  static Result<SigningKey> load(const std::string& path);
  // Makes a key when there is none. Two processes at once end up with the same one.
  static Result<SigningKey> load_or_create(const std::string& path);

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) = delete;
  ~SigningKey();  // wipes the secret

  std::string sign(std::string_view message) const;  // kSignatureSize bytes
  const std::string& public_key() const { return public_key_; }

 private:
  explicit SigningKey(std::string_view seed);

  std::array<unsigned char, 64> secret_{};
  std::string public_key_;
};

bool signature_is_valid(std::string_view signature, std::string_view message, std::string_view public_key);
std::string key_id(std::string_view public_key);  // 16 hexadecimal digits of its SHA-256

}  // namespace kedge::router::audit
