// Hashes of files while they stream, by OpenSSL's EVP interface.
#include "hub/digest.h"

#include <openssl/evp.h>

#include "base/str.h"

namespace mainspring::hub {

struct Digest::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Impl() { EVP_MD_CTX_free(context); }
};

Digest::Digest(std::string_view expected, uint64_t size) : impl_(std::make_unique<Impl>()) {
  const bool git = expected.size() == 40;
  if (impl_->context == nullptr || EVP_DigestInit_ex(impl_->context, git ? EVP_sha1() : EVP_sha256(), nullptr) != 1) {
    fail(Code::kInternal, "the hash library cannot compute ", git ? "sha1" : "sha256");
  }
  if (!git) return;
  std::string header = cat("blob ", size);
  header.push_back('\0');
  update(header);
}

Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(std::string_view bytes) { EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()); }

std::string Digest::finish() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(impl_->context, raw, &size);
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += kHex[raw[i] >> 4];
    hex += kHex[raw[i] & 15];
  }
  return hex;
}

}  // namespace mainspring::hub
