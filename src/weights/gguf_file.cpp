// The GGUF parser. Layout: github.com/ggml-org/ggml/blob/master/docs/gguf.md
#include "weights/gguf_file.h"

#include <algorithm>
#include <unordered_set>

#include "base/checked_math.h"
#include "base/utf8.h"
#include "quant/encoding.h"
#include "weights/byte_reader.h"

namespace mainspring {

namespace {

constexpr uint64_t kMaxTensors = 1 << 17;
constexpr uint64_t kMaxNameBytes = 1024;  // the format says 64, converters have written more
constexpr uint64_t kDefaultAlignment = 32, kMaxAlignment = 1 << 20;

// Types that GGUF files may contain and no file of quant/encodings reads: they can be listed, not opened.
constexpr GgufTensorType kOtherTypes[] = {
    {9, "Q8_1", 32, 40},     {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},  {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
    {24, "I8", 1, 1},        {25, "I16", 1, 2},        {26, "I32", 1, 4},        {27, "I64", 1, 8},
    {28, "F64", 1, 8},       {29, "IQ1_M", 256, 56},   {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},
    {39, "MXFP4", 32, 17},   {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18}};

GgufTensorType tensor_type(const ByteReader& r, std::string_view name, uint32_t number) {
  if (const Encoding* e = find_gguf_encoding(number)) return {number, e->name, e->block, e->block_bytes};
  for (const GgufTensorType& t : kOtherTypes)
    if (t.number == number) return t;
  r.invalid("tensor ", printable(name), ": unknown tensor type ", number);
}

void check_version(ByteReader& r) {
  const uint32_t version = r.number<uint32_t>("the version");
  if (version == 2 || version == 3) return;
  if ((version & 0xFFFF) == 0)
    r.invalid("is a big-endian GGUF file; only little-endian files can be read, convert it again");
  r.invalid("GGUF version ", version, " is not supported, expected 2 or 3; convert the model again");
}

// Everything of a directory entry except its bounds in the data section: offset is relative to that for now.
GgufTensor read_tensor(ByteReader& r, uint64_t index) {
  GgufTensor t;
  const uint64_t length = r.number<uint64_t>("a tensor name");
  if (length == 0 || length > kMaxNameBytes)
    r.invalid("tensor ", index, ": name of ", length, " bytes, expected 1..", kMaxNameBytes);
  t.name = {reinterpret_cast<const char*>(r.take(length, "a tensor name")), static_cast<size_t>(length)};
  if (!is_valid_utf8(t.name) || t.name.find('\0') != std::string_view::npos)
    r.invalid("tensor ", index, ": name ", printable(t.name), " is not valid UTF-8 text");
  const uint32_t n_dims = r.number<uint32_t>("a tensor rank");
  if (n_dims < 1 || n_dims > 4) r.invalid("tensor ", printable(t.name), ": ", n_dims, " dimensions, expected 1..4");
  t.shape.resize(n_dims);
  for (uint32_t d = 0; d < n_dims; ++d) {
    const uint64_t extent = r.number<uint64_t>("a tensor dimension");
    if (extent == 0 || extent > INT32_MAX)
      r.invalid("tensor ", printable(t.name), ": dimension ", d, " is ", extent, ", expected 1..", INT32_MAX);
    t.shape[n_dims - 1 - d] = static_cast<int64_t>(extent);  // the file has the innermost dimension first
  }
  t.type = tensor_type(r, t.name, r.number<uint32_t>("a tensor type"));
  t.offset = r.number<uint64_t>("a tensor offset");
  if (t.shape.back() % t.type.block != 0)
    r.invalid("tensor ", printable(t.name), ": rows of ", t.shape.back(), " numbers are not a multiple of the ",
              t.type.block, " numbers in a block of ", t.type.name);
  const uint64_t n = checked_elements(t.shape, printable(t.name));
  t.bytes = checked_mul(n / static_cast<uint64_t>(t.type.block), static_cast<uint64_t>(t.type.block_bytes),
                        printable(t.name));
  return t;
}

uint64_t read_alignment(const ByteReader& r, const GgufMetadata& metadata) {
  const int64_t a = metadata.find_int("general.alignment").value_or(kDefaultAlignment);
  if (a < 1 || a > static_cast<int64_t>(kMaxAlignment) || (a & (a - 1)) != 0)
    r.invalid("general.alignment is ", a, ", expected a power of two up to ", kMaxAlignment);
  return static_cast<uint64_t>(a);
}

// Makes offsets absolute and checks that the tensors lie inside the file, aligned and apart.
void place_tensors(const ByteReader& r, std::vector<GgufTensor>& tensors, uint64_t alignment, uint64_t file_size) {
  const uint64_t start = (r.position() + alignment - 1) / alignment * alignment;  // position <= file size: no overflow
  const uint64_t size = start <= file_size ? file_size - start : 0;
  std::vector<const GgufTensor*> order;
  for (GgufTensor& t : tensors) {
    if (t.offset % alignment != 0)
      r.invalid("tensor ", printable(t.name), ": offset ", t.offset, " is not a multiple of the alignment ", alignment);
    if (t.offset > size || t.bytes > size - t.offset)
      r.invalid("tensor ", printable(t.name), ": ", t.bytes, " bytes at offset ", t.offset, " of the data, but the data has ",
                size, " bytes; the file is damaged or not completely downloaded");
    t.offset += start;
    order.push_back(&t);
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset)
      r.invalid("tensors ", printable(order[i - 1]->name), " and ", printable(order[i]->name), " overlap");
}

}  // namespace

bool has_gguf_magic(const MappedFile& file) noexcept {
  return file.size() >= 4 && std::memcmp(file.bytes().data(), "GGUF", 4) == 0;
}

GgufFile parse_gguf(std::shared_ptr<const MappedFile> file) {
  GgufFile g;
  const std::string where = printable(file->path(), 200);
  ByteReader r(file->bytes(), where);
  if (!has_gguf_magic(*file)) r.invalid("is not a GGUF file (it does not begin with GGUF)");
  r.take(4, "the magic number");
  check_version(r);
  const uint64_t n_tensors = r.number<uint64_t>("the number of tensors");
  const uint64_t n_pairs = r.number<uint64_t>("the number of metadata pairs");
  if (n_tensors > kMaxTensors) r.invalid("claims ", n_tensors, " tensors, the limit is ", kMaxTensors);
  g.metadata = GgufMetadata(r, n_pairs, where);
  // A directory entry takes at least 33 bytes: name, rank, one dimension, type and offset.
  if (n_tensors > r.remaining() / 33) r.invalid("claims ", n_tensors, " tensors, which do not fit in the file");
  g.tensors.reserve(n_tensors);
  std::unordered_set<std::string_view> names;
  for (uint64_t i = 0; i < n_tensors; ++i) {
    g.tensors.push_back(read_tensor(r, i));
    if (!names.insert(g.tensors.back().name).second)
      r.invalid("tensor ", printable(g.tensors.back().name), " is there twice");
  }
  place_tensors(r, g.tensors, read_alignment(r, g.metadata), file->size());
  g.file = std::move(file);
  return g;
}

}  // namespace mainspring
