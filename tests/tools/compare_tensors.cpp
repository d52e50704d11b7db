// compare_tensors A B: opens two checkpoints of one model and compares every tensor, number by number, bit by bit,
// and the configuration. Status 0 when nothing differs. With one argument it only reads everything and says how fast.
#include <bit>
#include <chrono>
#include <cstdio>
#include <vector>

#include "base/errors.h"
#include "base/str.h"
#include "weights/checkpoint.h"
#include "weights/config.h"

namespace mainspring {
namespace {

constexpr int64_t kRowsAtOnce = 64;

struct Difference {
  uint64_t numbers = 0, different = 0;
  float largest = 0;
};

void compare(const std::vector<float>& a, const std::vector<float>& b, Difference& d) {
  d.numbers += a.size();
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<uint32_t>(a[i]) == std::bit_cast<uint32_t>(b[i])) continue;
    ++d.different;
    const float apart = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
    if (!(apart <= d.largest)) d.largest = apart;
  }
}

Difference compare_tensor(const Checkpoint& a, const Checkpoint& b, const TensorInfo& info) {
  Difference d;
  if (info.shape.size() != 2) {
    compare(a.values(info.name), b.values(info.name), d);
    return d;
  }
  const auto ma = a.matrix(info.name), mb = b.matrix(info.name);
  std::vector<float> va, vb;
  for (int64_t row = 0; row < info.shape[0]; row += kRowsAtOnce) {
    const int64_t n = std::min(kRowsAtOnce, info.shape[0] - row);
    va.resize(static_cast<size_t>(n * info.shape[1]));
    vb.resize(va.size());
    ma->read_values(row, n, va.data());
    mb->read_values(row, n, vb.data());
    compare(va, vb, d);
  }
  return d;
}

std::string summary(const Config& c) {
  std::string s = cat(c.model_type, " vocab ", c.vocab_size, " hidden ", c.hidden_size, " mlp ", c.intermediate_size, " layers ",
                      c.num_layers, " heads ", c.num_heads, "/", c.num_kv_heads, " x ", c.head_dim, " context ",
                      c.max_position, " eps ", c.rms_norm_eps, " act ", c.hidden_act, " tie ", c.tie_word_embeddings,
                      " bias ", c.attention_bias, "/", c.mlp_bias, " theta ", c.rope.theta, " rope ",
                      static_cast<int>(c.rope.type), " x ", c.rope.factor, " local ", c.rope_local ? c.rope_local->theta : 0,
                      " window ", c.sliding_window.value_or(0), " eos");
  for (const std::string& name : c.architectures) s = cat(name, " ", s);
  for (int32_t id : c.eos_ids) s += cat(" ", id);
  s += cat(" bos ", c.bos_id.value_or(-1), " sliding ");
  for (bool b : c.layer_is_sliding) s += b ? '1' : '0';
  return s;
}

int compare_checkpoints(const Checkpoint& a, const Checkpoint& b) {
  int wrong = 0;
  uint64_t numbers = 0, tensors = 0;
  for (const TensorInfo& info : a.tensors()) {
    const TensorInfo* other = b.find(info.name);
    if (!other || other->shape != info.shape) {
      std::printf("%s: %s\n", info.name.c_str(), other ? "shapes differ" : "only in the first");
      ++wrong;
      continue;
    }
    const Difference d = compare_tensor(a, b, info);
    numbers += d.numbers;
    ++tensors;
    if (d.different == 0) continue;
    ++wrong;
    std::printf("%s (%s): %llu of %llu numbers differ, by up to %g\n", info.name.c_str(), info.encoding.c_str(),
                static_cast<unsigned long long>(d.different), static_cast<unsigned long long>(d.numbers), d.largest);
  }
  for (const TensorInfo& info : b.tensors())
    if (!a.find(info.name)) std::printf("%s: only in the second\n", info.name.c_str()), ++wrong;
  const std::string ca = summary(read_config(a.config(), a.generation_config()));
  const std::string cb = summary(read_config(b.config(), b.generation_config()));
  if (ca != cb) std::printf("configurations differ:\n  %s\n  %s\n", ca.c_str(), cb.c_str()), ++wrong;
  std::printf("%llu tensors, %llu numbers compared, %d differences\n", static_cast<unsigned long long>(tensors),
              static_cast<unsigned long long>(numbers), wrong);
  return wrong == 0 ? 0 : 1;
}

// Decodes everything into codes, as packing for a device does.
void read_all(const Checkpoint& c) {
  const auto start = std::chrono::steady_clock::now();
  uint64_t numbers = 0;
  std::vector<uint8_t> codes;
  std::vector<float> scales, offsets;
  std::vector<std::byte> dense;
  for (const TensorInfo& info : c.tensors()) {
    if (info.shape.size() != 2) {
      numbers += c.values(info.name).size();
      continue;
    }
    const auto m = c.matrix(info.name);
    const WeightFormat& f = m->format();
    for (int64_t row = 0; row < info.shape[0]; row += kRowsAtOnce) {
      const int64_t n = std::min(kRowsAtOnce, info.shape[0] - row);
      const auto size = static_cast<size_t>(n * info.shape[1]);
      numbers += size;
      if (f.scheme == Scheme::kDense) {
        dense.resize(size * dtype_size(f.dense));
        m->read_dense(row, n, dense.data());
        continue;
      }
      codes.resize(size);
      scales.resize(size / f.group);
      offsets.resize(size / f.group);
      m->read_codes(row, n, {codes.data(), scales.data(), f.has_offset ? offsets.data() : nullptr});
    }
  }
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  std::printf("%llu numbers of %s read in %.3f s on one thread\n%s\n", static_cast<unsigned long long>(numbers),
              c.container().c_str(), time.count(), summary(read_config(c.config(), c.generation_config())).c_str());
}

}  // namespace
}  // namespace mainspring

int main(int argc, char** argv) {
  using namespace mainspring;
  if (argc < 2) return std::fprintf(stderr, "usage: compare_tensors A [B]\n"), 2;
  try {
    const auto a = open_checkpoint(argv[1]);
    if (argc > 2) return compare_checkpoints(*a, *open_checkpoint(argv[2]));
    read_all(*a);
    return 0;
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return exit_status(e.code());
  }
}
