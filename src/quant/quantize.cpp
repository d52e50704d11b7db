// Which format, and the sources that present it.
#include "quant/quantize.h"

#include <utility>
#include <vector>

#include "base/str.h"
#include "quant/quantisers/group_quantiser.h"

namespace mainspring {

QuantizeOptions parse_quantize(std::string_view mode, int64_t group, std::string_view activations) {
  QuantizeOptions o;
  if (mode == "w4") o.mode = QuantizeMode::kW4;
  else if (mode == "w8a8") o.mode = QuantizeMode::kW8A8;
  else if (!mode.empty() && mode != "none")
    fail(Code::kInvalidInput, "--quantize: expected w4, w8a8 or none, found \"", printable(mode), "\"");
  if (group != 0) {
    if (group != 32 && group != 64 && group != 128)
      fail(Code::kInvalidInput, "--quantize-group: expected 32, 64 or 128, found ", group);
    if (o.mode == QuantizeMode::kW8A8)
      fail(Code::kInvalidInput, "--quantize-group: w8a8 has one scale per output and no groups; it goes with w4 only");
    o.group = static_cast<int>(group);
  }
  if (activations == "int8") o.act = ActType::k8;
  else if (activations == "int16") o.act = ActType::k16;
  else if (!activations.empty())
    fail(Code::kInvalidInput, "--activations: expected int16 or int8, found \"", printable(activations), "\"");
  return o;
}

std::string quantize_name(const QuantizeOptions& o) {
  const char* act = !o.act ? "" : *o.act == ActType::k8 ? "int8 activations" : "int16 activations";
  const std::string mode = o.mode == QuantizeMode::kW4     ? cat("w4 g", o.group)
                           : o.mode == QuantizeMode::kW8A8 ? std::string("w8a8")
                                                           : std::string();
  return mode.empty() || !*act ? mode + act : cat(mode, ", ", act);
}

namespace {

// The largest supported group up to `asked` that divides `in`; 0: none does.
uint16_t largest_group(int asked, int64_t in) {
  for (int group = asked; group >= 32; group /= 2)
    if (in % group == 0) return static_cast<uint16_t>(group);
  return 0;
}

WeightFormat w4_format(int asked, const WeightFormat& source, int64_t in) {
  const uint16_t group = largest_group(asked, in);
  return group == 0 ? source : WeightFormat{.scheme = Scheme::kGroup, .bits = 4, .has_offset = true, .group = group};
}

// One scale per token is too coarse where a few inputs are hundreds of times larger than the rest. That happens to the
// products of two activations that a gated MLP's last matrix reads, the one with more inputs than outputs: it gets
// scales per group of inputs, on both sides. (Qwen2.5 0.5B: a perplexity cost of 2.9 % goes away.)
WeightFormat w8a8_format(int64_t out, int64_t in) {
  const uint16_t group = in > out ? largest_group(128, in) : uint16_t{0};
  return {.scheme = Scheme::kGroup, .bits = 8, .is_signed = true, .group = group, .act = ActType::k8};
}

}  // namespace

WeightFormat loaded_format(const QuantizeOptions& o, const WeightFormat& source, int64_t out, int64_t in,
                           MatrixRole role) {
  WeightFormat f = source;
  if (o.mode != QuantizeMode::kNone && source.scheme == Scheme::kDense && in > 0) {
    const WeightFormat table{.scheme = Scheme::kGroup, .bits = 8, .is_signed = true, .group = 32};
    if (role == MatrixRole::kTable) f = in % table.group == 0 ? table : source;
    else f = o.mode == QuantizeMode::kW4 ? w4_format(o.group, source, in) : w8a8_format(out, in);
  }
  if (f.scheme == Scheme::kGroup && o.act) f.act = *o.act;
  return f;
}

namespace {

// Another matrix under a format of its own; reading is the derived class's.
class Wrapped : public LinearSource {
 public:
  Wrapped(std::unique_ptr<LinearSource> source, const WeightFormat& format)
      : source_(std::move(source)), format_(format) {}
  const WeightFormat& format() const noexcept override { return format_; }
  int64_t out_features() const noexcept override { return source_->out_features(); }
  int64_t in_features() const noexcept override { return source_->in_features(); }
  void read_values(int64_t row, int64_t n, float* values) const override { source_->read_values(row, n, values); }
  void read_codes(int64_t row, int64_t n, const CodeRows& rows) const override { source_->read_codes(row, n, rows); }
  void read_dense(int64_t row, int64_t n, void* values) const override { source_->read_dense(row, n, values); }
  void drop_pages(int64_t row, int64_t n) const noexcept override { source_->drop_pages(row, n); }
  std::string where() const override { return source_->where(); }

