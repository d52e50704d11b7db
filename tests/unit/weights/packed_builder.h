// A small packed file for the tests.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "unit/weights/builders.h"
#include "unit/weights/packed_directory.h"
#include "weights/packed_writer.h"

namespace mainspring::testing {

// What a device would have packed.
struct FakeMatrix final : LinearWeight {
  std::vector<std::byte> data;
  FakeMatrix(const WeightFormat& f, int64_t out, int64_t in, size_t size) : data(size, std::byte{7}) {
    format = f, out_features = out, in_features = in, bytes = size;
  }
  const char* kernel_name() const noexcept override { return "fake"; }
  std::span<const std::byte> packed_bytes() const noexcept override { return data; }
  uint64_t layout() const override { return 0xABCDEF; }
};

inline const char* kPackedConfig = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8,
  "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2})";

inline void write_small_packed(const std::string& path) {
  PackedWriter w(path, 4096, {});
  const WeightFormat u4{.scheme = Scheme::kGroup, .bits = 4, .has_offset = true, .group = 32};
  w.matrix({.name = "a.weight", .shape = {8, 32}, .encoding = "BF16", .bytes = 512}, FakeMatrix(u4, 8, 32, 200));
  w.matrix({.name = "b.weight", .shape = {3, 5}, .encoding = "F32", .bytes = 60},
           FakeMatrix({.dense = DType::kF32}, 3, 5, 64));
  w.matrix({.name = "c.weight", .shape = {8, 64}, .encoding = "BF16", .bytes = 1024}, FakeMatrix(u4, 8, 64, 400));
  const std::vector<float> v = {1.5f, -2.0f, 0.25f};
  w.vector({.name = "norm.weight", .shape = {3}, .encoding = "F32", .bytes = 12}, v);
  const std::string text = "{\"model\": 1}";
  w.text("tokenizer.json", std::as_bytes(std::span(text)));
  w.finish({.program = "mainspring 9", .device = "cpu", .isa = "avx9", .quantize = "w4 g32", .source = "safetensors x"},
           parse_json(kPackedConfig, "config"), Json());
}

inline std::string small_packed() {
  const TempFolder folder;
  write_small_packed(folder.file("x"));
  return read_bytes(folder.file("x"));
}

}  // namespace mainspring::testing
