// Row-wise reading of a mapped matrix.
#include "weights/mapped_matrix.h"

#include <cstring>

#include "base/str.h"

namespace mainspring {

MappedMatrix::MappedMatrix(StoredTensor stored, int64_t out, int64_t in, std::string name)
    : stored_(std::move(stored)),
      out_(out),
      in_(in),
      row_bytes_(static_cast<uint64_t>(in / stored_.encoding->block) *
                 static_cast<uint64_t>(stored_.encoding->block_bytes)),
      name_(std::move(name)) {}

template <class Fn>
void MappedMatrix::each_run(int64_t row, int64_t n, Fn fn) const {
  if (row < 0 || n < 0 || n > out_ - row)
    fail(Code::kInternal, where(), ": rows ", row, "..", row + n, " of ", out_, " were asked for");
  const std::byte* base = stored_.file->bytes().data() + stored_.offset;
  if (stored_.rope_half == 0) {
    if (n > 0) fn(base + static_cast<uint64_t>(row) * row_bytes_, int64_t{0}, n);
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    fn(base + static_cast<uint64_t>(interleaved_row(row + i, stored_.rope_half)) * row_bytes_, i, int64_t{1});
}

void MappedMatrix::read_values(int64_t row, int64_t n, float* values) const {
  const Encoding& e = *stored_.encoding;
  each_run(row, n, [&](const std::byte* src, int64_t first, int64_t rows) {
    e.values(src, rows * (in_ / e.block), values + first * in_);
  });
}

void MappedMatrix::read_codes(int64_t row, int64_t n, const CodeRows& out) const {
  const Encoding& e = *stored_.encoding;
  if (!e.codes) fail(Code::kInternal, where(), ": ", e.name, " has no codes");
  const int64_t groups = e.format.groups(in_);
  each_run(row, n, [&](const std::byte* src, int64_t first, int64_t rows) {
    e.codes(src, rows * (in_ / e.block),
            {out.codes + first * in_, out.scales + first * groups, out.offsets ? out.offsets + first * groups : nullptr});
  });
}

void MappedMatrix::read_dense(int64_t row, int64_t n, void* values) const {
  if (format().scheme != Scheme::kDense) fail(Code::kInternal, where(), ": ", stored_.encoding->name, " is not dense");
  each_run(row, n, [&](const std::byte* src, int64_t first, int64_t rows) {
    std::memcpy(static_cast<std::byte*>(values) + static_cast<uint64_t>(first) * row_bytes_, src,
                static_cast<uint64_t>(rows) * row_bytes_);
  });
}

void MappedMatrix::drop_pages(int64_t row, int64_t n) const noexcept {
  int64_t first = row, last = row + n;
  if (const int64_t head = 2 * stored_.rope_half) {
    // The rows of a head are read all over its range: it is finished when its last row is.
    first = row / head * head;
    last = last / head * head;
  }
  if (last > first)
    stored_.file->drop_pages(stored_.offset + static_cast<uint64_t>(first) * row_bytes_,
                             static_cast<uint64_t>(last - first) * row_bytes_);
}

std::string MappedMatrix::where() const { return cat("tensor ", name_, " of ", printable(stored_.file->path(), 200)); }

}  // namespace mainspring
