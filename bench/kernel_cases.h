// What kernel_bench measures of ours: linear layers on the bytes of a GGUF encoding, and decode attention, both through
// the Device interface and over copies that rotate, so that data comes from memory as in a whole model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/cpu_device.h"
#include "ggml_rival.h"
#include "ops/attention.h"
#include "ops/linear.h"
#include "quant/encoding.h"

namespace mainspring::bench {

// A format of kernel_bench: its name, how the matrix is described to our device, and what the rival computes with.
struct LinearFormat {
  std::string name;            // "q4_0"
  const Encoding* encoding;    // the bytes both compute with; nullptr: ours only, from random codes
  WeightFormat format;         // ours
  const Encoding* rival;       // what the rival is given: the same bytes, or the nearest of its formats
  bool int8_activations;
};
std::vector<LinearFormat> linear_formats();

std::vector<float> normal_values(size_t n, uint32_t seed);

// Random blocks of an encoding, with scales of a checkpoint's size.
std::vector<std::byte> random_blocks(const Encoding& e, int64_t out, int64_t in);

// A matrix of random blocks, or (`e` null) of random codes.
std::unique_ptr<LinearSource> make_source(const LinearFormat& f, const std::vector<std::byte>& blocks, int64_t out,
                                          int64_t in);

class OursLinear {
 public:
  OursLinear(CpuDevice& d, const LinearSource& source, size_t rotate_bytes);
  void set_input(const std::vector<float>& x, int64_t rows);
  int run();   // one product; 1
  const std::vector<float>& output() const { return y_; }
  size_t bytes() const { return copies_[0]->bytes; }
  int copies() const { return static_cast<int>(copies_.size()); }
  std::string kernel() const { return copies_[0]->kernel_name(); }

 private:
  CpuDevice& device_;
  std::vector<std::unique_ptr<LinearWeight>> copies_;
  const LinearWeight* part_ = nullptr;
  std::vector<float> x_, y_;
  ops::Linear op_;
  size_t next_ = 0;
};

class OursAttention {
 public:
  OursAttention(CpuDevice& d, KvFormat format, const AttentionShape& s, const std::vector<float>& q,
                const std::vector<float>& k, const std::vector<float>& v, float scale, size_t rotate_bytes);
  int run();
  const std::vector<float>& output() const { return out_; }
  size_t bytes() const { return layer_bytes_; }   // of one layer: what one decode step reads
  int copies() const { return copies_; }

 private:
  CpuDevice& device_;
  size_t layer_bytes_;
  int copies_;
  Device::Buffer pool_;
  std::vector<float> q_, out_;
  std::vector<int32_t> ints_;
  Batch batch_;
  ops::Attention op_;
  size_t next_ = 0;
};

// Root mean square of the difference, relative to that of `expected`.
double relative_error(const std::vector<float>& got, const std::vector<double>& expected);
// The first outputs of the first row: x[0] * W^T in double precision.
std::vector<double> linear_reference(const LinearSource& source, const std::vector<float>& x, int64_t outputs);
std::vector<double> attention_reference(const AttentionShape& s, const std::vector<float>& q, const std::vector<float>& k,
                                        const std::vector<float>& v, float scale);

}  // namespace mainspring::bench
