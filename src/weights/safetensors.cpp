// The safetensors parser. Layout: github.com/huggingface/safetensors#format
#include "weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "base/checked_math.h"
#include "base/utf8.h"
#include "weights/json_cursor.h"

namespace mainspring {

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // the reference's own limit
constexpr size_t kMaxTensors = 1 << 18;
constexpr size_t kMaxRank = 8;
constexpr size_t kMaxName = 4096;

struct DtypeBits {
  std::string_view name;
  uint32_t bits;
};
constexpr DtypeBits kDtypes[] = {
    {"F32", 32},     {"BF16", 16},    {"F16", 16},         {"F64", 64},         {"I64", 64},     {"I32", 32},
    {"I16", 16},     {"I8", 8},       {"U64", 64},         {"U32", 32},         {"U16", 16},     {"U8", 8},
    {"BOOL", 8},     {"F8_E4M3", 8},  {"F8_E5M2", 8},      {"F8_E8M0", 8},      {"F4", 4},       {"F6_E2M3", 6},
    {"F6_E3M2", 6},  {"C64", 64},     {"F8_E4M3FNUZ", 8},  {"F8_E5M2FNUZ", 8}};

uint32_t dtype_bits(std::string_view name) {
  for (const DtypeBits& d : kDtypes)
    if (d.name == name) return d.bits;
  return 0;
}

// One tensor's object; offsets stay relative to the data for now.
SafetensorsEntry read_entry(JsonCursor& json, std::string name) {
  SafetensorsEntry e;
  e.name = std::move(name);
  bool has_dtype = false, has_shape = false;
  std::vector<uint64_t> offsets;
  json.object([&](std::string& key) {
    if (key == "dtype") {
      e.dtype = json.string();
      has_dtype = true;
    } else if (key == "shape") {
      e.shape.clear();
      json.array([&] {
        const uint64_t extent = json.unsigned_integer();
        if (e.shape.size() >= kMaxRank || extent > INT32_MAX) json.invalid("shape with too many or too large dimensions");
        e.shape.push_back(static_cast<int64_t>(extent));
      });
      has_shape = true;
    } else if (key == "data_offsets") {
      offsets.clear();
      json.array([&] {
        if (offsets.size() >= 2) json.invalid("data_offsets must be two numbers");
        offsets.push_back(json.unsigned_integer());
      });
    } else {
      json.skip_value();
    }
  });
  if (!has_dtype || !has_shape || offsets.size() != 2)
    json.invalid(cat("tensor ", printable(e.name), " needs dtype, shape and two data_offsets"));
  if (offsets[0] > offsets[1]) json.invalid(cat("tensor ", printable(e.name), " ends before it begins"));
  e.offset = offsets[0];
  e.bytes = offsets[1] - offsets[0];
  return e;
}

void check_size(const SafetensorsEntry& e, std::string_view where) {
  const std::string shown = cat(where, ": tensor ", printable(e.name));
  const uint32_t bits = dtype_bits(e.dtype);
  if (bits == 0) fail(Code::kInvalidInput, shown, ": unknown dtype ", printable(e.dtype));
  const uint64_t total = checked_mul(checked_elements(e.shape, shown), bits, shown);
  if (total % 8 != 0 || total / 8 != e.bytes)
    fail(Code::kInvalidInput, shown, ": shape ", shape_text(e.shape), " of ", e.dtype, " needs ", (total + 7) / 8,
         " bytes, data_offsets give ", e.bytes);
}

std::vector<SafetensorsEntry> read_header(std::string_view header, std::string_view where) {
  JsonCursor json(header, where);
  std::vector<SafetensorsEntry> entries;
  std::unordered_set<std::string> names;
  json.object([&](std::string& key) {
    if (key == "__metadata__") {
      json.object([&](std::string&) { json.string(); });
      return;
    }
    if (key.empty() || key.size() > kMaxName || key.find('\0') != std::string::npos)
      json.invalid(cat("tensor name ", printable(key), " is empty, too long or has a zero byte"));
    if (entries.size() >= kMaxTensors) json.invalid(cat("more than ", kMaxTensors, " tensors"));
    if (!names.insert(key).second) json.invalid(cat("tensor ", printable(key), " is there twice"));
    entries.push_back(read_entry(json, std::move(key)));
  });
  json.end();
  return entries;
}

}  // namespace

std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> file, std::string_view where) {
  uint64_t header_bytes = 0;
  if (file.size() < 8) fail(Code::kInvalidInput, where, ": ", file.size(), " bytes are too few for a safetensors file");
  std::memcpy(&header_bytes, file.data(), 8);
  if (header_bytes > kMaxHeader || header_bytes < 2 || header_bytes > file.size() - 8)
    fail(Code::kInvalidInput, where, ": header of ", header_bytes, " bytes, expected 2..",
         std::min<uint64_t>(kMaxHeader, file.size() - 8), "; the file is damaged or not completely downloaded");
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + 8, header_bytes);
  if (header[0] != '{' || !is_valid_utf8(header))
    fail(Code::kInvalidInput, where, ": the header is not a JSON object in UTF-8");
  std::vector<SafetensorsEntry> entries = read_header(header, where);

  std::vector<SafetensorsEntry*> order;
  for (SafetensorsEntry& e : entries) {
    check_size(e, where);
    order.push_back(&e);
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  const uint64_t start = 8 + header_bytes, size = file.size() - start;
  uint64_t expected = 0;
  for (SafetensorsEntry* e : order) {
    if (e->offset != expected || e->bytes > size - expected)
      fail(Code::kInvalidInput, where, ": tensor ", printable(e->name), " takes bytes ", e->offset, "..",
           e->offset + e->bytes, " of the data, expected it to begin at ", expected, " and to end within ", size);
    expected += e->bytes;
    e->offset += start;
  }
  if (expected != size)
    fail(Code::kInvalidInput, where, ": tensors take ", expected, " bytes of ", size, " bytes of data");
  return entries;
}

}  // namespace mainspring
