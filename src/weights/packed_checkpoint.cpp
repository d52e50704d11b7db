// Reading the directory of a packed file: every number in it may be wrong.
#include "weights/packed_checkpoint.h"

#include <algorithm>
#include <cstring>

#include "base/checked_math.h"
#include "base/hash.h"
#include "base/str.h"
#include "weights/byte_reader.h"
#include "weights/packed_format.h"

namespace mainspring {

namespace {

constexpr uint64_t kMaxDirectory = uint64_t{64} << 20;
constexpr size_t kMaxEntries = 1 << 17;
constexpr uint64_t kMaxValues = 1 << 24;
constexpr size_t kMaxName = 1024;

const Json::Array& list(const Json& directory, std::string_view key, const std::string& where) {
  const Json::Array& items = directory.at(key).as_array();
  if (items.size() > kMaxEntries)
    fail(Code::kInvalidInput, where, ": ", items.size(), " ", key, ", the limit is ", kMaxEntries);
  return items;
}

const std::string& name_of(const Json& entry, const std::string& where) {
  const std::string& name = entry.at("name").as_string();
  if (name.empty() || name.size() > kMaxName) fail(Code::kInvalidInput, where, ": a name of ", name.size(), " bytes");
  return name;
}

std::vector<int64_t> shape_of(const Json& entry, const std::string& what) {
  std::vector<int64_t> shape;
  const Json::Array& dims = entry.at("shape").as_array();
  if (dims.empty() || dims.size() > 4) fail(Code::kInvalidInput, what, ": ", dims.size(), " dimensions, expected 1..4");
  for (const Json& d : dims) {
    shape.push_back(d.as_int());
    if (shape.back() < 1) fail(Code::kInvalidInput, what, ": dimension ", shape.back(), ", expected at least 1");
  }
  checked_elements(shape, what);
  return shape;
}

ComputeType compute_named(const std::string& name, const std::string& where) {
  for (const ComputeType t : {ComputeType::kF32, ComputeType::kBf16, ComputeType::kF16})
    if (name == compute_type_name(t)) return t;
  fail(Code::kInvalidInput, where, ": packed for the unknown type \"", printable(name), "\"");
}

}  // namespace

bool has_packed_magic(const MappedFile& file) noexcept {
  return file.size() >= sizeof kPackedMagic && std::memcmp(file.bytes().data(), kPackedMagic, sizeof kPackedMagic) == 0;
}

PackedCheckpoint::PackedCheckpoint(std::shared_ptr<const MappedFile> file)
    : file_(std::move(file)), where_(printable(file_->path(), 200)) {
  const Json directory = read_directory();
  try {
    read_info(directory);
    read_matrices(directory);
    read_vectors(directory);
    read_texts(directory);
  } catch (const Error& e) {
    if (e.message().starts_with(where_)) throw;
    throw e.in(where_ + ": directory");   // a key of the JSON document
  }
  index_.reserve(infos_.size());
  for (size_t i = 0; i < infos_.size(); ++i)
    if (!index_.emplace(infos_[i].name, i).second)
      fail(Code::kInvalidInput, where_, ": tensor ", printable(infos_[i].name), " is there twice");
}

Json PackedCheckpoint::read_directory() const {
  ByteReader r(file_->bytes(), where_);
  PackedHeader h;
  std::memcpy(&h, r.take(sizeof h, "the header"), sizeof h);
  if (std::memcmp(h.magic, kPackedMagic, sizeof kPackedMagic) != 0) r.invalid("is not a packed file");
  if (h.version != kPackedVersion)
    r.invalid("packed file version ", h.version, " is not supported, expected ", kPackedVersion,
              "; pack the model again with mainspring pack");
  const uint64_t hash = hash64(file_->bytes().first(offsetof(PackedHeader, header_hash)));
  if (h.header_bytes != sizeof h || h.header_hash != hash) r.invalid("the header is damaged");
  if (h.file_bytes != file_->size())
    r.invalid("has ", file_->size(), " bytes, its header says ", h.file_bytes, "; the file was cut or appended to");
  if (h.directory_offset > h.file_bytes || h.directory_bytes > h.file_bytes - h.directory_offset ||
      h.directory_bytes > kMaxDirectory)
    r.invalid("the directory of ", h.directory_bytes, " bytes at byte ", h.directory_offset, " is outside of the file");
  const auto bytes = file_->bytes().subspan(h.directory_offset, h.directory_bytes);
  if (hash64(bytes) != h.directory_hash) r.invalid("the directory is damaged");
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, where_ + ": directory",
                    {.max_bytes = kMaxDirectory, .max_depth = 32});
}

