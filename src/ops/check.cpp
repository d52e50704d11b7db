// Shape and type checks of the operations.
#include "base/str.h"
#include "ops/all.h"

namespace mainspring {

const char* op_name(OpId id) noexcept {
  switch (id) {
#define MAINSPRING_OP(Type, name) \
  case OpId::k##Type: return #name;
#include "ops/ops.def"
#undef MAINSPRING_OP
    case OpId::kCount: break;
  }
  return "?";
}

namespace ops {

namespace {

std::string text(const ConstTensor& t) {
  if (!t) return "absent";
  const int64_t dims[3] = {t.dims[0], t.dims[1], t.dims[2]};
  return cat(dtype_name(t.dtype), " ", shape_text({dims, t.rank}));
}

// One op's checks: require(...) throws with the op's name.
struct Checker {
  const char* op;

  void require(bool ok, std::string_view what, const ConstTensor& a, const ConstTensor& b = {}) const {
    if (!ok) fail(Code::kInternal, op, ": ", what, ": ", text(a), b ? cat(" against ", text(b)) : std::string());
  }
  void f32(const ConstTensor& t, const char* name) const {
    require(t && t.dtype == DType::kF32, cat(name, " must be f32"), t);
  }
  void i32(const ConstTensor& t, const char* name) const {
    require(t && t.dtype == DType::kI32 && t.rank == 1, cat(name, " must be an i32 vector"), t);
  }
  void same(const ConstTensor& a, const ConstTensor& b) const {
    require(a.dims[0] == b.dims[0] && a.row_elements() == b.row_elements(), "shapes differ", a, b);
  }
  void width(const ConstTensor& w, int64_t n) const {
    f32(w, "weight");
    require(w.elements() == n, cat("expected ", n, " weights"), w);
  }
  void batch(const Batch* b, const ConstTensor& x) const {
    if (!b) fail(Code::kInternal, op, ": no batch");
    require(b->n_tokens() == x.rows(), "rows are not the batch's tokens", x, b->tokens);
  }
  void heads(const ConstTensor& t, const KvLayer& kv) const {
    require(t.rank == 3 && t.dims[2] == kv.spec.head_dim, cat("expected [T, heads, ", kv.spec.head_dim, "]"), t);
  }
};

}  // namespace

void check(const Embed& op) {
  const Checker c{"embed"};
  c.f32(op.out, "out");
  c.i32(op.ids, "ids");
  c.require(op.table && op.out.row_elements() == op.table->in_features, "width is not the table's", op.out);
  c.require(op.ids.rows() == op.out.rows(), "rows differ", op.out, op.ids);
}

void check(const RmsNorm& op) {
  const Checker c{"rms_norm"};
  c.f32(op.out, "out");
  c.f32(op.x, "x");
  c.same(op.out, op.x);
  c.width(op.weight, op.x.rank == 3 ? op.x.dims[2] : op.x.dims[1]);
}

void check(const RmsNormAdd& op) {
  const Checker c{"rms_norm_add"};
  c.f32(op.residual, "residual");
  c.f32(op.x, "x");
  c.same(op.residual, op.x);
  c.width(op.weight, op.x.row_elements());
}

void check(const Linear& op) {
  const Checker c{"linear"};
  c.f32(op.out, "out");
  c.f32(op.x, "x");
  c.require(op.out.rows() == op.x.rows(), "rows differ", op.out, op.x);
  int64_t width = 0;
  for (int i = 0; i < op.n_parts; ++i) {
    c.require(op.parts[i]->in_features == op.x.row_elements(), cat("in_features ", op.parts[i]->in_features), op.x);
    width += op.parts[i]->out_features;
  }
  c.require(width == op.out.row_elements(), cat("parts give ", width, " columns"), op.out);
  if (op.bias) c.width(op.bias, width);
}

void check(const RopeTable& op) {
  const Checker c{"rope_table"};
  c.f32(op.table, "table");
  c.f32(op.inv_freq, "inv_freq");
  c.i32(op.positions, "positions");
  c.i32(op.rope_lengths, "rope_lengths");
  c.require(op.table.rank == 3 && op.table.dims[2] == 2 && op.table.dims[1] == op.inv_freq.elements(),
            "table is not [T, r/2, 2]", op.table, op.inv_freq);
  c.require(op.positions.rows() == op.table.rows(), "rows differ", op.table, op.positions);
}

void check(const Rope& op) {
  const Checker c{"rope"};
  c.f32(op.x, "x");
  c.f32(op.table, "table");
  c.require(op.x.rank == 3 && 2 * op.table.dims[1] <= op.x.dims[2], "table is wider than a head", op.x, op.table);
  c.require(op.x.rows() == op.table.rows(), "rows differ", op.x, op.table);
}

void check(const KvWrite& op) {
  const Checker c{"kv_write"};
  c.f32(op.k, "k");
  c.f32(op.v, "v");
  c.heads(op.k, op.kv);
  c.heads(op.v, op.kv);
  c.require(op.k.dims[1] == op.kv.spec.kv_heads, "kv_heads differ", op.k);
  c.same(op.k, op.v);
  c.batch(op.batch, op.k);
}

void check(const Attention& op) {
  const Checker c{"attention"};
  c.f32(op.out, "out");
  c.f32(op.q, "q");
  c.heads(op.q, op.kv);
  c.require(op.q.dims[1] % op.kv.spec.kv_heads == 0, "heads are no multiple of kv_heads", op.q);
  c.same(op.out, op.q);
  c.batch(op.batch, op.q);
  if (op.sinks) c.width(op.sinks, op.q.dims[1]);
}

void check(const GatedAct& op) {
  const Checker c{"gated_act"};
  c.f32(op.out, "out");
  c.f32(op.gate_up, "gate_up");
  c.require(op.gate_up.rows() == op.out.rows() && op.gate_up.row_elements() == 2 * op.out.row_elements(),
            "gate_up is not twice as wide", op.out, op.gate_up);
}

void check(const GatherRows& op) {
  const Checker c{"gather_rows"};
  c.f32(op.out, "out");
  c.f32(op.x, "x");
  c.i32(op.rows, "rows");
  c.require(op.out.rows() == op.rows.rows(), "rows differ", op.out, op.rows);
  c.require(op.out.row_elements() == op.x.row_elements(), "widths differ", op.out, op.x);
}

void check_op(OpId id, const void* op) {
  switch (id) {
#define MAINSPRING_OP(Type, name) \
  case OpId::k##Type: return check(*static_cast<const Type*>(op));
#include "ops/ops.def"
#undef MAINSPRING_OP
    case OpId::kCount: break;
  }
}

}  // namespace ops
}  // namespace mainspring
