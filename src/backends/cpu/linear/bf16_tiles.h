// Dense bf16 weights on matrix tiles (Intel AMX): products of 16 rows x 16 columns x 32 inputs, fp32 sums.
//
// An activation is kept as kLimbs bf16 numbers whose sum it is: one alone costs 0.2 % of a product, two 1e-5. Every
// sum takes the steps of 32 inputs in their order, in a step the high limbs and then the low ones, in one accumulator of
// the tile unit, which handles each row for itself: the number of rows changes no bit.
#pragma once

#include <cstddef>

#include "backends/cpu/isa.h"
#include "backends/cpu/linear/amx.h"
#include "backends/cpu/linear/tile.h"
#include "backends/cpu/packing/panels.h"

namespace mainspring::cpu::MAINSPRING_ISA {

constexpr int kLimbs = 2;
constexpr int kStepInputs = 32;       // of one tile product
constexpr int kBlockSteps = 12;       // most steps in a block: a panel's part of it stays in the first-level cache
constexpr int kBf16TaskPanels = 16;   // most panels that share a block of x in the second-level cache

// Where x is: blocks of steps, in a block [tile][step][limb][tile_rows][32 inputs]. A block lies together for all rows:
// tiles a whole row apart would share cache sets.
struct Bf16Layout {
  int64_t steps, tiles, blocks;
  int tile_rows;
  Bf16Layout(int64_t rows, int64_t in, int height)
      : steps((in + kStepInputs - 1) / kStepInputs), tiles((rows + height - 1) / height),
        blocks((steps + kBlockSteps - 1) / kBlockSteps), tile_rows(height) {}
  int64_t first_step(int64_t block) const { return steps * block / blocks; }
  int64_t steps_of(int64_t block) const { return first_step(block + 1) - first_step(block); }
  size_t limb_bytes() const { return static_cast<size_t>(tile_rows) * 64; }
  size_t step_bytes() const { return kLimbs * limb_bytes(); }
  size_t at(int64_t block, int64_t tile) const {
    return static_cast<size_t>(first_step(block) * tiles + tile * steps_of(block)) * step_bytes();
  }
  size_t bytes() const { return static_cast<size_t>(steps * tiles) * step_bytes(); }
};

// Panels in a task of many rows, of `all` panels in the op's blocks of rows.
inline int64_t bf16_task_panels(int64_t all, int n_threads) {
  constexpr int64_t kTasks = 4;   // of a thread, at least
  const int64_t n = all / (n_threads * kTasks);
  return n < 1 ? 1 : n > kBf16TaskPanels ? kBf16TaskPanels : n;
}

#if defined(MAINSPRING_ISA_amx)

// 16 of x as the high and the low limb.
MS_INLINE void split(VF x, __m256i (&limb)[kLimbs]) {
  limb[0] = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
  if constexpr (kLimbs == 2) {
    const VF high = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(limb[0]), 16));
    // Nothing is left of infinity: their difference would be no number.
    const VM finite = _mm512_cmp_ps_mask(vabs(high), vset(3.4e38f), _CMP_LT_OQ);
    limb[1] = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_sub_ps(finite, x, high)));
  }
}

// Inputs [k, k + 32) of a row, of which `left` are there and the others zero.
MS_INLINE void convert_step(const float* x, int64_t left, size_t limb_bytes, std::byte* to) {
  each<2>([&](auto half) MS_LAMBDA {
    const int64_t n = left - half * kLanes;
    const float* from = x + half * kLanes;
    __m256i limb[kLimbs];
    split(n >= kLanes ? vload(from) : n > 0 ? vload_n(from, static_cast<int>(n)) : vset(0), limb);
    each<kLimbs>([&](auto i) MS_LAMBDA {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + static_cast<size_t>(i) * limb_bytes + half * 32), limb[i]);
    });
  });
}

// Row t of x, and zeros up to a whole step.
inline void convert_bf16(const float* x, int64_t in, int64_t t, const Bf16Layout& layout, std::byte* tiles) {
  for (int64_t block = 0; block < layout.blocks; ++block) {
    std::byte* to = tiles + layout.at(block, t / layout.tile_rows) + t % layout.tile_rows * 64;
    for (int64_t s = layout.first_step(block); s < layout.first_step(block + 1); ++s, to += layout.step_bytes())
      convert_step(x + s * kStepInputs, in - s * kStepInputs, layout.limb_bytes(), to);
  }
}

// Panels [panel, ...) of the task's dense bf16 panels times its rows of x.
void run_bf16_tiles(const LinearTask& task, const DensePanels& p);

#else

inline void convert_bf16(const float*, int64_t, int64_t, const Bf16Layout&, std::byte*) {}

#endif

}  // namespace mainspring::cpu::MAINSPRING_ISA