PackedCheckpoint::Part PackedCheckpoint::read_part(const Json& entry, uint64_t alignment,
                                                   const std::string& what) const {
  const Part p{entry.at("offset").as_uint(), entry.at("bytes").as_uint(), parse_hash(entry.at("hash"), what)};
  if (p.offset % alignment != 0)
    fail(Code::kInvalidInput, what, ": offset ", p.offset, " is not a multiple of ", alignment);
  if (p.offset > file_->size() || p.bytes > file_->size() - p.offset)
    fail(Code::kInvalidInput, what, ": ", p.bytes, " bytes at byte ", p.offset, " are outside of the file");
  return p;
}

void PackedCheckpoint::read_info(const Json& d) {
  info_ = {.program = d.at("program").as_string(),
           .device = d.at("device").as_string(),
           .isa = d.at("isa").as_string(),
           .quantize = d.at("quantize").as_string(),
           .source = d.at("source").as_string(),
           .compute = compute_named(d.at("compute").as_string(), where_)};
  config_ = d.at("config");
  generation_config_ = d.at("generation_config");
  if (!config_.is_object() || !(generation_config_.is_object() || generation_config_.is_null()))
    fail(Code::kInvalidInput, where_, ": config or generation_config is not an object");
  for (const Json& f : list(d, "formats", where_))
    formats_.push_back({parse_format(f, where_), parse_hash(f.at("layout"), where_ + ": layout")});
}

void PackedCheckpoint::add_tensor(const Json& entry, Part part, std::string encoding, std::optional<size_t> format) {
  const std::string& name = name_of(entry, where_);
  infos_.push_back({name, shape_of(entry, cat(where_, ": tensor ", printable(name))), std::move(encoding), part.bytes});
  parts_.push_back(part);
  format_of_.push_back(format);
}

void PackedCheckpoint::read_matrices(const Json& d) {
  for (const Json& m : list(d, "matrices", where_)) {
    const std::string what = cat(where_, ": tensor ", printable(name_of(m, where_)));
    const uint64_t format = m.at("format").as_uint();
    if (format >= formats_.size())
      fail(Code::kInvalidInput, what, ": format ", format, " of ", formats_.size(), " formats");
    const WeightFormat& f = formats_[format].format;
    add_tensor(m, read_part(m, kPackedPage, what), stored_name(f, info_.compute), format);
    const std::vector<int64_t>& shape = infos_.back().shape;
    if (shape.size() != 2) fail(Code::kInvalidInput, what, ": expected a matrix, found shape ", shape_text(shape));
    if (f.scheme == Scheme::kGroup && f.group > 0 && shape[1] % f.group != 0)
      fail(Code::kInvalidInput, what, ": ", shape[1], " inputs are not a multiple of the group of ", f.group);
  }
}

void PackedCheckpoint::read_vectors(const Json& d) {
  for (const Json& v : list(d, "vectors", where_)) {
    const std::string what = cat(where_, ": tensor ", printable(name_of(v, where_)));
    add_tensor(v, read_part(v, kPackedAlign, what), "F32", std::nullopt);
    const uint64_t n = infos_.back().elements();
    if (n > kMaxValues || parts_.back().bytes != n * sizeof(float))
      fail(Code::kInvalidInput, what, ": ", n, " numbers in ", parts_.back().bytes, " bytes");
  }
}

