// Final norm and output matrix.
#include "nn/head.h"

#include "ops/gather_rows.h"

namespace mainspring::nn {

LmHead::LmHead(const Weights& norm, const Weights& lm_head, const Config& c, const Embedding& embedding, float norm_offset)
    : norm_(norm, c.hidden_size, c.rms_norm_eps, norm_offset),
      out_(c.tie_word_embeddings ? Linear(embedding.weight()) : Linear(lm_head.table("weight", c.vocab_size, c.hidden_size))) {}

Tensor LmHead::forward(Ctx& ctx, ConstTensor hidden) const {
  const ConstTensor rows = ctx.batch.logit_rows;
  const Tensor picked = ctx.ws.alloc(DType::kF32, rows.rows(), hidden.row_elements());  // [R, hidden]
  ctx.dev.run(ops::GatherRows{.out = picked, .x = hidden, .rows = rows});
  return out_.forward(ctx, norm_.forward(ctx, picked));
}

}  // namespace mainspring::nn
