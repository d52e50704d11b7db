// GGUF files against what transformers reads from them (tools/make_checkpoint_goldens.py): every tensor bit by bit, and
// the configuration field by field.
#include "weights/checkpoint.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "unit/weights/builders.h"
#include "unit/weights/expect_error.h"
#include "weights/config.h"

namespace mainspring {
namespace {

using testing::data_path;

std::vector<uint32_t> bits(const std::vector<float>& v) {
  std::vector<uint32_t> b(v.size());
  for (size_t i = 0; i < v.size(); ++i) b[i] = std::bit_cast<uint32_t>(v[i]);
  return b;
}

// A matrix row by row, so that the row order is exercised one row at a time and in one go.
std::vector<float> read_matrix(const Checkpoint& c, const std::string& name, int64_t at_once) {
  const auto m = c.matrix(name);
  const int64_t out = m->out_features(), in = m->in_features();
  std::vector<float> v(static_cast<size_t>(out * in));
  for (int64_t r = 0; r < out; r += at_once) m->read_values(r, std::min(at_once, out - r), v.data() + r * in);
  return v;
}

// The same numbers from codes, scales and offsets, or from the dense bytes.
std::vector<float> read_canonical(const Checkpoint& c, const std::string& name) {
  const auto m = c.matrix(name);
  const WeightFormat& f = m->format();
  const int64_t out = m->out_features(), in = m->in_features();
  std::vector<float> v(static_cast<size_t>(out * in));
  if (f.scheme == Scheme::kDense) {
    if (f.dense != DType::kF32) return c.values(name);
    m->read_dense(0, out, v.data());
    return v;
  }
  std::vector<uint8_t> codes(v.size());
  std::vector<float> scales(v.size() / f.group), offsets(v.size() / f.group);
  m->read_codes(0, out, {codes.data(), scales.data(), f.has_offset ? offsets.data() : nullptr});
  for (size_t i = 0; i < v.size(); ++i) {
    const float q = f.is_signed ? static_cast<float>(static_cast<int8_t>(codes[i])) : static_cast<float>(codes[i]);
    v[i] = scales[i / f.group] * q;
    if (f.has_offset) v[i] += offsets[i / f.group];
  }
  return v;
}

Config config_of(const Checkpoint& c) { return read_config(c.config(), c.generation_config()); }

void expect_same_config(const Config& a, const Config& b) {
  EXPECT_EQ(a.architectures, b.architectures);
  EXPECT_EQ(a.model_type, b.model_type);
  EXPECT_EQ(a.vocab_size, b.vocab_size);
  EXPECT_EQ(a.hidden_size, b.hidden_size);
  EXPECT_EQ(a.intermediate_size, b.intermediate_size);
  EXPECT_EQ(a.num_layers, b.num_layers);
  EXPECT_EQ(a.num_heads, b.num_heads);
  EXPECT_EQ(a.num_kv_heads, b.num_kv_heads);
  EXPECT_EQ(a.head_dim, b.head_dim);
  EXPECT_EQ(a.max_position, b.max_position);
  EXPECT_EQ(a.rms_norm_eps, b.rms_norm_eps);
  EXPECT_EQ(a.hidden_act, b.hidden_act);
  EXPECT_EQ(a.tie_word_embeddings, b.tie_word_embeddings);
  EXPECT_EQ(a.attention_bias, b.attention_bias);
  EXPECT_EQ(a.rope_local, b.rope_local);
  EXPECT_EQ(a.sliding_window, b.sliding_window);
  EXPECT_EQ(a.layer_is_sliding, b.layer_is_sliding);
  EXPECT_EQ(a.eos_ids, b.eos_ids);
  EXPECT_EQ(a.bos_id, b.bos_id);
}

class GgufGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufGolden, TensorsAreBitExact) {
  const std::string name = GetParam();
  const auto gguf = open_checkpoint(data_path("gguf/" + name + ".gguf"));
  const auto reference = open_checkpoint(data_path("safetensors/" + name));
  EXPECT_EQ(gguf->tensors().size(), reference->tensors().size());
  for (const TensorInfo& t : reference->tensors()) {
    const TensorInfo* info = gguf->find(t.name);
    ASSERT_NE(info, nullptr) << t.name;
    ASSERT_EQ(info->shape, t.shape) << t.name;
    const std::vector<uint32_t> expected = bits(reference->values(t.name));
    EXPECT_EQ(bits(gguf->values(t.name)), expected) << t.name;
    if (t.shape.size() != 2) continue;
    EXPECT_EQ(bits(read_matrix(*gguf, t.name, t.shape[0])), expected) << t.name;
    EXPECT_EQ(bits(read_matrix(*gguf, t.name, 3)), expected) << t.name;
    EXPECT_EQ(bits(read_canonical(*gguf, t.name)), expected) << t.name;
  }
}

TEST_P(GgufGolden, ConfigIsTheSame) {
  const std::string name = GetParam();
  const Config a = config_of(*open_checkpoint(data_path("gguf/" + name + ".gguf")));
  const Config b = config_of(*open_checkpoint(data_path("safetensors/" + name)));
  expect_same_config(a, b);
  if (name != "llama3") EXPECT_EQ(a.rope, b.rope);
}

INSTANTIATE_TEST_SUITE_P(All, GgufGolden, ::testing::Values("llama", "llama3", "qwen2", "qwen3", "gemma3"),
                         [](const auto& info) { return std::string(info.param); });

// GGUF keeps the scaling of Llama 3.1 as one factor per frequency; both forms must give the same frequencies.
TEST(Checkpoint, Llama3FactorsReplaceTheFormula) {
  const Config gguf = config_of(*open_checkpoint(data_path("gguf/llama3.gguf")));
  const Config formula = config_of(*open_checkpoint(data_path("safetensors/llama3")));
  ASSERT_EQ(formula.rope.type, RopeType::kLlama3);
  ASSERT_EQ(gguf.rope.type, RopeType::kDefault);
  ASSERT_EQ(gguf.rope.freq_factors.size(), static_cast<size_t>(gguf.head_dim / 2));
  const RopeConfig& r = formula.rope;
  const double low = static_cast<double>(r.original_max_position) / r.low_freq_factor;
  const double high = static_cast<double>(r.original_max_position) / r.high_freq_factor;
  int scaled = 0;
  for (int64_t i = 0; i < gguf.head_dim / 2; ++i) {
    const double plain = std::pow(r.theta, -2.0 * static_cast<double>(i) / static_cast<double>(gguf.head_dim));
    const double length = 2 * M_PI / plain;
    const double smooth = (static_cast<double>(r.original_max_position) / length - r.low_freq_factor) / (r.high_freq_factor - r.low_freq_factor);
    const double expected = length < high ? plain : length > low ? plain / r.factor : (1 - smooth) * plain / r.factor + smooth * plain;
    EXPECT_NEAR(plain / gguf.rope.freq_factors[static_cast<size_t>(i)] / expected, 1.0, 1e-6) << i;
    scaled += expected < plain;
  }
  EXPECT_GT(scaled, 0);
}

TEST(Checkpoint, ReadsOutsideAMatrixAreOurFault) {
  const auto c = open_checkpoint(data_path("gguf/llama.gguf"));
  const auto m = c->matrix("model.layers.0.self_attn.q_proj.weight");
  std::vector<float> v(static_cast<size_t>(m->in_features()));
  EXPECT_ERROR(m->read_values(m->out_features(), 1, v.data()), Code::kInternal, "q_proj");
  EXPECT_ERROR(m->read_dense(0, 1, v.data()), Code::kInternal, "is not dense");
  EXPECT_NO_THROW(m->drop_pages(0, m->out_features()));
  EXPECT_ERROR(c->matrix("model.norm.weight"), Code::kInvalidInput, "expected a matrix, found shape [32]");
}

}  // namespace
}  // namespace mainspring
