// Names to byte ranges, byte ranges to numbers.
#include "weights/mapped_checkpoint.h"

#include <algorithm>

#include "base/str.h"
#include "weights/mapped_matrix.h"

namespace mainspring {

namespace {
constexpr int64_t kMaxValues = 1 << 24;
}

MappedCheckpoint::MappedCheckpoint(CheckpointParts parts) : parts_(std::move(parts)) {
  index_.reserve(parts_.infos.size());
  for (size_t i = 0; i < parts_.infos.size(); ++i)
    if (!index_.emplace(parts_.infos[i].name, i).second)
      fail(Code::kInvalidInput, printable(parts_.stored[i].file->path(), 200), ": tensor ",
           printable(parts_.infos[i].name), " is there twice");
}

const TensorInfo* MappedCheckpoint::find(std::string_view name) const noexcept {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &parts_.infos[it->second];
}

size_t MappedCheckpoint::readable(std::string_view name) const {
  const auto it = index_.find(name);
  if (it == index_.end()) fail(Code::kNotFound, "tensor ", printable(name), " is not in the checkpoint");
  const TensorInfo& info = parts_.infos[it->second];
  if (!parts_.stored[it->second].encoding) {
    std::string known;
    for (const Encoding* e : all_encoding()) known += cat(known.empty() ? "" : ", ", e->name);
    fail(Code::kUnsupported, "tensor ", printable(name), " of ", printable(parts_.stored[it->second].file->path(), 200),
         ": encoding ", info.encoding, " cannot be read, supported are ", known);
  }
  return it->second;
}

std::unique_ptr<LinearSource> MappedCheckpoint::matrix(std::string_view name) const {
  const size_t i = readable(name);
  const TensorInfo& info = parts_.infos[i];
  const StoredTensor& s = parts_.stored[i];
  if (info.shape.size() != 2)
    fail(Code::kInvalidInput, "tensor ", printable(name), ": expected a matrix, found shape ", shape_text(info.shape));
  s.file->will_need(s.offset, info.bytes);
  return std::make_unique<MappedMatrix>(s, info.shape[0], info.shape[1], info.name);
}

std::vector<float> MappedCheckpoint::values(std::string_view name) const {
  const size_t index = readable(name);
  const TensorInfo& info = parts_.infos[index];
  const StoredTensor& s = parts_.stored[index];
  const auto n = static_cast<int64_t>(info.elements());
  if (n > kMaxValues)
    fail(Code::kInvalidInput, "tensor ", printable(name), ": ", n, " numbers are too many to be read at once, the limit is ",
         kMaxValues);
  std::vector<float> v(static_cast<size_t>(n));
  s.encoding->values(s.file->bytes().data() + s.offset, n / s.encoding->block, v.data());
  if (s.rope_half > 0) {
    const int64_t rows = info.shape[0], width = n / rows;
    std::vector<float> sorted(v.size());
    for (int64_t r = 0; r < rows; ++r)
      std::copy_n(v.data() + interleaved_row(r, s.rope_half) * width, width, sorted.data() + r * width);
    v = std::move(sorted);
  }
  if (s.plus_one)
    for (float& x : v) x -= 1.0f;
  return v;
}

}  // namespace mainspring
