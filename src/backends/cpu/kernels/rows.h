// Splitting rows over the team, for kernels whose rows are independent.
#pragma once

#include "backends/cpu/isa.h"

namespace mainspring::cpu::MAINSPRING_ISA {

// fn(begin, end) over [0, rows). `row_cost` is about the number of fp32 elements a row touches. A fork-join costs as
// much as some ten thousand elements, so small work stays on the caller.
template <class F>
inline void for_rows(const KernelContext& ctx, int64_t rows, int64_t row_cost, const F& fn) {
  constexpr int64_t kInline = 32768, kTask = 16384;
  if (rows <= 1 || ctx.n_threads <= 1 || rows * row_cost <= kInline) {
    if (rows > 0) fn(int64_t{0}, rows);
    return;
  }
  int64_t per_task = kTask / (row_cost > 0 ? row_cost : 1);
  if (per_task < 1) per_task = 1;
  ctx.parallel_for((rows + per_task - 1) / per_task, [&](int64_t task, int) {
    const int64_t begin = task * per_task, end = begin + per_task;
    fn(begin, end < rows ? end : rows);
  });
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
