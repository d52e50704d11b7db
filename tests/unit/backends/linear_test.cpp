// Linear kernels of every instruction set against double precision, and their promise that a number depends only on its
// own row of x and row of the matrix.
#include "linear_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>


namespace mainspring::test {
namespace {

struct Case {
  WeightFormat format;
  ComputeType compute;
  int64_t in;
  float tolerance;  // of the size an output has: the root of the sum of its squared products
  bool f16_scales = true;
};

std::vector<Case> cases() {
  const float exact = 2 * ops::kLinearTolerance;  // of a smaller size than the largest output
  std::vector<Case> v;
  for (DType t : {DType::kF32, DType::kBf16, DType::kF16}) {
    v.push_back({dense(t), ComputeType::kF32, 67, exact});
    v.push_back({dense(t), ComputeType::kF32, 256, exact});
    // f32 and foreign 16-bit weights are rounded to the compute type first: compared with a looser bound.
    v.push_back({dense(t), ComputeType::kBf16, 131, t == DType::kBf16 ? exact : 6e-3f});
    v.push_back({dense(t), ComputeType::kF16, 160, t == DType::kF16 ? exact : 6e-3f});
  }
  struct Group { int bits; bool is_signed, offset; int size; };
  for (Group g : {Group{4, false, false, 32}, {4, true, false, 32}, {4, false, true, 32}, {5, true, false, 32},
                  {5, false, true, 32}, {8, true, false, 32}, {8, false, true, 32}, {6, true, false, 16},
                  {2, false, true, 16}, {3, true, false, 16}, {5, true, false, 16}, {8, true, false, 16},
                  {4, false, true, 64}, {4, false, true, 128}, {2, false, true, 128}, {6, false, true, 64}, {7, true, false, 32}}) {
    const WeightFormat f = group(g.bits, g.is_signed, g.offset, g.size);
    const int64_t in = g.size == 16 ? 272 : g.size * 9;
    v.push_back({f, ComputeType::kF32, in, exact});
    const bool fixed = g.bits <= 6;  // fixed point: x to 0.06 % of a record's mean, weights to 0.05 % of its largest
    v.push_back({f, ComputeType::kBf16, in, fixed ? 3e-3f : 1e-4f});     // f16 scales are kept exactly
    v.push_back({f, ComputeType::kF16, in, fixed ? 6e-3f : 2e-3f, false});  // scales apart by factors of 63
  }
  // 8-bit activations: half a step of 127 in the largest of a group; self tests compare them with ref exactly.
  for (Group g : {Group{8, true, false, 0}, {8, true, false, 128}, {4, false, true, 32}, {4, false, true, 128}}) {
    WeightFormat f = group(g.bits, g.is_signed, g.offset, g.size);
    f.act = ActType::k8;
    v.push_back({f, ComputeType::kBf16, g.size == 0 ? 331 : g.size * 3, 4e-2f});
  }
  return v;
}

// Matrix tiles multiply dense bf16 weights by activations of two bf16 numbers, good to 2^-17 of the largest.
bool on_bf16_tiles(const cpu::IsaTable& isa, const Case& c) {
  return isa.name == std::string("amx") && c.format.scheme == Scheme::kDense && c.compute == ComputeType::kBf16;
}
constexpr float kBf16TilesTolerance = 2e-5f;

std::string label(const Case& c) { return format_name(c.format) + " in " + compute_type_name(c.compute); }

class LinearKernels : public testing::TestWithParam<const cpu::IsaTable*> {
 protected:
  CpuDevice device(int threads) { return CpuDevice({.n_threads = threads, .isa = GetParam()->name}); }
};

void expect_close(const RandomSource& source, const std::vector<float>& x, int64_t rows, const Product& got,
                  float tolerance, const std::string& what) {
  const int64_t in = source.in_features(), out = source.out_features();
  std::vector<float> w(out * in);
  source.read_values(0, out, w.data());
  double worst = 0, largest = 0;
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t o = 0; o < out; ++o) {
      double sum = 0, squares = 0;
      for (int64_t k = 0; k < in; ++k) {
        const double product = static_cast<double>(x[t * in + k]) * w[o * in + k];
        sum += product, squares += product * product;
      }
      worst = std::max(worst, std::abs(sum - got.out[t * got.stride + o]));
      largest = std::max(largest, std::sqrt(squares));
    }
  EXPECT_LE(worst, tolerance * largest) << what;
}

TEST_P(LinearKernels, MatchDoublePrecision) {
  CpuDevice one = device(1), two = device(2);
  uint32_t seed = 1;
  for (const Case& c : cases())
    for (int64_t out : {1, 17, 65, 191}) {
      const RandomSource source(c.format, out, c.in, ++seed, c.f16_scales);
      for (CpuDevice* d : {&one, &two}) {
        const auto w = d->bind_linear(source, c.compute);
        for (int64_t rows : {1, 2, 5, 8, 9, 16, 37, 130}) {
          if (d == &two && rows != 1 && rows != 37) continue;
          const std::vector<float> x = random_values(rows * c.in, seed);
          const std::string what = cat(label(c), " out ", out, " rows ", rows, " ", w->kernel_name());
          const Product got = product(*d, *w, x, rows, rows % 2 == 1 ? 3 : 0);
          expect_close(source, x, rows, got,
                       on_bf16_tiles(*GetParam(), c) ? std::max(c.tolerance, kBf16TilesTolerance) : c.tolerance, what);
          for (int64_t t = 0; t < rows; ++t)
            for (int64_t o = out; o < got.stride; ++o)
              ASSERT_EQ(got.out[t * got.stride + o], -777.0f) << what << ": wrote past the row";
        }
      }
    }
}

// Every row count takes other code: streams, tiles of all heights, several row blocks. All must give the same bits.
TEST_P(LinearKernels, RowsDoNotDependOnEachOther) {
  CpuDevice one = device(1), two = device(2);
  uint32_t seed = 1000;
  for (const Case& c : cases()) {
    const int64_t out = 191, most = 230;
    const RandomSource source(c.format, out, c.in, ++seed, c.f16_scales);
    const auto w1 = one.bind_linear(source, c.compute), w2 = two.bind_linear(source, c.compute);
    const std::vector<float> x = random_values(most * c.in, seed);
    std::vector<float> alone;
    for (int64_t t = 0; t < most; ++t) {
      const Product p = product(one, *w1, {x.begin() + t * c.in, x.begin() + (t + 1) * c.in}, 1, 0);
      alone.insert(alone.end(), p.out.begin(), p.out.end());
    }
    for (int64_t rows : {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 23, 37, 97, 130, 230})
      for (CpuDevice* d : {&one, &two}) {
        const Product p = product(*d, d == &one ? *w1 : *w2, x, rows, 0);
        ASSERT_EQ(0, std::memcmp(p.out.data(), alone.data(), rows * out * 4)) << label(c) << " rows " << rows;
      }
  }
}

TEST_P(LinearKernels, PartsBiasAndAccumulate) {
  CpuDevice d = device(2);
  const int64_t in = 160;
  const RandomSource a(group(4, false, true, 32), 33, in, 1), b(group(5, true, false, 32), 7, in, 2),
      c(dense(DType::kBf16), 70, in, 3);
  const RandomSource* sources[] = {&a, &b, &c};
  std::vector<std::unique_ptr<LinearWeight>> weights;
  std::vector<const LinearWeight*> parts;
  for (const RandomSource* s : sources) {
    weights.push_back(d.bind_linear(*s, ComputeType::kBf16));
    parts.push_back(weights.back().get());
  }
  const int64_t width = 33 + 7 + 70;
  const std::vector<float> bias = random_values(width, 9);
  for (int64_t rows : {1, 3, 20, 120}) {
    const std::vector<float> x = random_values(rows * in, 5), before = random_values(rows * width, 6);
    std::vector<float> expected;  // what the single products give, put together
    std::vector<Product> products;
    for (const LinearWeight* w : parts) products.push_back(product(d, *w, x, rows, 0));
    for (int64_t t = 0; t < rows; ++t)
      for (const Product& p : products)
        for (int64_t o = 0; o < p.stride; ++o) {
          const int64_t column = static_cast<int64_t>(expected.size()) % width;
          expected.push_back(before[expected.size()] + (p.out[t * p.stride + o] + bias[column]));
        }
    std::vector<float> out = before;
    ops::Linear op;
    op.out = Tensor(out.data(), DType::kF32, rows, width);
    op.x = ConstTensor(x.data(), DType::kF32, rows, in);
    op.parts = parts.data(), op.n_parts = 3;
    op.bias = ConstTensor(bias.data(), DType::kF32, width);
    op.accumulate = true;
    run_linear(d, op);
    EXPECT_EQ(out, expected) << rows;
  }
}

TEST_P(LinearKernels, EmbeddingRows) {
  constexpr float kRounding = 2e-3f;  // of fixed-point weights with codes of six bits, in the record's largest
  CpuDevice d = device(2);
  uint32_t seed = 50;
  for (const Case& c : cases()) {
    const int64_t out = 77;
    const RandomSource source(c.format, out, c.in, ++seed, c.f16_scales);
    const auto w = d.bind_linear(source, c.compute);
    const std::vector<int32_t> ids = {0, 76, 31, 32, 5, 5, 64, 16, 15};
    std::vector<float> got(ids.size() * c.in), row(c.in);
    ops::Embed op;
    op.out = Tensor(got.data(), DType::kF32, static_cast<int64_t>(ids.size()), c.in);
    op.ids = ConstTensor(ids.data(), DType::kI32, static_cast<int64_t>(ids.size()));
    op.table = w.get();
    op.scale = 2.0f;
    d.run(op);
    // Values of one matrix entry: exact but where the kernel rounds weights (foreign dense types, K-style scales).
    const bool rounds = c.compute != ComputeType::kF32 && (!c.f16_scales || c.tolerance >= 3e-3f);
    for (size_t i = 0; i < ids.size(); ++i) {
      source.read_values(ids[i], 1, row.data());
      float largest = 0;
      for (float v : row) largest = std::max(largest, std::abs(v));
      for (int64_t k = 0; k < c.in; ++k) {
        const float want = 2 * row[k], have = got[i * c.in + k];
        if (rounds) ASSERT_NEAR(have, want, 4e-3 * std::abs(want) + 2 * kRounding * largest) << label(c);
        else ASSERT_EQ(have, want) << label(c) << " row " << ids[i] << " k " << k;
      }
    }
  }
}

// Matrix tiles read dense bf16 panels as they lie: inputs that end inside a tile, blocks of inputs, one
// to many tiles of rows.
TEST_P(LinearKernels, DenseBf16ShapesAndRows) {
  constexpr int64_t kMost = 300;
  CpuDevice one = device(1), two = device(2);
  uint32_t seed = 400;
  struct Shape { int64_t in, out; };
  for (const Shape s : {Shape{1, 33}, {31, 64}, {32, 1}, {33, 96}, {513, 40}, {544, 300}, {1057, 70}}) {
    const RandomSource source(dense(DType::kBf16), s.out, s.in, ++seed);
    const auto w1 = one.bind_linear(source, ComputeType::kBf16), w2 = two.bind_linear(source, ComputeType::kBf16);
    const std::vector<float> x = random_values(kMost * s.in, seed);
    std::vector<float> alone;
    for (int64_t t = 0; t < kMost; ++t) {
      const Product p = product(one, *w1, {x.begin() + t * s.in, x.begin() + (t + 1) * s.in}, 1, 0);
      alone.insert(alone.end(), p.out.begin(), p.out.end());
    }
    const std::string what = cat("in ", s.in, " out ", s.out);
    expect_close(source, x, kMost, {alone, s.out}, kBf16TilesTolerance, what);
    for (int64_t rows : {1, 2, 5, 16, 17, 40, 300}) {
      const Product a = product(one, *w1, x, rows, 1), b = product(two, *w2, x, rows, 0);
      ASSERT_EQ(0, std::memcmp(b.out.data(), alone.data(), rows * s.out * 4)) << what << " rows " << rows;
      for (int64_t t = 0; t < rows; ++t)
        ASSERT_EQ(0, std::memcmp(&a.out[t * a.stride], &alone[t * s.out], s.out * 4)) << what << " row " << t;
    }
  }
}

// A dense matrix of zeros but for columns from `first` on, which are infinite.
class InfiniteColumns final : public LinearSource {
 public:
  InfiniteColumns(int64_t out, int64_t in, int64_t first) : out_(out), in_(in), first_(first) {}
  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return out_; }
  int64_t in_features() const noexcept override { return in_; }
  void read_values(int64_t, int64_t, float*) const override {}
  void read_codes(int64_t, int64_t, const CodeRows&) const override {}
  void read_dense(int64_t row, int64_t n, void* values) const override {
    for (int64_t i = 0; i < n * in_; ++i)
      static_cast<uint16_t*>(values)[i] = f32_to_bf16(row + i / in_ < first_ ? 1.0f : INFINITY);
  }
  std::string where() const override { return "infinite columns"; }

