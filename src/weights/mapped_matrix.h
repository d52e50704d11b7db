// One matrix in a mapped file, read through its encoding.
#pragma once

#include <memory>
#include <string>

#include "weights/mapped_checkpoint.h"

namespace mainspring {

class MappedMatrix final : public LinearSource {
 public:
  MappedMatrix(StoredTensor stored, int64_t out, int64_t in, std::string name);

  const WeightFormat& format() const noexcept override { return stored_.encoding->format; }
  int64_t out_features() const noexcept override { return out_; }
  int64_t in_features() const noexcept override { return in_; }
  void read_values(int64_t row, int64_t n, float* values) const override;
  void read_codes(int64_t row, int64_t n, const CodeRows& rows) const override;
  void read_dense(int64_t row, int64_t n, void* values) const override;
  void drop_pages(int64_t row, int64_t n) const noexcept override;
  std::string where() const override;

 private:
  // Calls fn(first byte, first row of the destination, rows) for the runs of rows that lie together in the file.
  template <class Fn>
  void each_run(int64_t row, int64_t n, Fn fn) const;

  StoredTensor stored_;
  int64_t out_, in_;
  uint64_t row_bytes_;
  std::string name_;
};

// Row of the file that holds row `row` in Hugging Face order; see StoredTensor::rope_half.
inline int64_t interleaved_row(int64_t row, int64_t half) noexcept {
  const int64_t in_head = row % (2 * half);
  return row - in_head + (in_head % half) * 2 + in_head / half;
}

}  // namespace mainspring
