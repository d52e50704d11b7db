// Parsing and typed access of GGUF key-value pairs.
#include <algorithm>
#include <cstring>
#include <limits>

#include "base/str.h"
#include "base/utf8.h"
#include "weights/byte_reader.h"
#include "weights/gguf.h"

namespace mainspring {

namespace {

constexpr uint64_t kMaxPairs = 1 << 16;      // real files have some dozens
constexpr uint64_t kMaxKeyBytes = 65535;     // by the format
constexpr uint64_t kMaxStringBytes = 16 << 20;
constexpr int kMaxNesting = 4;

// Bytes of a scalar; 0 for strings and arrays.
int scalar_bytes(GgufType t) {
  switch (t) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kBool: return 1;
    case GgufType::kUint16:
    case GgufType::kInt16: return 2;
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kFloat32: return 4;
    case GgufType::kUint64:
    case GgufType::kInt64:
    case GgufType::kFloat64: return 8;
    default: return 0;
  }
}

bool is_integer(GgufType t) {
  return scalar_bytes(t) > 0 && t != GgufType::kBool && t != GgufType::kFloat32 && t != GgufType::kFloat64;
}
bool is_number(GgufType t) { return scalar_bytes(t) > 0 && t != GgufType::kBool; }
bool is_string(GgufType t) { return t == GgufType::kString; }
bool is_flag(GgufType t) { return t == GgufType::kBool; }

template <class T>
T load(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

int64_t load_int(GgufType t, const std::byte* p) {
  switch (t) {
    case GgufType::kUint8: return load<uint8_t>(p);
    case GgufType::kInt8: return load<int8_t>(p);
    case GgufType::kUint16: return load<uint16_t>(p);
    case GgufType::kInt16: return load<int16_t>(p);
    case GgufType::kUint32: return load<uint32_t>(p);
    case GgufType::kInt32: return load<int32_t>(p);
    case GgufType::kUint64:  // beyond int64 no key has a meaning: the largest number fails every range check
      return static_cast<int64_t>(
          std::min<uint64_t>(load<uint64_t>(p), static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
    default: return load<int64_t>(p);
  }
}

double load_float(GgufType t, const std::byte* p) {
  if (t == GgufType::kFloat32) return static_cast<double>(load<float>(p));
  if (t == GgufType::kFloat64) return load<double>(p);
  return static_cast<double>(load_int(t, p));
}

// A string whose bounds were checked when the file was opened.
std::string_view load_string(const std::byte* p) {
  return {reinterpret_cast<const char*>(p) + 8, static_cast<size_t>(load<uint64_t>(p))};
}

std::string_view read_string(ByteReader& r, uint64_t limit, std::string_view what) {
  const uint64_t n = r.number<uint64_t>(what);
  if (n > limit) r.invalid(what, " at byte ", r.position(), " claims ", n, " bytes, the limit is ", limit);
  return {reinterpret_cast<const char*>(r.take(n, what)), static_cast<size_t>(n)};
}

GgufType read_type(ByteReader& r, std::string_view key) {
  const uint32_t t = r.number<uint32_t>("a metadata type");
  if (t > static_cast<uint32_t>(GgufType::kFloat64))
    r.invalid("key ", printable(key), ": unknown metadata type ", t, ", expected 0..12");
  return static_cast<GgufType>(t);
}

// Steps over the items of an array.
void skip_items(ByteReader& r, std::string_view key, GgufType element, uint64_t count, int nesting) {
  if (const int bytes = scalar_bytes(element)) {
    if (count > r.remaining() / static_cast<uint64_t>(bytes))
      r.invalid("key ", printable(key), ": array of ", count, " items does not fit in the ", r.remaining(),
                " bytes that follow");
    r.take(count * static_cast<uint64_t>(bytes), "a metadata array");
    return;
  }
  const uint64_t smallest = element == GgufType::kString ? 8 : 12;
  if (count > r.remaining() / smallest)
    r.invalid("key ", printable(key), ": array of ", count, " items does not fit in the ", r.remaining(),
              " bytes that follow");
  for (uint64_t i = 0; i < count; ++i) {
    if (element == GgufType::kString) {
      read_string(r, kMaxStringBytes, "a metadata string");
    } else {
      if (nesting >= kMaxNesting) r.invalid("key ", printable(key), ": arrays nested deeper than ", kMaxNesting);
      const GgufType inner = read_type(r, key);
      const uint64_t n = r.number<uint64_t>("an array length");
      skip_items(r, key, inner, n, nesting + 1);
    }
  }
}

}  // namespace

const char* gguf_type_name(GgufType t) noexcept {
  static constexpr const char* kNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                           "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<uint32_t>(t)];
}

GgufMetadata::GgufMetadata(ByteReader& r, uint64_t count, std::string_view where) : where_(where) {
  // A pair takes at least 13 bytes: key length, type and a value of one byte.
  if (count > kMaxPairs || count > r.remaining() / 13)
    r.invalid("claims ", count, " metadata pairs, which is over the limit of ", kMaxPairs, " or does not fit in the file");
  entries_.reserve(count);
  const std::byte* first = r.take(0, "the metadata");
  for (uint64_t i = 0; i < count; ++i) {
    Entry e;
    e.key = read_string(r, kMaxKeyBytes, "a metadata key");
    if (e.key.empty() || !is_valid_utf8(e.key)) r.invalid("metadata key ", i, " is empty or not valid UTF-8");
    e.type = read_type(r, e.key);
    if (e.type == GgufType::kArray) {
      e.element = read_type(r, e.key);
      e.count = r.number<uint64_t>("an array length");
    } else {
      e.element = e.type;
    }
    e.data = r.take(0, "a metadata value");
    skip_items(r, e.key, e.element, e.count, 1);
    if (!index_.emplace(e.key, static_cast<uint32_t>(i)).second) r.invalid("metadata key ", printable(e.key), " is there twice");
    entries_.push_back(e);
  }
  raw_ = {first, r.take(0, "the metadata")};
}

const GgufMetadata::Entry* GgufMetadata::find(std::string_view key) const noexcept {
  const auto it = index_.find(key);
  return it == index_.end() ? nullptr : &entries_[it->second];
}

const GgufMetadata::Entry* GgufMetadata::find_kind(std::string_view key, std::string_view expected,
                                                   bool (*accepts)(GgufType), bool array) const {
  const Entry* e = find(key);
  if (!e) return nullptr;
  // Where an array of numbers is wanted a lone number will do.
  const bool shape_ok = array ? e->type == GgufType::kArray || is_number(e->type) : e->type != GgufType::kArray;
  if (!shape_ok || !accepts(e->element))
    fail(Code::kInvalidInput, where_, ": key ", key, ": expected ", expected, ", found ",
         e->type == GgufType::kArray ? "an array of " : "", gguf_type_name(e->element));
  return e;
}

std::optional<std::string_view> GgufMetadata::find_string(std::string_view key) const {
  const Entry* e = find_kind(key, "a string", is_string, false);
  return e ? std::optional(load_string(e->data)) : std::nullopt;
}
std::optional<int64_t> GgufMetadata::find_int(std::string_view key) const {
  const Entry* e = find_kind(key, "an integer", is_integer, false);
  return e ? std::optional(load_int(e->type, e->data)) : std::nullopt;
}
std::optional<double> GgufMetadata::find_float(std::string_view key) const {
  const Entry* e = find_kind(key, "a number", is_number, false);
  return e ? std::optional(load_float(e->type, e->data)) : std::nullopt;
}
std::optional<bool> GgufMetadata::find_bool(std::string_view key) const {
  const Entry* e = find_kind(key, "a boolean", is_flag, false);
  return e ? std::optional(load<uint8_t>(e->data) != 0) : std::nullopt;
}

bool GgufMetadata::each_string(std::string_view key, FunctionRef<bool(uint64_t, std::string_view)> fn) const {
  const Entry* e = find_kind(key, "an array of strings", is_string, true);
  if (!e) return false;
  const std::byte* p = e->data;
  for (uint64_t i = 0; i < e->count; ++i) {
    const std::string_view text = load_string(p);
    if (!fn(i, text)) break;
    p += 8 + text.size();
  }
  return true;
}

std::optional<std::vector<std::string_view>> GgufMetadata::find_strings(std::string_view key) const {
  std::vector<std::string_view> all;
  if (const Entry* e = find(key)) all.reserve(std::min<uint64_t>(e->count, 1 << 20));
  const bool found = each_string(key, [&](uint64_t, std::string_view text) {
    all.push_back(text);
    return true;
  });
  return found ? std::optional(std::move(all)) : std::nullopt;
}

std::optional<std::vector<int32_t>> GgufMetadata::find_ints(std::string_view key) const {
  const Entry* e = find_kind(key, "an array of integers", is_integer, true);
  if (!e) return std::nullopt;
  std::vector<int32_t> all(e->count);
  for (uint64_t i = 0; i < e->count; ++i) {
    const int64_t v = load_int(e->element, e->data + i * static_cast<uint64_t>(scalar_bytes(e->element)));
    if (v < std::numeric_limits<int32_t>::min() || v > std::numeric_limits<int32_t>::max())
      fail(Code::kInvalidInput, where_, ": key ", key, ": item ", i, " is ", v, ", which does not fit in 32 bits");
    all[i] = static_cast<int32_t>(v);
  }
  return all;
}

std::optional<std::vector<float>> GgufMetadata::find_floats(std::string_view key) const {
  const Entry* e = find_kind(key, "an array of numbers", is_number, true);
  if (!e) return std::nullopt;
  std::vector<float> all(e->count);
  for (uint64_t i = 0; i < e->count; ++i)
    all[i] = static_cast<float>(load_float(e->element, e->data + i * static_cast<uint64_t>(scalar_bytes(e->element))));
  return all;
}

std::string GgufMetadata::describe(const Entry& e) const {
  if (e.type == GgufType::kArray)
    return cat("[", e.count, " ", gguf_type_name(e.element), e.count == 1 ? "]" : "s]");
  if (e.type == GgufType::kString) return cat("\"", printable(load_string(e.data)), "\"");
  if (e.type == GgufType::kBool) return load<uint8_t>(e.data) ? "true" : "false";
  return is_integer(e.type) ? cat(load_int(e.type, e.data)) : cat(load_float(e.type, e.data));
}

}  // namespace mainspring