 private:
  WeightFormat format_ = dense(DType::kBf16);
  int64_t out_, in_, first_;
};

TEST_P(LinearKernels, NumbersOutOfRangeStayWhereTheyAre) {
  CpuDevice d = device(1);
  const int64_t in = 33, out = 96, first = 64;
  const InfiniteColumns source(out, in, first);
  const auto w = d.bind_linear(source, ComputeType::kBf16);
  for (int64_t rows : {1, 20}) {
    // Columns before do not meet those behind them, though a tile of inputs reaches into the next panel.
    const Product p = product(d, *w, std::vector<float>(rows * in, 1.0f), rows, 0);
    for (int64_t i = 0; i < rows * out; ++i) {
      if (i % out < first) ASSERT_EQ(p.out[i], 33.0f) << i;
      else ASSERT_FALSE(std::isfinite(p.out[i])) << i;
    }
    std::vector<float> x(rows * in, 1.0f);
    x[in - 1] = INFINITY;   // of the first row
    const Product q = product(d, *w, x, rows, 0);
    for (int64_t i = 0; i < rows * out; ++i) {
      if (i % out >= first) ASSERT_FALSE(std::isfinite(q.out[i])) << i;
      else ASSERT_EQ(q.out[i], i < out ? INFINITY : 33.0f) << i;
    }
  }
}

