// RopeTable and Rope.
#include "backends/cpu/kernels/kernels.h"
#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/vec.h"
#include "ops/rope.h"

namespace mainspring::cpu::MAINSPRING_ISA {
namespace {

// inv_freq(i) = base^(-2 i / r) with the base of dynamic NTK for a sequence of `length` tokens.
double dynamic_base(const ops::RopeTable& op, int32_t length, int64_t r) {
  const double longest = length > op.max_position ? length : op.max_position;
  const double factor = op.dynamic_factor;
  return op.theta * __builtin_pow(factor * longest / op.max_position - (factor - 1.0),
                                  static_cast<double>(r) / static_cast<double>(r - 2));
}

// Pairs (i, i + half) of one head, with interleaved (cos, sin).
void rotate_half(float* x, const float* table, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float c = table[2 * i], s = table[2 * i + 1], a = x[i], b = x[i + half];
    x[i] = a * c - b * s;
    x[i + half] = b * c + a * s;
  }
}

void rotate_interleaved(float* x, const float* table, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float c = table[2 * i], s = table[2 * i + 1], a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * c - b * s;
    x[2 * i + 1] = b * c + a * s;
  }
}

}  // namespace

void rope_table(const void* p, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::RopeTable*>(p);
  const int64_t half = op.table.dims[1];
  const int32_t* positions = op.positions.as<int32_t>();
  const int32_t* lengths = op.rope_lengths.as<int32_t>();
  const float* inv_freq = op.inv_freq.as<float>();
  // A sine in double costs some 20 ns: about 64 vector elements per number.
  for_rows(ctx, op.table.rows(), half * 128, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = op.table.row<float>(t);
      const bool dynamic = op.dynamic_factor != 0.0f;
      const double base = dynamic ? dynamic_base(op, lengths[t], 2 * half) : 0.0;
      for (int64_t i = 0; i < half; ++i) {
        const float f = dynamic ? static_cast<float>(__builtin_pow(base, -static_cast<double>(i) / half)) : inv_freq[i];
        // The product is fp32, as the reference has it; sine and cosine of it are computed in double and rounded.
        const double angle = static_cast<float>(positions[t]) * f;
        row[2 * i] = static_cast<float>(__builtin_cos(angle)) * op.attention_factor;
        row[2 * i + 1] = static_cast<float>(__builtin_sin(angle)) * op.attention_factor;
      }
    }
  });
}

void rope(const void* p, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::Rope*>(p);
  const int64_t heads = op.x.dims[1], d = op.x.dims[2], half = op.table.dims[1];
  const auto rotate = op.style == ops::RopeStyle::kHalf ? &rotate_half : &rotate_interleaved;
  for_rows(ctx, op.x.rows(), heads * half * 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t h = 0; h < heads; ++h) rotate(op.x.row<float>(t) + h * d, op.table.row<float>(t), half);
  });
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
