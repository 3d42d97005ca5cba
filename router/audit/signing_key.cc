#include "router/audit/signing_key.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "kernels/base/hex.h"
#include "kernels/base/output_file.h"
#include "kernels/base/sha256.h"
#include "router/audit/digest.h"
#include "router/audit/file.h"

namespace kedge::router::audit {

namespace {

constexpr size_t kSeedSize = crypto_sign_SEEDBYTES;

const unsigned char* octets(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

Error io_error(const std::string& path) { return {ErrorCode::kIo, path + ": " + std::strerror(errno)}; }

void wipe(std::string& text) { sodium_memzero(text.data(), text.size()); }

}  // namespace

SigningKey::SigningKey(std::string_view seed) : public_key_(kPublicKeySize, '\0') {
  static_assert(crypto_sign_PUBLICKEYBYTES == kPublicKeySize && crypto_sign_SECRETKEYBYTES == 64 &&
                crypto_sign_BYTES == kSignatureSize);
  crypto_sign_seed_keypair(reinterpret_cast<unsigned char*>(public_key_.data()), secret_.data(), octets(seed));
}

SigningKey::SigningKey(SigningKey&& other) noexcept
    : secret_(other.secret_), public_key_(std::move(other.public_key_)) {
  sodium_memzero(other.secret_.data(), other.secret_.size());
}

SigningKey::~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

Result<SigningKey> SigningKey::load(const std::string& path) {
  KEDGE_TRY(init_crypto());
  KEDGE_ASSIGN(file, File::open(path, O_RDONLY));
  struct stat status {};
  if (::fstat(file.fd(), &status) != 0) return io_error(path);
  if ((status.st_mode & 077) != 0) {
    char mode[16];
    std::snprintf(mode, sizeof mode, "%03o", status.st_mode & 0777u);
    return Error{ErrorCode::kIo, path + ": the signing key has mode " + mode +
                                     ", others than its owner may use it; limit is 600 (chmod 600)"};
  }
  KEDGE_ASSIGN(text, file.read(0, kSeedSize * 2 + 2));
  const bool shaped = text.size() == kSeedSize * 2 + 1 && text.back() == '\n';
  auto seed = unhex(shaped ? std::string_view(text).substr(0, kSeedSize * 2) : std::string_view("?"));
  wipe(text);
  if (!seed.ok()) {  // the error of unhex would show the secret
    return Error{ErrorCode::kCorrupt, path + ": not a signing key of an audit log (64 hexadecimal digits, a line end)"};
  }
  SigningKey key(*seed);
  wipe(*seed);
  return key;
}

Result<SigningKey> SigningKey::load_or_create(const std::string& path) {
  auto present = load(path);
  if (present.ok() || present.error().code != ErrorCode::kNotFound) return present;
  std::string seed = random_bytes(kSeedSize);
  std::string text = hex(seed) + "\n";
  wipe(seed);
  Status written = write_file(path, text, {.owner_only = true, .new_only = true});
  wipe(text);
  auto key = load(path);  // that of another process, when it was faster
  if (!key.ok() && key.error().code == ErrorCode::kNotFound && !written.ok()) return std::move(written).error();
  return key;
}

std::string SigningKey::sign(std::string_view message) const {
  std::string signature(kSignatureSize, '\0');
  crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr, octets(message), message.size(),
                       secret_.data());
  return signature;
}

bool signature_is_valid(std::string_view signature, std::string_view message, std::string_view public_key) {
  if (signature.size() != kSignatureSize || public_key.size() != kPublicKeySize) return false;
  return crypto_sign_verify_detached(octets(signature), octets(message), message.size(), octets(public_key)) == 0;
}

std::string key_id(std::string_view public_key) { return hex(sha256(public_key)).substr(0, 16); }

}  // namespace kedge::router::audit