// Integer group sums are exact and the order of the fp32 steps is fixed: instruction sets agree bit for bit. Only the
// tile unit sums bf16 products in an order of its own.
TEST(Linear, InstructionSetsAgree) {
  const auto isas = usable_isas();
  for (const Case& c : cases()) {
    const RandomSource source(c.format, 65, c.in, 7, c.f16_scales);
    const std::vector<float> x = random_values(20 * c.in, 8);
    std::vector<float> first;
    for (const cpu::IsaTable* isa : isas) {
      CpuDevice d({.n_threads = 1, .isa = isa->name});
      const auto w = d.bind_linear(source, c.compute);
      const Product p = product(d, *w, x, 20, 0);
      if (first.empty()) first = p.out;
      if (on_bf16_tiles(*isa, c)) first.clear();
      else EXPECT_EQ(0, std::memcmp(first.data(), p.out.data(), first.size() * 4)) << isa->name << " " << label(c);
    }
  }
}

TEST(Linear, OutliersAndZerosKeepTheirAccuracy) {
  CpuDevice d({.n_threads = 1});
  const int64_t in = 256;
  const RandomSource source(group(4, false, true, 32), 40, in, 3);
  const auto w = d.bind_linear(source, ComputeType::kBf16);
  std::vector<float> x = random_values(in, 4);
  for (int64_t k = 0; k < in; k += 64) x[k] *= 1000;                    // one huge value in every other group
  for (int64_t k = 32; k < 64; ++k) x[k] = 0;                           // an empty group
  for (int64_t k = 96; k < 128; ++k) x[k] = 1e-35f;                     // too small to have a reciprocal
  expect_close(source, x, 1, product(d, *w, x, 1, 0), 1e-3f, "outliers");
}

