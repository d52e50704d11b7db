// GatedAct, GatherRows.
#include "backends/cpu/kernels/kernels.h"
#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/vec_math.h"
#include "ops/gated_act.h"
#include "ops/gather_rows.h"

namespace mainspring::cpu::MAINSPRING_ISA {
namespace {

struct Silu {
  VF operator()(VF x) const { return x / (vset(1.0f) + vexp(vset(0.0f) - x)); }
};
struct GeluTanh {
  VF operator()(VF x) const {
    // 0.5 (1 + tanh u) = sigmoid(2 u): no cancellation for negative x. 1.595... = 2 sqrt(2 / pi).
    const VF u = vset(1.5957691216057308f) * x * vfma(vset(0.044715f) * x, x, vset(1.0f));
    return x * vsigmoid(u);
  }
};
struct GeluErf {
  VF operator()(VF x) const { return x * vnormal_cdf(x); }
};

template <class Act>
void gated_rows(const ops::GatedAct& op, const KernelContext& ctx, const Act& act) {
  const int64_t width = op.out.row_elements();
  for_rows(ctx, op.out.rows(), 6 * width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* out = op.out.row<float>(t);
      const float* gate = op.gate_up.row<float>(t);
      const float* up = gate + width;
      int64_t i = 0;
      for (; i + kLanes <= width; i += kLanes) vstore(out + i, act(vload(gate + i)) * vload(up + i));
      if (const int rest = static_cast<int>(width - i); rest > 0)
        vstore_n(out + i, act(vload_n(gate + i, rest)) * vload_n(up + i, rest), rest);
    }
  });
}

}  // namespace

void gated_act(const void* p, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::GatedAct*>(p);
  switch (op.act) {
    case ops::Activation::kSilu: return gated_rows(op, ctx, Silu{});
    case ops::Activation::kGeluTanh: return gated_rows(op, ctx, GeluTanh{});
    case ops::Activation::kGeluErf: return gated_rows(op, ctx, GeluErf{});
  }
}

void gather_rows(const void* p, const KernelContext& ctx) {
  const auto& op = *static_cast<const ops::GatherRows*>(p);
  const size_t bytes = static_cast<size_t>(op.x.row_elements()) * sizeof(float);
  const int32_t* rows = op.rows.as<int32_t>();
  for_rows(ctx, op.out.rows(), op.x.row_elements(), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) __builtin_memcpy(op.out.row<float>(r), op.x.row<float>(rows[r]), bytes);
  });
}

}  // namespace mainspring::cpu::MAINSPRING_ISA
