// Linear layers and decode attention as kernel_bench measures them, and what they should give in double precision.
#include "kernel_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/half.h"
#include "base/str.h"

namespace mainspring::bench {
namespace {

WeightFormat codes(int bits, bool is_signed, bool has_offset, int group, ActType act) {
  WeightFormat f;
  f.scheme = Scheme::kGroup;
  f.bits = static_cast<uint8_t>(bits), f.is_signed = is_signed, f.has_offset = has_offset;
  f.group = static_cast<uint16_t>(group);
  f.act = act;
  return f;
}

// Where the f16 scales of a block lie, -1: none; everything else may be any byte.
struct BlockScales {
  const char* encoding;
  int scale, offset;
};
constexpr BlockScales kScales[] = {{"Q4_0", 0, -1}, {"Q4_1", 0, 2}, {"Q5_0", 0, -1}, {"Q5_1", 0, 2},
                                   {"Q8_0", 0, -1}, {"Q4_K", 0, 2}, {"Q5_K", 0, 2},  {"Q6_K", 208, -1}};

class BlockSource final : public LinearSource {
 public:
  BlockSource(const Encoding& e, WeightFormat format, const std::vector<std::byte>& bytes, int64_t out, int64_t in)
      : encoding_(e), format_(format), bytes_(bytes), out_(out), in_(in) {}
  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return out_; }
  int64_t in_features() const noexcept override { return in_; }
  void read_values(int64_t row, int64_t n, float* v) const override { encoding_.values(at(row), blocks(n), v); }
  void read_codes(int64_t row, int64_t n, const CodeRows& rows) const override {
    encoding_.codes(at(row), blocks(n), rows);
  }
  void read_dense(int64_t row, int64_t n, void* values) const override {
    std::memcpy(values, at(row), static_cast<size_t>(blocks(n) * encoding_.block_bytes));
  }
  std::string where() const override { return "random blocks"; }

 private:
  int64_t blocks(int64_t rows) const { return rows * in_ / encoding_.block; }
  const std::byte* at(int64_t row) const { return bytes_.data() + blocks(row) * encoding_.block_bytes; }

  const Encoding& encoding_;
  WeightFormat format_;
  const std::vector<std::byte>& bytes_;
  int64_t out_, in_;
};

// Codes, scales and offsets of formats that no GGUF encoding has.
class CodeSource final : public LinearSource {
 public:
  CodeSource(WeightFormat format, int64_t out, int64_t in) : format_(format), out_(out), in_(in) {
    std::mt19937 rng(1);
    codes_.resize(static_cast<size_t>(out * in));
    const int low = format.is_signed ? -(1 << (format.bits - 1)) : 0, mask = (1 << format.bits) - 1;
    for (uint8_t& c : codes_) c = static_cast<uint8_t>(low + static_cast<int>(rng() >> 8 & mask));
    std::uniform_real_distribution<float> uniform(0.5f, 1.0f);
    scales_.resize(static_cast<size_t>(out * format.groups(in)));
    for (float& s : scales_) s = f16_to_f32(f32_to_f16(uniform(rng) * 0.2f / static_cast<float>(mask)));
    if (format.has_offset)
      for (float s : scales_) offsets_.push_back(f16_to_f32(f32_to_f16(-s * static_cast<float>(1 << (format.bits - 1)))));
  }
  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return out_; }
  int64_t in_features() const noexcept override { return in_; }
  void read_values(int64_t row, int64_t n, float* values) const override {
    for (int64_t i = row * in_; i < (row + n) * in_; ++i) {
      const auto at = static_cast<size_t>(i);
      const size_t group = static_cast<size_t>(i / format_.group_size(in_));
      const int code = format_.is_signed ? static_cast<int8_t>(codes_[at]) : codes_[at];
      *values++ = scales_[group] * static_cast<float>(code) + (format_.has_offset ? offsets_[group] : 0.0f);
    }
  }
  void read_codes(int64_t row, int64_t n, const CodeRows& rows) const override {
    const int64_t groups = format_.groups(in_);
    std::copy_n(&codes_[static_cast<size_t>(row * in_)], n * in_, rows.codes);
    std::copy_n(&scales_[static_cast<size_t>(row * groups)], n * groups, rows.scales);
    if (format_.has_offset) std::copy_n(&offsets_[static_cast<size_t>(row * groups)], n * groups, rows.offsets);
  }
  void read_dense(int64_t, int64_t, void*) const override { fail(Code::kInternal, "not a dense matrix"); }
  std::string where() const override { return "random codes"; }

 private:
  WeightFormat format_;
  int64_t out_, in_;
  std::vector<uint8_t> codes_;
  std::vector<float> scales_, offsets_;
};

int copies_for(size_t bytes, size_t rotate_bytes) {
  return static_cast<int>(std::clamp<size_t>((rotate_bytes + bytes - 1) / bytes, 1, 4096));
}

}  // namespace

