// Trace, check and profile devices over the reference device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/ref/ref_device.h"
#include "backends/wrap/check_device.h"
#include "backends/wrap/profile_device.h"
#include "backends/wrap/trace_device.h"

namespace mainspring {
namespace {

using testing::HasSubstr;

// A device that has everything of ref but one op, wants scratch for attention, and can be made to compute wrongly.
class Doctored : public ForwardDevice {
 public:
  explicit Doctored(Device& inner) : ForwardDevice(inner) {}
  bool supports(OpId id) const noexcept override { return id != OpId::kGatherRows; }
  size_t scratch_bytes(OpId id, const void*) const override { return id == OpId::kAttention ? 4096 : 100; }
  void dispatch(OpId id, const void* op) override {
    inner_.dispatch(id, op);
    ++dispatched;
    if (id == OpId::kRmsNorm && wrong) static_cast<const ops::RmsNorm*>(op)->out.row<float>(1)[2] += 0.01f;
    if (id == OpId::kAttention && wrong) static_cast<const ops::Attention*>(op)->out.row<float>(0)[1] += 0.01f;
    if (id == OpId::kLinear && wrong) static_cast<const ops::Linear*>(op)->out.row<float>(0)[0] += 0.01f;
  }
  bool wrong = false;
  int dispatched = 0;
};

struct Norm {
  float x[6] = {1, 2, 3, -4, 5, 6}, out[6] = {}, weight[3] = {1, 2, 3};
  ops::RmsNorm op() {
    return {Tensor(out, DType::kF32, 2, 3), ConstTensor(x, DType::kF32, 2, 3), ConstTensor(weight, DType::kF32, 3)};
  }
};

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

TEST(TraceDevice, CountsAndFindsScratchWithoutRunning) {
  const auto ref = make_ref_device();
  Doctored device(*ref);
  TraceDevice trace(device);
  Norm norm;
  trace.run(norm.op());
  trace.run(norm.op());
  trace.run(ops::Attention{});  // views that point nowhere
  EXPECT_EQ(device.dispatched, 0);
  EXPECT_EQ(trace.count(OpId::kRmsNorm), 2);
  EXPECT_EQ(trace.count(OpId::kLinear), 0);
  EXPECT_EQ(trace.total(), 3);
  EXPECT_EQ(trace.max_scratch(), 4096u);
  EXPECT_THAT(error_of([&] { trace.run(ops::GatherRows{}); }), HasSubstr("gather_rows"));
  trace.reset();
  EXPECT_EQ(trace.total(), 0);
  EXPECT_EQ(trace.max_scratch(), 0u);
}

TEST(CheckDevice, RefusesWrongShapes) {
  const auto ref = make_ref_device();
  CheckDevice check(*ref);
  Norm norm;
  check.run(norm.op());
  EXPECT_FLOAT_EQ(norm.out[0], 1.0f / std::sqrt(14.0f / 3 + 1e-6f));
  auto op = norm.op();
  op.weight = ConstTensor(norm.weight, DType::kF32, 2);
  EXPECT_THAT(error_of([&] { check.run(op); }), HasSubstr("rms_norm"));
}

class Source final : public LinearSource {
 public:
  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return 2; }
  int64_t in_features() const noexcept override { return 3; }
  void read_values(int64_t row, int64_t n, float* v) const override {
    for (int64_t i = 0; i < n * 3; ++i) v[i] = static_cast<float>(row * 3 + i);
  }
  void read_codes(int64_t, int64_t, const CodeRows&) const override {}
  void read_dense(int64_t row, int64_t n, void* v) const override { read_values(row, n, static_cast<float*>(v)); }
  std::string where() const override { return "test"; }

 private:
  WeightFormat format_;
};

// All kinds of operations through both devices: in place, accumulating, with weights, with a cache that grows.
TEST(CheckDevice, ComparesTwoDevices) {
  const auto first = make_ref_device(), second = make_ref_device();
  Doctored device(*first);
  CheckDevice check(device, *second, CheckTolerances::defaults(ComputeType::kF32));
  Norm norm;
  auto in_place = norm.op();
  in_place.out = Tensor(norm.x, DType::kF32, 2, 3);
  EXPECT_EQ(error_of([&] { check.run(in_place); }), "no error");

  const auto weight = check.bind_linear(Source(), ComputeType::kF32);
  const LinearWeight* part = weight.get();
  float out[4] = {1, 2, 3, 4};
  const ops::Linear linear{Tensor(out, DType::kF32, 2, 2), ConstTensor(norm.x, DType::kF32, 2, 3), &part, 1, true, {}};
  EXPECT_EQ(error_of([&] { check.run(linear); }), "no error");
  EXPECT_NE(out[0], 1.0f);

  const StateSpec spec{1, 2};
  const size_t stride = check.kv_block_bytes(spec, KvFormat::kF32);
  auto pool = check.alloc(stride * 5);
  const KvLayer layer{pool.get(), stride, spec, KvFormat::kF32};
  float q[2] = {1, 2}, result[2];
  const auto step = [&](int32_t block) {
    const int32_t starts[] = {0, 1}, length[] = {1}, token[] = {0};
    Batch batch;
    batch.tokens = ConstTensor(token, DType::kI32, 1), batch.query_start = ConstTensor(starts, DType::kI32, 2);
    batch.kv_length = ConstTensor(length, DType::kI32, 1), batch.block_table = ConstTensor(&block, DType::kI32, 1, 1);
    const ConstTensor row(q, DType::kF32, 1, 1, 2);
    check.run(ops::KvWrite{row, row, layer, &batch});
    check.run(ops::Attention{Tensor(result, DType::kF32, 1, 1, 2), row, layer, &batch});
  };
  EXPECT_EQ(error_of([&] { step(0); }), "no error");
  EXPECT_EQ(error_of([&] { step(4); }), "no error");
  EXPECT_FLOAT_EQ(result[1], 2.0f);

  device.wrong = true;
  EXPECT_THAT(error_of([&] { check.run(norm.op()); }), HasSubstr("rms_norm: row 1 column 2"));
  EXPECT_THAT(error_of([&] { check.run(linear); }), HasSubstr("linear: row 0 column 0"));
  EXPECT_THAT(error_of([&] { step(1); }), HasSubstr("attention: row 0 column 1"));
}

TEST(ProfileDevice, ReportsByOperation) {
  const auto ref = make_ref_device();
  ProfileDevice profile(*ref);
  Norm norm;
  for (int i = 0; i < 3; ++i) profile.run(norm.op());
  EXPECT_EQ(profile.row(OpId::kRmsNorm).count, 3);
  EXPECT_GT(profile.seconds(), 0.0);
  EXPECT_THAT(profile.text(), HasSubstr("rms_norm"));
  EXPECT_THAT(profile.text(), testing::Not(HasSubstr("linear")));
  const Json json = profile.json();
  ASSERT_EQ(json.at("ops").size(), 1u);
  EXPECT_EQ(json.at("ops").as_array()[0].at("count").as_int(), 3);
  EXPECT_EQ(json.at("device").as_string(), "ref");
  profile.reset();
  EXPECT_EQ(profile.text(), "");
}

}  // namespace
}  // namespace mainspring
