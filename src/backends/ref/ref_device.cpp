// The reference device: memory, weights, dispatch.
#include "backends/ref/ref_device.h"

#include <cstdlib>
#include <cstring>

#include "backends/ref/ref_ops.h"
#include "base/half.h"
#include "base/str.h"
#include "ops/all.h"

namespace mainspring {

namespace {

class RefDevice final : public Device {
 public:
  std::string name() const override { return "ref"; }

  void dispatch(OpId id, const void* op) override {
    switch (id) {
#define MAINSPRING_OP(Type, name) \
  case OpId::k##Type: return ref::run(*static_cast<const ops::Type*>(op));
#include "ops/ops.def"
#undef MAINSPRING_OP
      case OpId::kCount: break;
    }
  }
  bool supports(OpId id) const noexcept override { return id < OpId::kCount; }

  void copy_to_device(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void copy_to_host(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }

  std::unique_ptr<LinearWeight> bind_linear(const LinearSource& source, ComputeType compute) override {
    auto w = std::make_unique<ref::Weight>();
    w->out_features = source.out_features(), w->in_features = source.in_features();
    w->format = source.format();
    if (compute == ComputeType::kF32) w->format.act = ActType::k16;
    w->values.resize(static_cast<size_t>(w->out_features * w->in_features));
    w->bytes = w->values.size() * sizeof(float);
    source.read_values(0, w->out_features, w->values.data());
    if (w->format.scheme == Scheme::kDense && compute != ComputeType::kF32)
      for (float& v : w->values)
        v = compute == ComputeType::kBf16 ? bf16_to_f32(f32_to_bf16(v)) : f16_to_f32(f32_to_f16(v));
    return w;
  }

  size_t kv_block_bytes(const StateSpec& spec, KvFormat) const override {
    return ref::KvBlock::floats(spec) * sizeof(float);
  }

  size_t scratch_bytes(OpId, const void*) const override { return 0; }
  void reserve_scratch(size_t) override {}

 protected:
  std::byte* alloc_bytes(size_t bytes) override {
    const size_t rounded = (bytes + 63) / 64 * 64;
    void* p = rounded < bytes ? nullptr : std::aligned_alloc(64, rounded == 0 ? 64 : rounded);
    if (!p) fail(Code::kOutOfMemory, "cannot allocate ", human_bytes(bytes));
    return static_cast<std::byte*>(p);
  }
  void free_bytes(std::byte* p, size_t) noexcept override { std::free(p); }
};

}  // namespace

std::unique_ptr<Device> make_ref_device() { return std::make_unique<RefDevice>(); }

}  // namespace mainspring