std::vector<LinearFormat> linear_formats() {
  std::vector<LinearFormat> all;
  for (const char* name : {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "BF16", "F16"}) {
    const Encoding* e = find_encoding(name);
    if (!e) fail(Code::kInternal, "no encoding ", name);
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    all.push_back({lower, e, e->format, e, false});
    if (lower == "q4_0" || lower == "q8_0") {
      WeightFormat a8 = e->format;
      a8.act = ActType::k8;
      all.push_back({lower + "_a8", e, a8, e, true});
    }
  }
  const Encoding *q4 = find_encoding("Q4_0"), *q8 = find_encoding("Q8_0");
  for (int group : {32, 64, 128}) {
    all.push_back({cat("w4_g", group), nullptr, codes(4, false, true, group, ActType::k16), q4, false});
    all.push_back({cat("w4_g", group, "_a8"), nullptr, codes(4, false, true, group, ActType::k8), q4, true});
  }
  all.push_back({"w8a8", nullptr, codes(8, true, false, 0, ActType::k8), q8, true});
  return all;
}

std::vector<float> normal_values(size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(n);
  for (float& x : v) x = normal(rng);
  return v;
}

std::vector<std::byte> random_blocks(const Encoding& e, int64_t out, int64_t in) {
  const int64_t blocks = out * in / e.block;
  std::vector<std::byte> bytes(static_cast<size_t>(blocks * e.block_bytes));
  if (e.format.scheme == Scheme::kDense) {
    const auto table = normal_values(4096, 3);
    for (size_t i = 0; i < bytes.size() / 2; ++i) {
      const float v = 0.02f * table[i * 2654435761u >> 7 & 4095];
      const uint16_t bits = e.format.dense == DType::kBf16 ? f32_to_bf16(v) : f32_to_f16(v);
      std::memcpy(&bytes[i * 2], &bits, 2);
    }
    return bytes;
  }
  std::mt19937_64 rng(1);
  for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const uint64_t word = rng();
    std::memcpy(&bytes[i], &word, 8);
  }
  const auto at = std::find_if(std::begin(kScales), std::end(kScales), [&](const BlockScales& s) { return s.encoding == e.name; });
  if (at == std::end(kScales)) fail(Code::kInternal, "no random blocks of ", e.name);
  // About 1 / sqrt(inputs) in all; super-blocks multiply by integers of up to 6 or 8 bits.
  const float size = 0.02f / static_cast<float>(1 << (e.format.bits - 1)) / (e.block == 256 ? 32.0f : 1.0f);
  for (int64_t b = 0; b < blocks; ++b) {
    std::byte* block = &bytes[static_cast<size_t>(b * e.block_bytes)];
    const auto put = [&](int offset, float size_here) {
      const uint16_t bits = f32_to_f16(size_here * (0.75f + static_cast<float>(rng() >> 40) * 0x1p-25f));
      std::memcpy(block + offset, &bits, 2);
    };
    put(at->scale, size);
    if (at->offset >= 0) put(at->offset, size * static_cast<float>(1 << (e.format.bits - 1)) * (e.block == 256 ? 1.0f : -1.0f));
  }
  return bytes;
}

std::unique_ptr<LinearSource> make_source(const LinearFormat& f, const std::vector<std::byte>& blocks, int64_t out,
                                          int64_t in) {
  if (f.encoding) return std::make_unique<BlockSource>(*f.encoding, f.format, blocks, out, in);
  return std::make_unique<CodeSource>(f.format, out, in);
}

OursLinear::OursLinear(CpuDevice& d, const LinearSource& source, size_t rotate_bytes) : device_(d) {
  copies_.push_back(d.bind_linear(source, ComputeType::kBf16));
  const int n = copies_for(copies_[0]->bytes, rotate_bytes);
  while (static_cast<int>(copies_.size()) < n) copies_.push_back(d.bind_linear(source, ComputeType::kBf16));
}

void OursLinear::set_input(const std::vector<float>& x, int64_t rows) {
  x_ = x;
  y_.assign(static_cast<size_t>(rows * copies_[0]->out_features), 0.0f);
  op_.x = ConstTensor(x_.data(), DType::kF32, rows, copies_[0]->in_features);
  op_.out = Tensor(y_.data(), DType::kF32, rows, copies_[0]->out_features);
  part_ = copies_[0].get();
  op_.parts = &part_, op_.n_parts = 1;
  device_.reserve_scratch(device_.scratch_bytes(OpId::kLinear, &op_));
}

int OursLinear::run() {
  part_ = copies_[next_++ % copies_.size()].get();
  device_.run(op_);
  return 1;
}

