// Damages files as transport, disks and attackers do. Seeded: the same number gives the same file everywhere.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

namespace mainspring::testing {

// splitmix64
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t n) { return n ? next() % n : 0; }

 private:
  uint64_t state_;
};

// The numbers that size arithmetic gets wrong.
inline uint64_t hostile_number(Random& r) {
  static constexpr uint64_t kNumbers[] = {0, 1, 2, 3, 4, 5, 31, 32, 33, 127, 128, 255, 256, 257, 65535, 65536, 1u << 20,
      (1u << 24) + 1, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 0x100000000, 0x100000001, uint64_t{1} << 40,
      uint64_t{1} << 61, uint64_t{1} << 62, (uint64_t{1} << 63) - 1, uint64_t{1} << 63, ~uint64_t{0} - 31, ~uint64_t{0}};
  return kNumbers[r.below(std::size(kNumbers))] + (r.below(4) == 0 ? r.below(3) - 1 : 0);
}

// `head`: the first bytes, where the structure is; most damage goes there. `text`: the structure is JSON.
inline std::string mutate(std::string s, size_t head, bool text, uint64_t seed) {
  Random r(seed);
  for (uint64_t step = 1 + r.below(4); step > 0 && !s.empty(); --step) {
    const size_t region = r.below(8) ? std::min(head, s.size()) : s.size();
    const size_t at = r.below(region);
    switch (r.below(text ? 11 : 9)) {
      case 0: s[at] = static_cast<char>(s[at] ^ (1 << r.below(8))); break;
      case 1: s[at] = static_cast<char>(r.next()); break;
      case 2:
      case 3:
      case 4: {  // overwrite a number
        const uint64_t v = hostile_number(r);
        const size_t bytes = r.below(2) ? 8 : 4;
        if (at + bytes <= s.size()) std::memcpy(s.data() + at, &v, bytes);
        break;
      }
      case 5: s.resize(r.below(2) ? at : s.size() / 4096 * r.below(4096 + 1) / 4096 * 4096); break;  // truncate
      case 6: s.erase(at, 1 + r.below(64)); break;
      case 7: s.insert(at, s.substr(r.below(region), 1 + r.below(64))); break;
      case 8: s.insert(s.size(), std::string(r.below(4096), static_cast<char>(r.next()))); break;
      case 9: {  // another digit, or another number
        const size_t digit = s.find_first_of("0123456789", at);
        if (digit == std::string::npos) break;
        if (r.below(2)) s[digit] = static_cast<char>('0' + r.below(10));
        else s.replace(digit, 1, std::to_string(hostile_number(r)));
        break;
      }
      default: s[at] = "{}[],:\"\\0eu-"[r.below(12)];
    }
  }
  return s;
}

}  // namespace mainspring::testing
