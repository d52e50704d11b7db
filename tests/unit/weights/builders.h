// Files for the tests, written byte by byte so that they may also be wrong on purpose.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mainspring::testing {

inline std::string data_path(std::string_view name) {
  return std::string(MAINSPRING_SOURCE_DIR) + "/tests/data/" + std::string(name);
}

inline std::string read_bytes(const std::string& path) {
  std::ifstream f(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(f), std::istreambuf_iterator<char>()};
}

// A folder of its own, removed with everything in it.
class TempFolder {
 public:
  TempFolder() {
    std::error_code ec;
    const std::filesystem::path memory = "/dev/shm";  // thousands of files: a disk takes a millisecond for each
    std::string name = (std::filesystem::is_directory(memory, ec) ? memory : std::filesystem::temp_directory_path()) / "mainspring-XXXXXX";
    if (!::mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view bytes) const {
    std::ofstream f(file(name), std::ios::binary | std::ios::trunc);
    f.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file(name);
  }

 private:
  std::string path_;
};

struct Bytes {
  std::string s;
  template <class T>
  Bytes& num(T v) {
    s.append(reinterpret_cast<const char*>(&v), sizeof v);
    return *this;
  }
  Bytes& str(std::string_view v) {
    num<uint64_t>(v.size());
    s.append(v);
    return *this;
  }
};

// A GGUF file. Every number can be set to nonsense.
struct GgufBuilder {
  uint32_t version = 3;
  uint64_t extra_pairs = 0, extra_tensors = 0;  // claimed beyond those that are there
  uint64_t pairs = 0, tensors = 0;
  Bytes kv, directory;
  std::string data;

  GgufBuilder& text(std::string_view key, std::string_view value) {
    kv.str(key).num<uint32_t>(8).str(value);
    ++pairs;
    return *this;
  }
  GgufBuilder& u32(std::string_view key, uint32_t value) {
    kv.str(key).num<uint32_t>(4).num(value);
    ++pairs;
    return *this;
  }
  GgufBuilder& tensor(std::string_view name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
    directory.str(name).num(static_cast<uint32_t>(dims.size()));
    for (uint64_t d : dims) directory.num(d);
    directory.num(type).num(offset);
    ++tensors;
    return *this;
  }
  std::string bytes() const {
    Bytes b;
    b.s = "GGUF";
    b.num(version).num<uint64_t>(tensors + extra_tensors).num<uint64_t>(pairs + extra_pairs);
    b.s += kv.s + directory.s;
    b.s.resize((b.s.size() + 31) / 32 * 32);
    return b.s + data;
  }
};

// The metadata a llama needs, and its embedding of 4 x 32 numbers.
inline GgufBuilder small_llama() {
  GgufBuilder g;
  g.text("general.architecture", "llama").u32("llama.block_count", 1).u32("llama.context_length", 64);
  g.u32("llama.embedding_length", 32).u32("llama.feed_forward_length", 64).u32("llama.attention.head_count", 2);
  g.tensor("token_embd.weight", {32, 4}, 0, 0);
  g.data.resize(4 * 32 * 4);
  return g;
}

inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  Bytes b;
  b.num<uint64_t>(header.size());
  return b.s + std::string(header) + std::string(data);
}

}  // namespace mainspring::testing
