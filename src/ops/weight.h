// Weight matrices: how a checkpoint matrix is described (WeightFormat), read row by row (LinearSource), and what a
// device makes of it (LinearWeight).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tensor/tensor.h"

namespace mainspring {

// What the arithmetic of a run is made of. kF32 is the parity oracle: exact weights, fp32 sums.
// kBf16 / kF16: dense weights and the KV cache are kept in that type; quantised weights keep their own codes and meet
// activations of 16 bits (see docs/decisions.md). Sums are fp32 or exact integers everywhere.
enum class ComputeType : uint8_t { kF32, kBf16, kF16 };
const char* compute_type_name(ComputeType t) noexcept;

enum class Scheme : uint8_t { kDense, kGroup };

// How finely the activations of a kGroup matrix are kept while they are multiplied. k16: at least 16 bits.
// k8: codes -127..127 with one scale per token and group of the matrix (per token when group is 0):
// scale = max |x| / 127, code = round to nearest even of x / scale. kF32 runs do not round them.
enum class ActType : uint8_t { k16, k8 };

// kDense: values of type `dense`.
// kGroup: integer codes of `bits` bits; `group` consecutive inputs of a row share a scale and, with has_offset, an
// offset: w = scale * code + offset. Codes are unsigned 0..2^bits-1, or two's complement -2^(bits-1).. when is_signed.
// group 0: the whole row is one group.
struct WeightFormat {
  Scheme scheme = Scheme::kDense;
  DType dense = DType::kF32;
  uint8_t bits = 0;
  bool is_signed = false;
  bool has_offset = false;
  uint16_t group = 0;
  ActType act = ActType::k16;  // kGroup only
  int64_t groups(int64_t in) const noexcept { return group == 0 ? 1 : in / group; }  // per row
  int64_t group_size(int64_t in) const noexcept { return group == 0 ? in : group; }
  bool operator==(const WeightFormat&) const = default;
};
std::string format_name(const WeightFormat& f);  // "bf16", "u4 g32 +offset", "s6 g16", "s8 row a8"
// The same of a matrix on a device: dense weights are kept in the type of a 16-bit run.
std::string stored_name(const WeightFormat& f, ComputeType compute);

// Destination of a canonical decode of n rows; the caller owns the memory.
struct CodeRows {
  uint8_t* codes = nullptr;   // [n, in]; the bit pattern of an int8 when the format is signed
  float* scales = nullptr;    // [n, format.groups(in)]
  float* offsets = nullptr;   // [n, format.groups(in)]; only with has_offset
};

// One matrix [out_features, in_features] of a checkpoint, whatever file and encoding it lies in. Reading is
// thread-safe and exact: scale and offset are the encoding's own numbers in fp32.
class LinearSource {
 public:
  virtual ~LinearSource() = default;
  virtual const WeightFormat& format() const noexcept = 0;
  virtual int64_t out_features() const noexcept = 0;
  virtual int64_t in_features() const noexcept = 0;
  // Rows [row, row + n) as values, decoded: scale * code + offset rounded as the encoding's reference does.
  virtual void read_values(int64_t row, int64_t n, float* values) const = 0;   // [n, in]
  // kGroup only.
  virtual void read_codes(int64_t row, int64_t n, const CodeRows& rows) const = 0;
  // kDense only: rows in the source's own type, copied to `values` ([n, in] of format().dense).
  virtual void read_dense(int64_t row, int64_t n, void* values) const = 0;
  // The rows will not be read again: resident file pages may be given back.
  virtual void drop_pages(int64_t row, int64_t n) const noexcept {}
  // For messages: tensor name and file.
  virtual std::string where() const = 0;
};

// A matrix as a device keeps it, packed for one of its linear kernels. Owned by the module that asked for it.
class LinearWeight {
 public:
  virtual ~LinearWeight() = default;
  int64_t out_features = 0;
  int64_t in_features = 0;
  WeightFormat format;   // of the source
  size_t bytes = 0;      // device memory in use
  virtual const char* kernel_name() const noexcept = 0;
  // What the kernels read, for files that keep packed matrices; empty: this device's matrices cannot be kept.
  virtual std::span<const std::byte> packed_bytes() const noexcept { return {}; }
  // A number that is another one when the same matrix would be packed into other bytes (kernel, panel shape, bit order).
  virtual uint64_t layout() const { return 0; }
};

}  // namespace mainspring
