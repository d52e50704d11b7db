// Checks of Linear and Embed over every canonical weight format and compute type.
#include "backends/self_test/checks.h"
#include "backends/self_test/checks_detail.h"
#include "backends/self_test/host.h"

#include "base/half.h"

namespace mainspring::self_test {

namespace {

// A random matrix of any canonical format, in memory.
class RandomSource final : public LinearSource {
 public:
  RandomSource(const WeightFormat& format, int64_t out, int64_t in, unsigned seed)
      : format_(format), out_(out), in_(in) {
    Random rng(seed);
    const size_t n = static_cast<size_t>(out * in);
    if (format.scheme == Scheme::kDense) {
      values_ = Values::normal(rng, out, 1, in, 0, 0.05f).data;
      for (float& v : values_) v = format.dense == DType::kBf16 ? bf16_to_f32(f32_to_bf16(v))
                                   : format.dense == DType::kF16 ? f16_to_f32(f32_to_f16(v)) : v;
      return;
    }
    const size_t groups = static_cast<size_t>(out * format.groups(in));
    std::uniform_real_distribution<float> scale(0.5f, 1.5f);
    const int top = 1 << format.bits, low = format.is_signed ? -top / 2 : 0;
    const float step = 0.2f / static_cast<float>(top);
    for (size_t g = 0; g < groups; ++g) {
      scales_.push_back(step * scale(rng));
      offsets_.push_back(-scales_.back() * static_cast<float>(top) / 2 * scale(rng));
    }
    for (size_t i = 0; i < n; ++i) {
      codes_.push_back(static_cast<int8_t>(low + static_cast<int>(rng() % static_cast<unsigned>(top))));
      const float code = format.is_signed ? codes_[i] : static_cast<float>(static_cast<uint8_t>(codes_[i]));
      const size_t g = i / static_cast<size_t>(format.group_size(in));
      values_.push_back(static_cast<float>(double{scales_[g]} * code + (format.has_offset ? offsets_[g] : 0.0f)));
    }
  }
  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return out_; }
  int64_t in_features() const noexcept override { return in_; }
  void read_values(int64_t row, int64_t n, float* values) const override {
    std::memcpy(values, values_.data() + row * in_, static_cast<size_t>(n * in_) * sizeof(float));
  }
  void read_codes(int64_t row, int64_t n, const CodeRows& rows) const override {
    const int64_t groups = format_.groups(in_);
    std::memcpy(rows.codes, codes_.data() + row * in_, static_cast<size_t>(n * in_));
    std::memcpy(rows.scales, scales_.data() + row * groups, static_cast<size_t>(n * groups) * sizeof(float));
    if (format_.has_offset)
      std::memcpy(rows.offsets, offsets_.data() + row * groups, static_cast<size_t>(n * groups) * sizeof(float));
  }
  void read_dense(int64_t row, int64_t n, void* values) const override {
    const float* from = values_.data() + row * in_;
    for (int64_t i = 0; i < n * in_; ++i) {
      if (format_.dense == DType::kF32) static_cast<float*>(values)[i] = from[i];
      if (format_.dense == DType::kBf16) static_cast<uint16_t*>(values)[i] = f32_to_bf16(from[i]);
      if (format_.dense == DType::kF16) static_cast<uint16_t*>(values)[i] = f32_to_f16(from[i]);
    }
  }
  std::string where() const override { return "random matrix"; }

 private:
  WeightFormat format_;
  int64_t out_, in_;
  std::vector<float> values_, scales_, offsets_;
  std::vector<int8_t> codes_;
};

WeightFormat dense(DType t) { return {.scheme = Scheme::kDense, .dense = t}; }
WeightFormat group(int bits, bool is_signed, bool offset, int size) {
  return {.scheme = Scheme::kGroup, .bits = static_cast<uint8_t>(bits), .is_signed = is_signed, .has_offset = offset,
          .group = static_cast<uint16_t>(size)};
}
constexpr ComputeType kComputes[] = {ComputeType::kF32, ComputeType::kBf16, ComputeType::kF16};
float tolerance(ComputeType c) { return c == ComputeType::kF32 ? ops::kLinearTolerance : ops::kLinear16Tolerance; }

// `rows` of x times one to three parts with different heights, with or without bias and accumulation.
std::string linear_at(Device& ref, Device& device, const WeightFormat& format, ComputeType compute, int64_t rows,
                      int64_t in, const std::vector<int64_t>& heights, bool bias, bool accumulate) {
  Random rng(static_cast<unsigned>(rows + in));
  Values x = Values::normal(rng, rows, 1, in, bias ? 3 : 0);
  int64_t width = 0;
  for (int64_t h : heights) width += h;
  Values b = Values::normal(rng, 1, 1, width), base = Values::normal(rng, rows, 1, width, accumulate ? 2 : 0);
  std::vector<float> results[2];
  int i = 0;
  std::string kernel;
  for (Device* d : {&ref, &device}) {
    std::vector<std::unique_ptr<LinearWeight>> weights;
    std::vector<const LinearWeight*> parts;
    for (size_t p = 0; p < heights.size(); ++p) {
      weights.push_back(d->bind_linear(RandomSource(format, heights[p], in, static_cast<unsigned>(p)), compute));
      parts.push_back(weights.back().get());
    }
    kernel = weights[0]->kernel_name();
    Values out = base;
    run(*d, ops::Linear{out.matrix(), x.matrix(), parts.data(), static_cast<int32_t>(parts.size()), accumulate,
                        bias ? ConstTensor(b.vector()) : ConstTensor()});
    results[i++] = out.data;
  }
  return near(cat("linear ", kernel, " ", format_name(format), " ", compute_type_name(compute), " [", rows, ", ", in,
                  "] x ", width, bias ? " bias" : "", accumulate ? " accumulate" : ""),
              results[1], results[0], tolerance(compute));
}

std::string linear_format(Device& ref, Device& device, const WeightFormat& format) {
  const int64_t unit = format.scheme == Scheme::kGroup && format.group ? format.group : 1;
  for (const ComputeType compute : kComputes)
    for (const int64_t rows : {1, 2, 5, 8, 9, 33})
      for (const int64_t in : {unit, 3 * unit, (int64_t{300} + unit - 1) / unit * unit}) {
        const bool odd = (rows + in / unit) % 2 == 1;
        if (auto e = linear_at(ref, device, format, compute, rows, in, {65, 1, 16}, odd, rows % 2 == 1); !e.empty())
          return e;
      }
  return "";
}

}  // namespace

