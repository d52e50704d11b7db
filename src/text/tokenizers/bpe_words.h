// Helpers of the BPE model: the pair table, the word cache and the filter of character pairs that merges can join.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "text/tokenizers/vocab.h"

namespace mainspring::tok {

// (left id, right id) -> rank and merged id, packed as rank << 32 | id; kNone when the pair does not merge.
class PairTable {
 public:
  static constexpr uint64_t kNone = UINT64_MAX;

  void reserve(size_t pairs) {
    size_t size = 64;
    while (size < pairs * 2) size *= 2;
    slots_.assign(size, Slot{});
  }
  // A pair that is there already gets the later rank, as in the library's map. At most the reserved number of pairs.
  void set(int32_t left, int32_t right, uint32_t rank, int32_t merged) {
    Slot& slot = slots_[locate(key_of(left, right))];
    slot.key = key_of(left, right);
    slot.value = uint64_t{rank} << 32 | static_cast<uint32_t>(merged);
  }
  uint64_t find(int32_t left, int32_t right) const noexcept {
    if (slots_.empty()) return kNone;
    return slots_[locate(key_of(left, right))].value;
  }

 private:
  struct Slot {
    uint64_t key = 0;
    uint64_t value = kNone;
  };
  // Never 0: an empty slot.
  static uint64_t key_of(int32_t left, int32_t right) noexcept {
    return (uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right)) + 1;
  }
  size_t locate(uint64_t key) const noexcept {
    const uint64_t h = key * 0x9E3779B97F4A7C15ULL;
    size_t i = (h ^ h >> 32) & (slots_.size() - 1);
    while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  std::vector<Slot> slots_;
};

// Direct-mapped cache of whole words, one cache line per slot; a word that does not fit is simply not kept.
class WordCache {
 public:
  static constexpr size_t kMaxBytes = 38, kMaxIds = 6, kSlots = 1 << 14;

  // True, and the ids appended, when the word is known.
  bool find(std::string_view word, uint64_t hash, std::vector<int32_t>& out) const {
    if (slots_.empty()) return false;
    const Slot& slot = slots_[hash & (kSlots - 1)];
    if (slot.size != word.size() || std::memcmp(slot.text, word.data(), word.size()) != 0) return false;
    out.insert(out.end(), slot.ids, slot.ids + slot.count);
    return true;
  }
  void put(std::string_view word, uint64_t hash, const int32_t* ids, size_t count) {
    if (word.size() > kMaxBytes || count > kMaxIds) return;
    if (slots_.empty()) slots_.resize(kSlots);
    Slot& slot = slots_[hash & (kSlots - 1)];
    slot.size = static_cast<uint8_t>(word.size());
    slot.count = static_cast<uint8_t>(count);
    std::memcpy(slot.text, word.data(), word.size());
    if (count != 0) std::memcpy(slot.ids, ids, count * sizeof(int32_t));
  }

 private:
  struct alignas(64) Slot {
    int32_t ids[kMaxIds];
    uint8_t size = 0, count = 0;
    char text[kMaxBytes];
  };
  static_assert(sizeof(Slot) == 64);
  std::vector<Slot> slots_;
};

// Which neighbouring characters occur inside a merged token. Where a pair does not, no merge can cross, and a long
// text may be cut there without changing the result. False positives only cost speed.
class JoinFilter {
 public:
  // Adds the neighbouring code points of a token.
  void add(std::string_view token);
  void add_character(uint32_t code);  // a character that is a token of its own
  bool empty() const noexcept { return pairs_.empty(); }
  // Both characters are tokens and no token holds them side by side.
  bool may_cut(uint32_t left, uint32_t right) const noexcept {
    return known(left) && known(right) && (pairs_[slot(left, right) >> 6] >> (slot(left, right) & 63) & 1) == 0;
  }

 private:
  static constexpr size_t kBits = size_t{1} << 22;
  static size_t slot(uint32_t left, uint32_t right) noexcept {
    const uint64_t h = (uint64_t{left} << 21 ^ right) * 0x9E3779B97F4A7C15ULL;
    return (h >> 32) & (kBits - 1);
  }
  bool known(uint32_t c) const noexcept { return (known_[c >> 6] >> (c & 63) & 1) != 0; }

  std::vector<uint64_t> pairs_, known_;
};

}  // namespace mainspring::tok