TEST(Linear, TinyScalesKeepTheirBits) {
  // Scales near the bottom of the f16 range, as deep layers' K formats have: the panel's exponent must save them.
  class Tiny final : public LinearSource {
   public:
    const WeightFormat& format() const noexcept override { return f_; }
    int64_t out_features() const noexcept override { return 3; }
    int64_t in_features() const noexcept override { return 64; }
    void read_values(int64_t, int64_t, float*) const override {}
    void read_dense(int64_t, int64_t, void*) const override {}
    void read_codes(int64_t, int64_t n, const CodeRows& r) const override {
      for (int64_t i = 0; i < n * 64; ++i) r.codes[i] = static_cast<uint8_t>(i % 16);
      for (int64_t i = 0; i < n * 2; ++i) r.scales[i] = 1.2345e-7f * static_cast<float>(i + 1);
    }
    std::string where() const override { return "tiny"; }
    WeightFormat f_ = group(4, false, false, 32);
  } source;
  CpuDevice d({.n_threads = 1});
  const auto w = d.bind_linear(source, ComputeType::kF16);
  const std::vector<float> x(64, 1.0f);
  const Product p = product(d, *w, x, 1, 0);
  for (int o = 0; o < 3; ++o) {
    const double want = 240.0 * 1.2345e-7 * (2 * o + 1) + 240.0 * 1.2345e-7 * (2 * o + 2);
    EXPECT_NEAR(p.out[o], want, 6e-4 * want);
  }
}

