// Rates of the CPU's linear kernels: GB/s of packed weights and G multiply-adds per second, median of several runs.
//
//   linear_bench [threads] [isa] [rows,rows,..] [OUTxIN,..] [format,..]
//   linear_bench 2 "" 1,8,512 4864x896,896x4864 q4_1,q8_0
// Weights rotate through copies of 256 MiB or more in all, so that they come from memory as in a whole model.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "unit/backends/linear_fixture.h"

namespace mainspring::test {
namespace {

struct Named {
  const char* name;
  WeightFormat format;
  ComputeType compute;
  bool f16_scales;
};
const Named kFormats[] = {
    {"q4_0", group(4, true, false, 32), ComputeType::kBf16, true},
    {"q4_1", group(4, false, true, 32), ComputeType::kBf16, true},
    {"q5_0", group(5, true, false, 32), ComputeType::kBf16, true},
    {"q8_0", group(8, true, false, 32), ComputeType::kBf16, true},
    {"q4_k", group(4, false, true, 32), ComputeType::kBf16, false},
    {"q6_k", group(6, true, false, 16), ComputeType::kBf16, false},
    {"g128", group(4, false, true, 128), ComputeType::kBf16, true},
    {"bf16", dense(DType::kBf16), ComputeType::kBf16, true},
    {"f16", dense(DType::kF16), ComputeType::kF16, true},
    {"f32", dense(DType::kF32), ComputeType::kF32, true},
    {"q4_1_exact", group(4, false, true, 32), ComputeType::kF32, true},
};

std::vector<std::string> list(const char* text) {
  std::vector<std::string> v(1);
  for (; *text; ++text) {
    if (*text == ',') v.emplace_back();
    else v.back() += *text;
  }
  return v;
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Root mean square of the error against double precision on the same weights, relative to the outputs'.
double error_of(CpuDevice& d, const RandomSource& source, const LinearWeight& w) {
  constexpr int64_t kRows = 4;
  const int64_t in = source.in_features(), out = source.out_features();
  const std::vector<float> x = random_values(kRows * in, 5);
  const Product got = product(d, w, x, kRows, 0);
  double error = 0, size = 0;
  for (int64_t t = 0; t < kRows; ++t)
    for (int64_t o = 0; o < std::min<int64_t>(out, 200); ++o) {
      double sum = 0;
      for (int64_t k = 0; k < in; ++k) sum += static_cast<double>(x[t * in + k]) * source.value(o * in + k);
      const double e = sum - got.out[t * out + o];
      error += e * e, size += sum * sum;
    }
  return std::sqrt(error / size);
}

// Median seconds of one product, over about half a second of them.
double median_time(CpuDevice& d, const std::vector<std::unique_ptr<LinearWeight>>& copies, int64_t rows,
                   double& spread) {
  const int64_t in = copies[0]->in_features, out = copies[0]->out_features;
  const std::vector<float> x = random_values(rows * in, 3);
  std::vector<float> y(rows * out);
  const LinearWeight* part = nullptr;
  ops::Linear op;
  op.out = Tensor(y.data(), DType::kF32, rows, out);
  op.x = ConstTensor(x.data(), DType::kF32, rows, in);
  op.parts = &part, op.n_parts = 1;
  size_t next = 0;
  const auto once = [&] {
    part = copies[next++ % copies.size()].get();
    d.run(op);
  };
  part = copies[0].get();
  d.reserve_scratch(d.scratch_bytes(OpId::kLinear, &op));
  for (size_t i = 0; i < copies.size(); ++i) once();
  std::vector<double> times;
  for (double all = 0; (all < 0.4 || times.size() < 5) && times.size() < 2000;) {
    const double start = seconds();
    once();
    times.push_back(seconds() - start);
    all += times.back();
  }
  std::sort(times.begin(), times.end());
  spread = times[times.size() * 9 / 10] / times[times.size() / 10];
  return times[times.size() / 2];
}

void bench(CpuDevice& d, const Named& n, int64_t out, int64_t in, const std::vector<int64_t>& rows) {
  const RandomSource source(n.format, out, in, 1, n.f16_scales);
  std::vector<std::unique_ptr<LinearWeight>> copies;
  const double start = seconds();
  copies.push_back(d.bind_linear(source, n.compute));
  const double pack = seconds() - start;
  while (copies.size() * copies[0]->bytes < (size_t{256} << 20) && copies.size() < 64)
    copies.push_back(d.bind_linear(source, n.compute));
  std::printf("%-10s %6ldx%-5ld %-12s %6.2f MB pack %.2f GW/s error %.4f %%\n", n.name, static_cast<long>(out), static_cast<long>(in),
              copies[0]->kernel_name(), copies[0]->bytes / 1e6, out * in / pack / 1e9,
              100 * error_of(d, source, *copies[0]));
  for (int64_t t : rows) {
    double spread = 0;
    const double s = median_time(d, copies, t, spread);
    std::printf("    rows %4ld %10.1f us %7.2f GB/s %8.1f GMAC/s   p90/p10 %.2f\n", static_cast<long>(t), s * 1e6,
                copies[0]->bytes / s / 1e9, out * in * t / s / 1e9, spread);
    std::fflush(stdout);
  }
}

int run(int argc, char** argv) {
  CpuDevice d({.n_threads = argc > 1 ? std::atoi(argv[1]) : 0, .isa = argc > 2 ? argv[2] : ""});
  std::printf("%s\n", d.name().c_str());
  std::vector<int64_t> rows;
  for (const std::string& r : list(argc > 3 ? argv[3] : "1,4,8,16,64,512")) rows.push_back(std::atol(r.c_str()));
  const auto formats = list(argc > 5 ? argv[5] : "q4_1,q5_0,q8_0,q6_k,bf16,f16,f32");
  for (const std::string& shape : list(argc > 4 ? argv[4] : "576x576,1536x576,4864x896,896x4864,8192x2048"))
    for (const Named& n : kFormats) {
      long out = 0, in = 0;
      if (std::sscanf(shape.c_str(), "%ldx%ld", &out, &in) != 2 || out < 1 || in < 1) return 2;
      if (std::find(formats.begin(), formats.end(), n.name) != formats.end()) bench(d, n, out, in, rows);
    }
  return 0;
}

}  // namespace
}  // namespace mainspring::test

int main(int argc, char** argv) { return mainspring::test::run(argc, argv); }
