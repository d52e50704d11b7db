// The end of a language model: pick the rows that matter, final norm, output matrix.
#pragma once

#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "weights/config.h"

namespace mainspring::nn {

// w: the checkpoint's root; norm at `norm_path`, "lm_head" beside it unless tied.
class LmHead {
 public:
  LmHead(const Weights& norm, const Weights& lm_head, const Config& config, const Embedding& embedding,
         float norm_offset = 0.0f);

  Tensor forward(Ctx& ctx, ConstTensor hidden) const;   // [R, vocab] of batch.logit_rows

 private:
  RmsNorm norm_;
  Linear out_;
};

}  // namespace mainspring::nn