TEST(CpuDevice, NamesWhatItCannotDo) {
  EXPECT_THROW(CpuDevice({.isa = "sse9"}), Error);
  CpuDevice d({.n_threads = 1});
  const RandomSource odd(group(4, false, false, 48), 4, 96, 1);
  try {
    d.bind_linear(odd, ComputeType::kBf16);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kUnsupported);
    EXPECT_NE(e.message().find("u4 g48"), std::string::npos) << e.message();
  }
}

TEST(CpuDevice, ReportsMemoryItCannotHave) {
  CpuDevice d({.n_threads = 1});
  for (size_t bytes : {size_t{1} << 60, SIZE_MAX}) {
    try {
      const Device::Buffer b = d.alloc(bytes);
      FAIL() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::kOutOfMemory);
    }
  }
  const Device::Buffer b = d.alloc(3 << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.get()) % 64, 0u);
}

TEST(CpuDevice, PassesOnAnErrorOfTheSource) {
  class Broken final : public LinearSource {
   public:
    const WeightFormat& format() const noexcept override { return f_; }
    int64_t out_features() const noexcept override { return 500; }
    int64_t in_features() const noexcept override { return 32; }
    void read_values(int64_t, int64_t, float*) const override { fail(Code::kIo, "file is gone"); }
    void read_dense(int64_t, int64_t, void*) const override { fail(Code::kIo, "file is gone"); }
    void read_codes(int64_t, int64_t, const CodeRows&) const override {}
    std::string where() const override { return "broken"; }
    WeightFormat f_ = dense(DType::kF32);
  } source;
  CpuDevice d({.n_threads = 2});
  EXPECT_THROW(d.bind_linear(source, ComputeType::kBf16), Error);
}

INSTANTIATE_TEST_SUITE_P(Isa, LinearKernels, testing::ValuesIn(usable_isas()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace mainspring::test
