// What a program does with a checkpoint that it does not trust: opens it, reads the configuration and every number.
#pragma once

#include <string>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/config.h"
#include "weights/gguf.h"
#include "weights/packed_checkpoint.h"

namespace mainspring::testing {

inline void read_matrix_fully(const LinearSource& m, int64_t rows, int64_t width) {
  const WeightFormat& f = m.format();
  std::vector<float> values(static_cast<size_t>(width)), scales, offsets;
  std::vector<uint8_t> codes(static_cast<size_t>(width) * 4);
  if (f.scheme == Scheme::kGroup) scales.resize(values.size() / f.group), offsets.resize(scales.size());
  for (int64_t r = 0; r < rows; ++r) {
    m.read_values(r, 1, values.data());
    if (f.scheme == Scheme::kGroup) m.read_codes(r, 1, {codes.data(), scales.data(), offsets.data()});
    else m.read_dense(r, 1, codes.data());
  }
  m.drop_pages(0, rows);
}

// Touches both ends of every matrix and text.
inline void exercise_packed(const PackedCheckpoint& p) {
  volatile char seen = 0;
  const auto touch = [&](const void* data, size_t bytes) {
    if (bytes == 0) return;
    seen = static_cast<const char*>(data)[0];
    seen = static_cast<const char*>(data)[bytes - 1];
  };
  for (const TensorInfo& t : p.tensors()) {
    if (t.shape.size() != 2) continue;
    try {
      const PackedMatrix m = p.packed_matrix(t.name);
      touch(m.data.data(), m.data.size());
    } catch (const Error&) {  // a vector of two dimensions
    }
  }
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "gguf-metadata"})
    if (const auto text = p.text(name)) touch(text->data(), text->size());
  try {
    p.verify();
  } catch (const Error&) {
  }
}

// Lets kInvalidInput and its like pass; returns how many numbers were read.
inline uint64_t exercise(const std::string& path) {
  const auto c = open_checkpoint(path);
  const Config config = read_config(c->config(), c->generation_config());
  uint64_t numbers = 0;
  for (const TensorInfo& t : c->tensors()) {
    const uint64_t n = t.elements();
    try {
      if (t.shape.size() == 2) read_matrix_fully(*c->matrix(t.name), t.shape[0], t.shape[1]), numbers += n;
      else if (n <= (uint64_t{1} << 24)) numbers += c->values(t.name).size();
    } catch (const Error& e) {
      if (e.code() != Code::kUnsupported) throw;  // an encoding that cannot be read
    }
  }
  if (const PackedCheckpoint* p = c->packed()) exercise_packed(*p);
  if (const GgufMetadata* m = c->gguf())
    for (const GgufMetadata::Entry& e : m->entries()) {
      m->describe(e);
      try {
        m->find_strings(e.key);
      } catch (const Error&) {  // of another kind
      }
      try {
        m->find_floats(e.key);
      } catch (const Error&) {
      }
    }
  return numbers;
}

}  // namespace mainspring::testing
