// Token texts and ids: one arena of text and an open-addressing hash table.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::tok {

// Fast hash of short keys; not for untrusted collision resistance (tables stay correct, only slower).
inline uint64_t hash_bytes(std::string_view s) noexcept {
  constexpr uint64_t k = 0x9E3779B97F4A7C15ULL;
  uint64_t h = s.size() * k;
  const char* p = s.data();
  size_t n = s.size();
  while (n >= 8) {
    uint64_t v;
    std::memcpy(&v, p, 8);
    h = (h ^ v) * k;
    h ^= h >> 29;
    p += 8;
    n -= 8;
  }
  uint64_t v = 0;
  std::memcpy(&v, p, n);
  h = (h ^ v) * k;
  return h ^ h >> 32;
}

class Vocab {
 public:
  static constexpr int32_t kMaxId = (1 << 23) - 1;  // bounds what a hostile file can make us allocate

  void reserve(size_t tokens, size_t bytes);
  // Adds a token; a token or id that is there already is redefined. Throws kInvalidInput when the id is out of range.
  void set(std::string_view token, int32_t id);
  int32_t find(std::string_view token) const noexcept;  // -1 when absent
  std::string_view text(int32_t id) const noexcept;     // empty for unused ids
  bool used(int32_t id) const noexcept;
  size_t count() const noexcept { return count_; }         // distinct tokens
  size_t id_limit() const noexcept { return entries_.size(); }  // highest id + 1

 private:
  struct Entry {
    uint64_t at = 0;
    uint32_t size = 0;
    bool used = false;
  };
  struct Slot {
    uint32_t tag = 0;
    int32_t id = -1;
  };
  void grow(size_t tokens);

  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace mainspring::tok