OursAttention::OursAttention(CpuDevice& d, KvFormat format, const AttentionShape& s, const std::vector<float>& q,
                             const std::vector<float>& k, const std::vector<float>& v, float scale, size_t rotate_bytes)
    : device_(d), q_(q), out_(q.size()) {
  const StateSpec spec{static_cast<int32_t>(s.kv_heads), static_cast<int32_t>(s.head_dim)};
  const auto tokens = static_cast<int32_t>(s.tokens);
  const int32_t blocks = (tokens + kBlockTokens - 1) / kBlockTokens;
  const size_t stride = d.kv_block_bytes(spec, format);
  layer_bytes_ = stride * static_cast<size_t>(blocks);
  copies_ = copies_for(layer_bytes_, rotate_bytes);
  pool_ = d.alloc(layer_bytes_ * static_cast<size_t>(copies_));
  std::memset(pool_.get(), 0, layer_bytes_);
  // Positions of the write, then what both batches share: token ids, ends of queries, length, block table.
  for (int32_t i = 0; i < tokens; ++i) ints_.push_back(i);
  const size_t ends = ints_.size();
  ints_.insert(ints_.end(), {0, tokens, 0, 1, tokens});
  const size_t table = ints_.size();
  for (int32_t b = 0; b < blocks; ++b) ints_.push_back(b);
  const auto ints = [&](size_t at, int64_t n) { return ConstTensor(&ints_[at], DType::kI32, n); };
  batch_.tokens = batch_.positions = batch_.rope_lengths = ints(0, tokens);
  batch_.query_start = ints(ends, 2);
  batch_.kv_length = ints(ends + 4, 1);
  batch_.block_table = ConstTensor(&ints_[table], DType::kI32, 1, blocks);
  batch_.logit_rows = ints(0, 1);
  op_.kv = {pool_.get(), stride, spec, format};
  ops::KvWrite write{ConstTensor(k.data(), DType::kF32, tokens, s.kv_heads, s.head_dim),
                     ConstTensor(v.data(), DType::kF32, tokens, s.kv_heads, s.head_dim), op_.kv, &batch_};
  d.reserve_scratch(d.scratch_bytes(OpId::kKvWrite, &write));
  d.run(write);
  for (int c = 1; c < copies_; ++c) std::memcpy(pool_.get() + layer_bytes_ * static_cast<size_t>(c), pool_.get(), layer_bytes_);
  batch_.tokens = batch_.positions = batch_.rope_lengths = ints(static_cast<size_t>(tokens) - 1, 1);
  batch_.query_start = ints(ends + 2, 2);
  op_.out = Tensor(out_.data(), DType::kF32, 1, s.heads, s.head_dim);
  op_.q = ConstTensor(q_.data(), DType::kF32, 1, s.heads, s.head_dim);
  op_.batch = &batch_;
  op_.scale = scale;
  d.reserve_scratch(d.scratch_bytes(OpId::kAttention, &op_));
}

int OursAttention::run() {
  op_.kv.base = pool_.get() + layer_bytes_ * (next_++ % static_cast<size_t>(copies_));
  device_.run(op_);
  return 1;
}

double relative_error(const std::vector<float>& got, const std::vector<double>& expected) {
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double e = got[i] - expected[i];
    error += e * e, size += expected[i] * expected[i];
  }
  return std::sqrt(error / size);
}

std::vector<double> linear_reference(const LinearSource& source, const std::vector<float>& x, int64_t outputs) {
  const int64_t in = source.in_features();
  std::vector<float> row(static_cast<size_t>(in));
  std::vector<double> sums;
  for (int64_t o = 0; o < outputs; ++o) {
    source.read_values(o, 1, row.data());
    double sum = 0;
    for (size_t i = 0; i < row.size(); ++i) sum += static_cast<double>(row[i]) * x[i];
    sums.push_back(sum);
  }
  return sums;
}

std::vector<double> attention_reference(const AttentionShape& s, const std::vector<float>& q, const std::vector<float>& k,
                                        const std::vector<float>& v, float scale) {
  std::vector<double> out(q.size());
  std::vector<double> p(static_cast<size_t>(s.tokens));
  for (int64_t h = 0; h < s.heads; ++h) {
    const int64_t kv_head = h / (s.heads / s.kv_heads);
    const auto at = [&](int64_t t) { return static_cast<size_t>((t * s.kv_heads + kv_head) * s.head_dim); };
    const float* query = &q[static_cast<size_t>(h * s.head_dim)];
    double all = 0;
    for (int64_t t = 0; t < s.tokens; ++t) {
      double dot = 0;
      for (int64_t i = 0; i < s.head_dim; ++i) dot += static_cast<double>(query[i]) * k[at(t) + static_cast<size_t>(i)];
      p[static_cast<size_t>(t)] = std::exp(dot * scale - 8);   // scores of unit normal vectors stay far below 700
      all += p[static_cast<size_t>(t)];
    }
    for (int64_t t = 0; t < s.tokens; ++t)
      for (int64_t i = 0; i < s.head_dim; ++i)
        out[static_cast<size_t>(h * s.head_dim + i)] += p[static_cast<size_t>(t)] / all * v[at(t) + static_cast<size_t>(i)];
  }
  return out;
}

}  // namespace mainspring::bench
