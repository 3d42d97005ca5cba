#include "kernels/base/sha256.h"

#include <algorithm>
#include <bit>

#include "kernels/base/hex.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace kedge::base {
namespace {

alignas(16) constexpr std::array<uint32_t, 64> kRound = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void plain_block(std::array<uint32_t, 8>& state, const unsigned char* p) {
  std::array<uint32_t, 64> w;
  for (size_t i = 0; i < 16; ++i) {
    w[i] = uint32_t{p[4 * i]} << 24 | uint32_t{p[4 * i + 1]} << 16 | uint32_t{p[4 * i + 2]} << 8 | p[4 * i + 3];
  }
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
    const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const std::array<uint32_t, 8> v = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) state[i] += v[i];
}

#if defined(__x86_64__)
// Two vectors hold the state as {a, b, e, f} and {c, d, g, h}; an instruction does two rounds (Gulley et al., Intel SHA
// Extensions, 2013).
__attribute__((target("sha,sse4.1"))) void fast_blocks(std::array<uint32_t, 8>& state, const char* data, size_t n) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  auto* const words = reinterpret_cast<__m128i*>(state.data());
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xB1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1B);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
  for (; n > 0; --n, data += 64) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i) {
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data) + i), big_endian);
    }
    for (int i = 0; i < 16; ++i) {  // four rounds each
      if (i >= 4) {
        const __m128i last = w[(i + 3) % 4];
        const __m128i sum =
            _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), _mm_alignr_epi8(last, w[(i + 2) % 4], 4));
        w[i % 4] = _mm_sha256msg2_epu32(sum, last);
      }
      const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(kRound.data()) + i);
      const __m128i wk = _mm_add_epi32(w[i % 4], k);
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0E));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

bool has_sha() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0 && __builtin_cpu_supports("sse4.1");
}
#endif

}  // namespace

void sha256_blocks_plain(std::array<uint32_t, 8>& state, const char* data, size_t n) {
  for (; n > 0; --n, data += 64) plain_block(state, reinterpret_cast<const unsigned char*>(data));
}

void sha256_blocks(std::array<uint32_t, 8>& state, const char* data, size_t n) {
#if defined(__x86_64__)
  static const bool fast = has_sha();
  if (fast) return fast_blocks(state, data, n);
#endif
  sha256_blocks_plain(state, data, n);
}

void Sha256::bytes(std::string_view data) {
  n_bytes_ += data.size();
  if (n_block_ > 0) {
    const size_t n = std::min(data.size(), block_.size() - n_block_);
    std::copy_n(data.begin(), n, block_.begin() + static_cast<std::ptrdiff_t>(n_block_));
    data.remove_prefix(n);
    n_block_ += n;
    if (n_block_ < block_.size()) return;
    sha256_blocks(state_, block_.data(), 1);
    n_block_ = 0;
  }
  const size_t whole = data.size() / block_.size();
  sha256_blocks(state_, data.data(), whole);
  data.remove_prefix(whole * block_.size());
  std::copy(data.begin(), data.end(), block_.begin());
  n_block_ = data.size();
}

void Sha256::field(std::string_view data) {
  number(data.size());
  bytes(data);
}

void Sha256::number(uint64_t value) {
  std::array<char, 8> little;
  for (size_t i = 0; i < little.size(); ++i) little[i] = static_cast<char>(value >> (8 * i));
  bytes({little.data(), little.size()});
}

std::string Sha256::sum() {
  const uint64_t n_bits = n_bytes_ * 8;
  const size_t n = (n_block_ < 56 ? 56 : 120) - n_block_;
  std::array<char, 72> end{};
  end[0] = '\x80';
  for (size_t i = 0; i < 8; ++i) end[n + i] = static_cast<char>(n_bits >> (56 - 8 * i));
  bytes({end.data(), n + 8});
  std::string out;
  for (const uint32_t word : state_) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(word >> shift);
  }
  return out;
}

std::string Sha256::hex() { return base::hex(sum()); }

std::string sha256(std::string_view a, std::string_view b) {
  Sha256 digest;
  digest.bytes(a);
  digest.bytes(b);
  return digest.sum();
}

std::string sha256_hex(std::string_view data) { return hex(sha256(data)); }

}  // namespace kedge::base
