// Hashes of files while they stream: sha256 (large files) and git's blob hash (small ones). OpenSSL is behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace mainspring::hub {

class Digest {
 public:
  // `expected` has 64 hex digits for sha256, 40 for git's sha1 over "blob SIZE\0" and the content.
  Digest(std::string_view expected, uint64_t size);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void update(std::string_view bytes);
  std::string finish();  // hex; the digest is used up

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring::hub
