// The one place that sees xxHash.
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mainspring {

uint64_t hash64(std::span<const std::byte> bytes, uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace mainspring
