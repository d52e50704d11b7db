// Bit planes of group panels into pairs of int16 codes (packing/panels.h has the layout).
#pragma once

#include "backends/cpu/linear/int_vec.h"
#include "backends/cpu/packing/panels.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// One chunk of one vector of columns; kWords names the plane layout (4, 5, 6, 8).
template <int kWords>
struct Planes {
  VI words[kWords];

  MS_INLINE explicit Planes(const std::byte* p) {
    each<kWords>([&](auto i) MS_LAMBDA { words[i] = iload(p + i * kVecBytes); });
  }

  // Pair p of the chunk: codes 2p and 2p + 1 of every column.
  template <int p>
  MS_INLINE VI pair() const {
    if constexpr (kWords == 8) {
      const VI v = words[p / 2];
      return iand(p % 2 ? shr16<8>(v) : v, iset(0x00FF00FF));
    } else {
      const VI v = words[p / 4];
      const VI nibble = iset(0x000F000F);
      VI code;
      if constexpr (p % 4 == 0) code = iand(v, nibble);
      else if constexpr (p % 4 == 1) code = iand(shr16<8>(v), nibble);
      else if constexpr (p % 4 == 2) code = iand(shr16<4>(v), nibble);
      else code = shr16<12>(v);
      if constexpr (kWords == 5) {
        return and_or(to_bit_4<p / 2 + 8 * (p % 2)>(words[4]), iset(0x00100010), code);
      } else if constexpr (kWords == 6) {
        return and_or(to_bit_4<2 * (p % 8 / 2) + 8 * (p % 2)>(words[4 + p / 8]), iset(0x00300030), code);
      } else {
        return code;
      }
    }
  }

  // Inputs 4r, 4r + 2, 4r + 1, 4r + 3 of the chunk: unsigned bytes of every column.
  template <int r>
  MS_INLINE VI quad() const {
    if constexpr (kWords == 8) return words[r];
    const VI v = words[r / 2];
    const VI nibble = iand(r % 2 ? shr16<4>(v) : v, iset(0x0F0F0F0F));
    if constexpr (kWords == 5) return and_or(to_bit_4<r>(words[4]), iset(0x10101010), nibble);
    else if constexpr (kWords == 6) return and_or(to_bit_4<2 * (r % 4)>(words[4 + r / 4]), iset(0x30303030), nibble);
    else return nibble;
  }
  static constexpr int kTop = kWords == 4 ? 15 : kWords == 5 ? 31 : kWords == 6 ? 63 : 255;  // largest code

 private:
  template <int bit>
  static MS_INLINE VI to_bit_4(VI v) {
    if constexpr (bit < 4) return shl16<4 - bit>(v);
    else if constexpr (bit == 4) return v;
    else return shr16<bit - 4>(v);
  }
};

// f(Index<words>{}) for the plane layout of a matrix.
template <class F>
MS_INLINE void with_words(int words, F&& f) {
  if (words == 4) f(Index<4>{});
  else if (words == 5) f(Index<5>{});
  else if (words == 6) f(Index<6>{});
  else f(Index<8>{});
}

// Address of a chunk in a panel.
struct ChunkAt {
  const std::byte* record;
  const std::byte* planes;  // of vector 0
  MS_INLINE ChunkAt(const GroupPanels& p, const std::byte* panel, int64_t chunk)
      : record(panel + kPanelHeader + static_cast<size_t>(chunk / p.chunks) * p.record),
        planes(record + p.planes + static_cast<size_t>(chunk % p.chunks * kPanelVecs) * p.vector_bytes) {}
};

}  // namespace mainspring::cpu::MAINSPRING_ISA