 protected:
  std::unique_ptr<LinearSource> source_;
  WeightFormat format_;
};

class Decoded final : public Wrapped {
 public:
  explicit Decoded(std::unique_ptr<LinearSource> source) : Wrapped(std::move(source), {.dense = DType::kF32}) {}
  void read_dense(int64_t row, int64_t n, void* values) const override {
    source_->read_values(row, n, static_cast<float*>(values));
  }
  void read_codes(int64_t, int64_t, const CodeRows&) const override {
    fail(Code::kInternal, where(), ": values have no codes");
  }
};

class Quantized final : public Wrapped {
 public:
  using Wrapped::Wrapped;

  void read_codes(int64_t row, int64_t n, const CodeRows& out) const override {
    const int64_t in = in_features(), groups = format_.groups(in);
    std::vector<float> values(static_cast<size_t>(in));
    for (int64_t r = 0; r < n; ++r)
      quantise_row(row + r, values.data(), out.codes + r * in, out.scales + r * groups,
                   out.offsets ? out.offsets + r * groups : nullptr);
  }

  void read_values(int64_t row, int64_t n, float* values) const override {
    const int64_t in = in_features(), groups = format_.groups(in), size = format_.group_size(in);
    std::vector<uint8_t> codes(static_cast<size_t>(in));
    std::vector<float> scales(static_cast<size_t>(groups)), offsets(static_cast<size_t>(groups));
    for (int64_t r = 0; r < n; ++r) {
      float* v = values + r * in;
      quantise_row(row + r, v, codes.data(), scales.data(), offsets.data());
      for (int64_t i = 0; i < in; ++i) {
        const int code =
            format_.is_signed ? static_cast<int8_t>(codes[static_cast<size_t>(i)]) : codes[static_cast<size_t>(i)];
        const float product = scales[static_cast<size_t>(i / size)] * static_cast<float>(code);
        v[i] = format_.has_offset ? product + offsets[static_cast<size_t>(i / size)] : product;
      }
    }
  }

  void read_dense(int64_t, int64_t, void*) const override {
    fail(Code::kInternal, where(), ": was quantised and is not dense");
  }

 private:
  // `values`: room for a row. offsets: may be null when the format has none.
  void quantise_row(int64_t row, float* values, uint8_t* codes, float* scales, float* offsets) const {
    const int64_t in = in_features(), groups = format_.groups(in), size = format_.group_size(in);
    source_->read_values(row, 1, values);
    if (!all_finite(values, in))
      fail(Code::kInvalidInput, where(), ": row ", row,
           " holds a number that is infinite or NaN; it cannot be quantised");
    for (int64_t g = 0; g < groups; ++g) {
      const float* w = values + g * size;
      uint8_t* c = codes + g * size;
      const GroupScale s = format_.is_signed ? quantise_symmetric(w, size, format_.bits, c)
                                             : quantise_asymmetric(w, size, format_.bits, c);
      scales[g] = s.scale;
      if (format_.has_offset) offsets[g] = s.offset;
    }
  }
};

}  // namespace

std::unique_ptr<LinearSource> quantized(std::unique_ptr<LinearSource> source, const WeightFormat& target) {
  if (target == source->format()) return source;
  if (source->format().scheme == Scheme::kGroup)
    return std::make_unique<Wrapped>(std::move(source), target);  // act only
  return std::make_unique<Quantized>(std::move(source), target);
}

std::unique_ptr<LinearSource> decoded(std::unique_ptr<LinearSource> source) {
  return std::make_unique<Decoded>(std::move(source));
}

}  // namespace mainspring
