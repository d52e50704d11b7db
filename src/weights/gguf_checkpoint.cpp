// GGUF files as a checkpoint: parts of a split put together, names and row order of Hugging Face.
#include <algorithm>
#include <cstdio>

#include "base/str.h"
#include "weights/containers.h"
#include "weights/gguf_arch.h"

namespace mainspring {

namespace {

constexpr int64_t kMaxParts = 1024;
constexpr std::string_view kRopeFactors = "rope_freqs.weight";

std::string part_suffix(int64_t index, int64_t count) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05lld-of-%05lld.gguf", static_cast<long long>(index + 1),
                static_cast<long long>(count));
  return text;
}

int64_t part_number(const GgufFile& g) { return g.metadata.find_int("split.no").value_or(0); }
int64_t part_count(const GgufFile& g) { return g.metadata.find_int("split.count").value_or(1); }

// All parts of the model that `any` belongs to, in order.
std::vector<GgufFile> open_parts(GgufFile any) {
  const std::string path = any.file->path(), shown = printable(path, 200);
  const int64_t count = part_count(any), number = part_number(any);
  std::vector<GgufFile> parts;
  if (count <= 1) {
    parts.push_back(std::move(any));
    return parts;
  }
  if (count > kMaxParts || number < 0 || number >= count)
    fail(Code::kInvalidInput, shown, ": is part ", number, " of ", count, " by split.no and split.count, expected at most ",
         kMaxParts, " parts numbered from 0");
  const std::string suffix = part_suffix(number, count);
  if (!path.ends_with(suffix))
    fail(Code::kInvalidInput, shown, ": is part ", number + 1, " of ", count, ", so that its name must end in ", suffix);
  const std::string stem = path.substr(0, path.size() - suffix.size());
  int64_t tensors = 0;
  std::optional<int64_t> expected;
  for (int64_t i = 0; i < count; ++i) {
    GgufFile part = i == number ? std::move(any) : parse_gguf(std::make_shared<MappedFile>(stem + part_suffix(i, count)));
    if (part_count(part) != count || part_number(part) != i)
      fail(Code::kInvalidInput, printable(part.file->path(), 200), ": says it is part ", part_number(part), " of ",
           part_count(part), ", expected part ", i, " of ", count);
    tensors += static_cast<int64_t>(part.tensors.size());
    if (i == 0) expected = part.metadata.find_int("split.tensors.count");
    parts.push_back(std::move(part));
  }
  if (expected && *expected != tensors)
    fail(Code::kInvalidInput, shown, ": the parts hold ", tensors, " tensors, split.tensors.count says ", *expected);
  return parts;
}

// Rows of attn_q / attn_k per half head; 0 for all other tensors.
int64_t rope_half(const GgufArch& arch, const GgufTensor& t, int64_t heads, int64_t kv_heads) {
  if (!arch.interleaved_rope || t.name.substr(0, 4) != "blk.") return 0;
  const bool q = t.name.find(".attn_q.") != std::string_view::npos;
  if (!q && t.name.find(".attn_k.") == std::string_view::npos) return 0;
  const int64_t n = q ? heads : kv_heads;
  if (n < 1 || t.shape[0] % (2 * n) != 0)
    fail(Code::kInvalidInput, "tensor ", printable(t.name), ": ", t.shape[0], " rows cannot be split into ", n,
         " heads of even length");
  return t.shape[0] / n / 2;
}

std::vector<float> read_rope_factors(const GgufFile& part, const GgufTensor& t) {
  const Encoding* e = find_gguf_encoding(t.type.number);
  if (!e || e->format.scheme != Scheme::kDense || t.shape.size() != 1 || t.shape[0] > 65536)
    fail(Code::kInvalidInput, "tensor ", kRopeFactors, ": expected a vector of at most 65536 numbers, found ", t.type.name,
         " ", shape_text(t.shape));
  std::vector<float> factors(static_cast<size_t>(t.shape[0]));
  e->values(part.file->bytes().data() + t.offset, t.shape[0], factors.data());
  return factors;
}

}  // namespace

CheckpointParts open_gguf(std::shared_ptr<const MappedFile> file) {
  const std::string shown = printable(file->path(), 200);
  std::vector<GgufFile> parts = open_parts(parse_gguf(std::move(file)));
  const GgufArch& arch = find_gguf_arch(parts[0].metadata, shown);

  CheckpointParts c;
  c.container = "gguf";
  std::vector<const GgufTensor*> tensors;
  std::vector<float> factors;
  for (const GgufFile& part : parts) {
    c.file_bytes += part.file->size();
    for (const GgufTensor& t : part.tensors) {
      tensors.push_back(&t);
      if (t.name == kRopeFactors) factors = read_rope_factors(part, t);
    }
  }
  c.config = gguf_config(arch, parts[0].metadata, tensors, factors, shown);
  const int64_t heads = c.config.at("num_attention_heads").as_int();
  const int64_t kv_heads = c.config.at("num_key_value_heads").as_int();
  for (const GgufFile& part : parts)
    for (const GgufTensor& t : part.tensors) {
      if (t.name == kRopeFactors) continue;  // became rope_parameters.freq_factors
      const std::string name = hugging_face_name(arch, t.name).value_or(std::string(t.name));
      c.infos.push_back({name, t.shape, std::string(t.type.name), t.bytes});
      c.stored.push_back({.file = part.file,
                          .offset = t.offset,
                          .encoding = find_gguf_encoding(t.type.number),
                          .rope_half = rope_half(arch, t, heads, kv_heads),
                          .plus_one = arch.norms_plus_one && t.name.ends_with("norm.weight")});
    }
  c.gguf = std::make_unique<GgufMetadata>(std::move(parts[0].metadata));
  return c;
}

}  // namespace mainspring
