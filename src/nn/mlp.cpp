// Gated MLP.
#include "nn/mlp.h"

#include "base/str.h"

namespace mainspring::nn {

ops::Activation activation_named(std::string_view name) {
  if (name == "silu" || name == "swish") return ops::Activation::kSilu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new") return ops::Activation::kGeluTanh;
  if (name == "gelu") return ops::Activation::kGeluErf;
  fail(Code::kUnsupported, "hidden_act \"", printable(name), "\" is not one of silu, gelu, gelu_pytorch_tanh");
}

GatedMlp::GatedMlp(const Weights& w, int64_t hidden, int64_t intermediate, std::string_view hidden_act, bool bias)
    : gate_up_(w, {{"gate_proj", intermediate}, {"up_proj", intermediate}}, hidden, bias),
      down_(w, {{"down_proj", hidden}}, intermediate, bias),
      act_(activation_named(hidden_act)) {}

Tensor GatedMlp::inner(Ctx& ctx, ConstTensor x) const {
  const Tensor gate_up = gate_up_.forward(ctx, x);                                          // [T, 2 I]
  const Tensor out = ctx.ws.alloc(DType::kF32, x.rows(), gate_up_.out_features() / 2);      // [T, I]
  ctx.dev.run(ops::GatedAct{.out = out, .gate_up = gate_up, .act = act_});
  return out;
}

Tensor GatedMlp::forward(Ctx& ctx, ConstTensor x) const {
  const Tensor out = ctx.ws.alloc(DType::kF32, x.rows(), down_.out_features());  // [T, hidden]
  Workspace::Scope scope(ctx.ws);
  down_.run_into(ctx, inner(ctx, x), out);
  return out;
}

void GatedMlp::add_to(Ctx& ctx, ConstTensor x, Tensor residual) const {
  Workspace::Scope scope(ctx.ws);
  down_.add_to(ctx, inner(ctx, x), residual);
}

}  // namespace mainspring::nn