std::string linear_dense(Device& ref, Device& device) {
  for (const DType t : {DType::kF32, DType::kBf16, DType::kF16})
    if (auto e = linear_format(ref, device, dense(t)); !e.empty()) return e;
  return "";
}

std::string linear_int8_activations(Device& ref, Device& device) {
  for (WeightFormat f : {group(8, true, false, 0), group(8, true, false, 128), group(4, false, true, 32),
                         group(4, false, true, 128), group(8, true, false, 32)}) {
    f.act = ActType::k8;
    if (auto e = linear_format(ref, device, f); !e.empty()) return e;
  }
  return "";
}

std::string linear_groups(Device& ref, Device& device) {
  const WeightFormat formats[] = {group(4, false, true, 32),  group(4, false, true, 128), group(4, true, false, 32),
                                  group(4, false, true, 64),  group(5, false, true, 32),  group(5, true, false, 32),
                                  group(6, true, false, 16),  group(8, true, false, 32),  group(8, true, false, 128),
                                  group(3, true, false, 16),  group(2, false, true, 16),  group(8, false, true, 32)};
  for (const WeightFormat& f : formats)
    if (auto e = linear_format(ref, device, f); !e.empty()) return e;
  return "";
}

// A row's result does not depend on the rows beside it.
std::string linear_invariance(Device&, Device& device) {
  constexpr int64_t kRows = 37, kIn = 256, kOut = 80;
  for (const WeightFormat& format :
       {dense(DType::kBf16), dense(DType::kF32), group(4, false, true, 32), group(8, true, false, 32)})
    for (const ComputeType compute : kComputes) {
      Random rng(2);
      Values x = Values::normal(rng, kRows, 1, kIn), all(kRows, 1, kOut);
      const auto weight = device.bind_linear(RandomSource(format, kOut, kIn, 1), compute);
      const LinearWeight* part = weight.get();
      run(device, ops::Linear{all.matrix(), x.matrix(), &part, 1, false, {}});
      for (const int64_t n : {1, 2, 3, 7, 12}) {
        Values some(kRows, 1, kOut);
        for (int64_t r = 0; r < kRows; r += n) {
          const int64_t end = std::min(kRows, r + n);
          run(device,
              ops::Linear{some.matrix().slice_rows(r, end), x.matrix().slice_rows(r, end), &part, 1, false, {}});
        }
        const std::string what =
            cat("linear ", format_name(format), " ", compute_type_name(compute), " by ", n, " rows");
        if (auto e = same_bits(what, some.data, all.data); !e.empty()) return e;
      }
    }
  return "";
}

std::string embed(Device& ref, Device& device) {
  for (const WeightFormat& format : {dense(DType::kBf16), dense(DType::kF16), dense(DType::kF32),
                                     group(4, false, true, 32), group(6, true, false, 16), group(8, true, false, 32)})
    for (const ComputeType compute : kComputes)
      for (const int64_t rows : {1, 9}) {
        const int64_t vocabulary = 77, width = format.scheme == Scheme::kDense ? 100 : 96;
        Ints ids;
        for (int64_t i = 0; i < rows; ++i) ids.data.push_back(static_cast<int32_t>((i * 29 + 76) % vocabulary));
        std::vector<float> results[2];
        int i = 0;
        for (Device* d : {&ref, &device}) {
          const auto table = d->bind_linear(RandomSource(format, vocabulary, width, 4), compute);
          Values out(rows, 1, width);
          run(*d, ops::Embed{out.matrix(), ids.vector(), table.get(), 1.5f});
          results[i++] = out.data;
        }
        const std::string what = cat("embed ", format_name(format), " ", compute_type_name(compute));
        // 16-bit runs may keep scales and offsets of quantised tables in 16 bits.
        const bool exact = compute == ComputeType::kF32 || format.scheme == Scheme::kDense;
        if (auto e = near(what, results[1], results[0], exact ? ops::kEmbedTolerance : 1e-3f); !e.empty()) return e;
      }
  return "";
}

}  // namespace mainspring::self_test
