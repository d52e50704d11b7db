// 64-bit hashing of bytes (not for secrets). The hash behind it is XXH3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace mainspring {

// Same input and seed, same value, on every machine of one byte order.
uint64_t hash64(std::span<const std::byte> bytes, uint64_t seed = 0) noexcept;

template <class T>
  requires(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>)
uint64_t hash64(std::span<const T> items, uint64_t seed = 0) noexcept {
  return hash64(std::as_bytes(items), seed);
}

// Mixes one word into a hash (the finaliser of MurmurHash3 over a multiply-add).
constexpr uint64_t hash_combine(uint64_t h, uint64_t v) noexcept {
  uint64_t x = (h ^ v) * 0x9E3779B97F4A7C15u + v;
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDu;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53u;
  return x ^ (x >> 33);
}

}  // namespace mainspring