void PackedCheckpoint::read_texts(const Json& d) {
  for (const Json& t : list(d, "texts", where_)) {
    const std::string& name = name_of(t, where_);
    texts_.emplace_back(name, read_part(t, kPackedAlign, cat(where_, ": text ", printable(name))));
  }
  if (const auto bytes = text(kPackedGgufText)) {
    ByteReader r(std::as_bytes(std::span(*bytes)), where_ + ": GGUF metadata");
    const auto count = r.number<uint64_t>("the number of metadata pairs");
    gguf_ = std::make_unique<GgufMetadata>(r, count, where_ + ": GGUF metadata");
  }
}

const TensorInfo* PackedCheckpoint::find(std::string_view name) const noexcept {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &infos_[it->second];
}

size_t PackedCheckpoint::index_of(std::string_view name) const {
  const auto it = index_.find(name);
  if (it == index_.end()) fail(Code::kNotFound, "tensor ", printable(name), " is not in ", where_);
  return it->second;
}

std::unique_ptr<LinearSource> PackedCheckpoint::matrix(std::string_view name) const {
  index_of(name);
  fail(Code::kUnsupported, "tensor ", printable(name), " of ", where_, ": is packed for ", info_.device, " ", info_.isa,
       " and cannot be packed another time; give the model it was made from");
}

PackedMatrix PackedCheckpoint::packed_matrix(std::string_view name) const {
  const size_t i = index_of(name);
  const TensorInfo& info = infos_[i];
  if (!format_of_[i]) fail(Code::kInvalidInput, "tensor ", printable(name), " of ", where_, ": is not a matrix");
  const Format& f = formats_[*format_of_[i]];
  return {.format = f.format,
          .compute = info_.compute,
          .out_features = info.shape[0],
          .in_features = info.shape[1],
          .layout = f.layout,
          .data = bytes_of(parts_[i]),
          .owner = file_,
          .where = cat("tensor ", printable(name), " of ", where_)};
}

std::vector<float> PackedCheckpoint::values(std::string_view name) const {
  const size_t i = index_of(name);
  if (format_of_[i]) matrix(name);
  const auto bytes = bytes_of(parts_[i]);
  std::vector<float> v(bytes.size() / sizeof(float));
  if (!v.empty()) std::memcpy(v.data(), bytes.data(), bytes.size());
  return v;
}

std::optional<std::string_view> PackedCheckpoint::text(std::string_view name) const noexcept {
  for (const auto& [key, part] : texts_)
    if (key == name) return std::string_view(reinterpret_cast<const char*>(bytes_of(part).data()), part.bytes);
  return std::nullopt;
}

std::function<void(const std::atomic<bool>&)> PackedCheckpoint::prefetcher() const {
  std::vector<Part> order;
  for (size_t i = 0; i < parts_.size(); ++i)
    if (format_of_[i]) order.push_back(parts_[i]);
  // The first matrix is the embedding: a step wants a few of its rows, and all of it at the very end where it is the
  // head.
  if (!order.empty()) std::rotate(order.begin(), order.begin() + 1, order.end());
  return [file = file_, order = std::move(order)](const std::atomic<bool>& stop) {
    constexpr uint64_t kPiece = uint64_t{16} << 20;
    for (const Part& p : order)
      for (uint64_t at = 0; at < p.bytes && !stop; at += kPiece)
        file->populate(p.offset + at, std::min(kPiece, p.bytes - at));
  };
}

void PackedCheckpoint::verify(const std::function<void(uint64_t)>& progress) const {
  uint64_t done = 0;
  const auto check = [&](const Part& p, const std::string& what) {
    if (hash64(bytes_of(p)) != p.hash)
      fail(Code::kInvalidInput, where_, ": ", what, " is damaged (its hash differs); pack the model again");
    done += p.bytes;
    if (progress) progress(done);
  };
  for (size_t i = 0; i < infos_.size(); ++i) check(parts_[i], cat("tensor ", printable(infos_[i].name)));
  for (const auto& [name, part] : texts_) check(part, cat("text ", printable(name)));
}

}  // namespace mainspring
