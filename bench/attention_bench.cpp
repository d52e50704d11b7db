// Rates of attention over a long KV cache, as CSV rows on stdout: median time of at least 20 calls.
//
//   attention_bench [--threads N] [--isa NAME] [--kv f16,int8] [--shapes HEADS/KV_HEADS/D,..] [--context N,..]
//                   [--queries N,..] [--mib N]
// The queries are the last ones of one sequence. Calls rotate through copies of the cache, --mib in all (default 1024),
// so that keys and values come from memory as they do between two steps of a model. Blocks are in random order.
// gb_s counts the bytes of keys and values that the call has to read once, gflop_s twice the multiply-adds of the pairs
// that are visible.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/cpu_device.h"
#include "base/str.h"
#include "ops/all.h"

namespace mainspring {
namespace {

struct Shape {
  int heads, kv_heads, d;
};

struct Settings {
  int threads = 0;
  std::string isa;
  std::vector<KvFormat> formats;
  std::vector<Shape> shapes;
  std::vector<int> contexts, queries;
  size_t mib = 1024;
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<float> random_values(std::mt19937& rng, size_t n) {
  std::normal_distribution<float> normal;
  std::vector<float> table(4096 + 61), v(n);  // numbers of a table at shifting offsets: drawing all would take minutes
  for (float& x : table) x = normal(rng);
  for (size_t i = 0; i < n; i += 61) {
    const size_t from = rng() % 4096;
    std::copy_n(table.begin() + static_cast<std::ptrdiff_t>(from), std::min<size_t>(61, n - i),
                v.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return v;
}

// One sequence with a full cache, in several copies.
class Cache {
 public:
  Cache(CpuDevice& device, const Shape& shape, KvFormat format, int context, size_t mib)
      : device_(device), shape_(shape), context_(context), blocks_((context + kBlockTokens - 1) / kBlockTokens) {
    layer_.spec = {shape.kv_heads, shape.d};
    layer_.format = format;
    layer_.block_stride = device.kv_block_bytes(layer_.spec, format);
    bytes_ = layer_.block_stride * static_cast<size_t>(blocks_);
    copies_ = std::max<size_t>(1, (mib << 20) / bytes_);
    memory_ = device.alloc(bytes_ * copies_);
    std::mt19937 rng(7);
    table_.resize(static_cast<size_t>(blocks_));
    std::iota(table_.begin(), table_.end(), 0);
    std::shuffle(table_.begin(), table_.end(), rng);
    fill(rng);
    for (size_t i = 1; i < copies_; ++i) std::memcpy(memory_.get() + i * bytes_, memory_.get(), bytes_);
  }

  size_t bytes() const { return bytes_; }

  // Times of single calls for the last `queries` tokens.
  std::vector<double> time(int queries) {
    std::mt19937 rng(8);
    const auto width = static_cast<size_t>(shape_.heads) * static_cast<size_t>(shape_.d);
    const std::vector<float> q = random_values(rng, static_cast<size_t>(queries) * width);
    std::vector<float> out(q.size());
    const Step step(*this, queries);
    ops::Attention op;
    op.out = Tensor(out.data(), DType::kF32, queries, shape_.heads, shape_.d);
    op.q = ConstTensor(q.data(), DType::kF32, queries, shape_.heads, shape_.d);
    op.kv = layer_, op.batch = &step.batch;
    op.scale = 1.0f / std::sqrt(static_cast<float>(shape_.d));
    ops::check(op);
    device_.reserve_scratch(device_.scratch_bytes(OpId::kAttention, &op));
    std::vector<double> times;
    size_t copy = 0;
    const double begin = seconds();
    while (times.size() < 24 || (seconds() - begin < 0.4 && times.size() < 2000)) {
      op.kv.base = memory_.get() + bytes_ * (copy++ % copies_);
      const double start = seconds();
      device_.run(op);
      times.push_back(seconds() - start);
    }
    times.erase(times.begin(), times.begin() + 3);  // page faults of scratch, sleeping workers
    std::sort(times.begin(), times.end());
    return times;
  }

 private:
  struct Step {
    std::vector<int32_t> tokens, starts, lengths;
    Batch batch;
    Step(const Cache& cache, int queries)
        : tokens(static_cast<size_t>(queries), 0), starts{0, queries}, lengths{cache.context_} {
      batch.tokens = ConstTensor(tokens.data(), DType::kI32, queries);
      batch.query_start = ConstTensor(starts.data(), DType::kI32, 2);
      batch.kv_length = ConstTensor(lengths.data(), DType::kI32, 1);
      batch.block_table = ConstTensor(cache.table_.data(), DType::kI32, 1, cache.blocks_);
    }
  };

  void fill(std::mt19937& rng) {
    const size_t n = static_cast<size_t>(context_) * static_cast<size_t>(shape_.kv_heads * shape_.d);
    const std::vector<float> k = random_values(rng, n), v = random_values(rng, n);
    const Step step(*this, context_);
    ops::KvWrite op;
    op.k = ConstTensor(k.data(), DType::kF32, context_, shape_.kv_heads, shape_.d);
    op.v = ConstTensor(v.data(), DType::kF32, context_, shape_.kv_heads, shape_.d);
    layer_.base = memory_.get();
    op.kv = layer_, op.batch = &step.batch;
    device_.run(op);
  }

  CpuDevice& device_;
  Shape shape_;
  int context_, blocks_;
  size_t bytes_ = 0, copies_ = 0;
  KvLayer layer_;
  std::vector<int32_t> table_;
  Device::Buffer memory_;
};

std::vector<std::string> list(const std::string& text) {
  std::vector<std::string> v(1);
  for (const char c : text) {
    if (c == ',') v.emplace_back();
    else v.back() += c;
  }
  return v;
}

std::vector<int> numbers(const std::string& text) {
  std::vector<int> v;
  for (const std::string& s : list(text)) v.push_back(std::max(1, std::atoi(s.c_str())));
  return v;
}

KvFormat format_of(const std::string& name) {
  for (const KvFormat f : {KvFormat::kF32, KvFormat::kBf16, KvFormat::kF16, KvFormat::kInt8, KvFormat::kK8V4,
                           KvFormat::kInt4})
    if (name == kv_format_name(f)) return f;
  fail(Code::kInvalidInput, "--kv: expected f32, bf16, f16, int8, k8v4 or int4, found \"", printable(name), "\"");
}

Shape shape_of(const std::string& text) {
  Shape s{};
  if (std::sscanf(text.c_str(), "%d/%d/%d", &s.heads, &s.kv_heads, &s.d) != 3 || s.kv_heads < 1 || s.d < 1 ||
      s.heads < s.kv_heads || s.heads % s.kv_heads != 0)
    fail(Code::kInvalidInput, "--shapes: expected HEADS/KV_HEADS/D, found \"", printable(text), "\"");
  return s;
}

Settings parse(int argc, char** argv) {
  std::string kv = "f16,bf16,int8,int4", shapes = "32/8/128", context = "2048,8192", queries = "1,8";
  Settings s;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--threads") s.threads = std::atoi(value.c_str());
    else if (name == "--isa") s.isa = value;
    else if (name == "--kv") kv = value;
    else if (name == "--shapes") shapes = value;
    else if (name == "--context") context = value;
    else if (name == "--queries") queries = value;
    else if (name == "--mib") s.mib = static_cast<size_t>(std::max(1, std::atoi(value.c_str())));
    else fail(Code::kInvalidInput, "unknown option ", printable(name));
  }
  for (const std::string& f : list(kv)) s.formats.push_back(format_of(f));
  for (const std::string& t : list(shapes)) s.shapes.push_back(shape_of(t));
  s.contexts = numbers(context), s.queries = numbers(queries);
  return s;
}

void bench(CpuDevice& device, const Shape& shape, KvFormat format, int context, const Settings& settings) {
  Cache cache(device, shape, format, context, settings.mib);
  for (const int queries : settings.queries) {
    if (queries > context) continue;
    const std::vector<double> times = cache.time(queries);
    const double median = times[times.size() / 2];
    const double pairs = (context - (queries - 1) / 2.0) * queries;
    const double spread = times[times.size() * 9 / 10] / times[times.size() / 10];
    std::printf("%s,%s,%d,%d,%d,%d,%d,%d,%.1f,%.1f,%.2f,%.2f,%.1f\n", device.isa().name, kv_format_name(format),
                shape.heads, shape.kv_heads, shape.d, context, queries, device.n_threads(), median * 1e6,
                times[0] * 1e6, spread, static_cast<double>(cache.bytes()) / median / 1e9,
                4.0 * pairs * shape.heads * shape.d / median / 1e9);
    std::fflush(stdout);
  }
}

int run(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  CpuDevice device({.n_threads = settings.threads, .isa = settings.isa});
  std::printf("isa,kv,heads,kv_heads,head_dim,context,queries,threads,us_median,us_best,p90_p10,gb_s,gflop_s\n");
  for (const Shape& shape : settings.shapes)
    for (const KvFormat format : settings.formats)
      for (const int context : settings.contexts) bench(device, shape, format, context, settings);
  return 0;
}

}  // namespace
}  // namespace mainspring

int main(int argc, char** argv) {
  try {
    return mainspring::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "attention_bench: %s\n", e.what());
    return 2;
  }
}
