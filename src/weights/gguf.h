// The key-value part of a GGUF file, for the tokenizer, the chat template and `inspect`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/function_ref.h"

namespace mainspring {

class ByteReader;

enum class GgufType : uint32_t {
  kUint8, kInt8, kUint16, kInt16, kUint32, kInt32, kFloat32, kBool, kString, kArray, kUint64, kInt64, kFloat64
};
const char* gguf_type_name(GgufType t) noexcept;

// Typed access to the metadata. Views point into the mapped file: they live as long as the Checkpoint.
// An absent key gives nullopt; a key of another kind is kInvalidInput with the key, the kind expected and the kind found.
class GgufMetadata {
 public:
  struct Entry {
    std::string_view key;
    GgufType type = GgufType::kUint8;     // of the value, kArray for arrays
    GgufType element = GgufType::kUint8;  // of an array's items
    uint64_t count = 1;                   // of an array's items
    const std::byte* data = nullptr;      // the value's bytes in the file (behind type and count)
  };

  GgufMetadata() = default;
  // Reads `count` pairs; kInvalidInput when they are malformed, doubled or reach beyond the file.
  GgufMetadata(ByteReader& reader, uint64_t count, std::string_view where);

  bool has(std::string_view key) const noexcept { return find(key) != nullptr; }
  std::optional<std::string_view> find_string(std::string_view key) const;
  std::optional<int64_t> find_int(std::string_view key) const;     // any integer type
  std::optional<double> find_float(std::string_view key) const;    // any floating or integer type
  std::optional<bool> find_bool(std::string_view key) const;
  // Arrays. A single number counts as an array of one in find_ints and find_floats.
  std::optional<std::vector<std::string_view>> find_strings(std::string_view key) const;
  std::optional<std::vector<int32_t>> find_ints(std::string_view key) const;
  std::optional<std::vector<float>> find_floats(std::string_view key) const;
  // Calls fn(index, text) for the strings of an array until it returns false; false when there is no such key.
  bool each_string(std::string_view key, FunctionRef<bool(uint64_t index, std::string_view text)> fn) const;

  const std::vector<Entry>& entries() const noexcept { return entries_; }  // in file order
  std::span<const std::byte> raw() const noexcept { return raw_; }         // the pairs as they lie in the file
  // One printable line for people: `"text"`, `32`, `[49152 strings]`.
  std::string describe(const Entry& entry) const;

 private:
  const Entry* find(std::string_view key) const noexcept;
  const Entry* find_kind(std::string_view key, std::string_view expected, bool (*accepts)(GgufType), bool array) const;

  std::string where_;
  std::vector<Entry> entries_;
  std::span<const std::byte> raw_;
  std::unordered_map<std::string_view, uint32_t> index_;
};

}  // namespace mainspring
