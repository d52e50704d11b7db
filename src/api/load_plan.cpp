// Options -> numbers.
#include "api/load_plan.h"

#include <algorithm>

#include "base/str.h"
#include "engine/draft_finder.h"
#include "quant/encoding.h"

namespace mainspring {

ComputeType parse_compute_type(std::string_view name) {
  if (name == "bf16" || name.empty() || name == "auto") return ComputeType::kBf16;
  if (name == "f16" || name == "fp16") return ComputeType::kF16;
  if (name == "f32" || name == "fp32") return ComputeType::kF32;
  fail(Code::kInvalidInput, "--dtype: expected bf16, f16 or f32, found \"", printable(name), "\"");
}

KvFormat parse_kv_format(std::string_view name, ComputeType compute) {
  if (name.empty() || name == "auto") return compute == ComputeType::kF32 ? KvFormat::kF32 : KvFormat::kF16;
  if (name == "f32") return KvFormat::kF32;
  if (name == "bf16") return KvFormat::kBf16;
  if (name == "f16" || name == "fp16") return KvFormat::kF16;
  if (name == "int8") return KvFormat::kInt8;
  if (name == "k8v4") return KvFormat::kK8V4;
  if (name == "int4") return KvFormat::kInt4;
  fail(Code::kInvalidInput, "--kv-dtype: expected f16, bf16, int8, k8v4, int4 or f32, found \"", printable(name), "\"");
}

const Family& family_of(const Config& config) {
  std::string known;
  for (const Family* f : all_family())
    for (const char* name : f->architectures) {
      if (std::find(config.architectures.begin(), config.architectures.end(), name) != config.architectures.end()) return *f;
      known += known.empty() ? "" : ", ";
      known += name;
    }
  const std::string found = config.architectures.empty() ? config.model_type : config.architectures.front();
  fail(Code::kUnsupported, "model architecture \"", printable(found), "\" is not supported; supported: ", known);
}

size_t kv_token_bytes(const Config& c, KvFormat format) {
  const size_t values = 2 * static_cast<size_t>(c.num_layers * c.num_kv_heads * c.head_dim);
  // Beside the codes: a scale and a minimum per head, and one key per block in f16.
  const size_t quantised = 16 * static_cast<size_t>(c.num_layers * c.num_kv_heads) + values / kBlockTokens;
  switch (format) {
    case KvFormat::kF32: return values * 4;
    case KvFormat::kBf16:
    case KvFormat::kF16: return values * 2;
    case KvFormat::kInt8: return values + quantised;
    case KvFormat::kK8V4: return values * 3 / 4 + quantised;
    case KvFormat::kInt4: return values / 2 + quantised;
  }
  return 0;
}

namespace {

constexpr int64_t kDefaultSequences = 16, kDefaultStepTokens = 512, kDefaultContext = 4096;

int64_t in_range(const char* option, int64_t value, int64_t fallback, int64_t low, int64_t high) {
  if (value == 0) return fallback;
  if (value < low || value > high)
    fail(Code::kInvalidInput, option, ": expected ", low, "..", high, ", found ", value);
  return value;
}

}  // namespace

int32_t draft_tokens(const ModelOptions& o) {
  if (o.speculate == "off") return 0;
  if (!o.speculate.empty() && o.speculate != "ngram")
    fail(Code::kInvalidInput, "--speculate: expected ngram or off, found \"", printable(o.speculate), "\"");
  return static_cast<int32_t>(in_range("--speculate-tokens", o.speculate_tokens, DraftFinder::kMaxDraft, 1, DraftFinder::kMaxDraft));
}

RunnerConfig plan_runner(const ModelOptions& o, const Config& config, KvFormat format, size_t block_bytes,
                         uint64_t available) {
  RunnerConfig r;
  r.kv_format = format;
  const int64_t limit = config.max_position > 0 ? config.max_position : kDefaultContext;
  int64_t context = in_range("--context", o.context, limit, 1, int64_t{1} << 24);
  r.max_sequences = static_cast<int32_t>(in_range("--concurrency", o.max_sequences, kDefaultSequences, 1, 1024));
  r.max_step_tokens = static_cast<int32_t>(
      std::max<int64_t>(in_range("--max-step-tokens", o.max_step_tokens, kDefaultStepTokens, 1, 1 << 16), r.max_sequences));
  const auto blocks_of = [](int64_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; };
  // Without an explicit size the cache may take half of the free memory: the rest stays for the page cache and others.
  const uint64_t budget = o.kv_bytes != 0 ? o.kv_bytes : available / 2;
  const int64_t fits = static_cast<int64_t>(budget / std::max<size_t>(block_bytes, 1));
  if (blocks_of(context) > fits) {
    if (o.context != 0 || fits < 1)
      fail(Code::kOutOfMemory, "a KV cache for ", context, " tokens needs ", human_bytes(blocks_of(context) * block_bytes),
           ", ", human_bytes(budget), " are free for it; lower --context or use --kv-dtype int8");
    context = fits * kBlockTokens;
  }
  r.max_context = static_cast<int32_t>(context);
  r.n_blocks = static_cast<int32_t>(
      o.kv_bytes != 0 ? std::min<int64_t>(fits, INT32_MAX) : std::min(fits, blocks_of(context) * r.max_sequences));
  r.max_step_tokens = static_cast<int32_t>(std::min<int64_t>(r.max_step_tokens, context * r.max_sequences));
  return r;
}

uint64_t loaded_bytes(const TensorInfo& t, const Config& config, ComputeType compute, const QuantizeOptions& quantize) {
  const Encoding* e = find_encoding(t.encoding);
  if (!e || t.shape.size() != 2 || t.shape[1] == 0) return t.bytes;
  const MatrixRole role = t.shape[0] == config.vocab_size ? MatrixRole::kTable : MatrixRole::kLinear;
  const WeightFormat f = loaded_format(quantize, e->format, t.shape[0], t.shape[1], role);
  if (f.scheme == Scheme::kDense) return t.encoding == "F32" && compute != ComputeType::kF32 ? t.bytes / 2 : t.bytes;
  const uint64_t bits = f.bits <= 4 ? 4 : f.bits <= 6 ? f.bits : 8;  // what bit planes take
  const uint64_t groups = static_cast<uint64_t>(t.shape[0]) * static_cast<uint64_t>(f.groups(t.shape[1]));
  return t.elements() / 8 * bits + groups * (f.has_offset ? 4 : 2) * (compute == ComputeType::kF32 ? 2 : 1);
}

void check_weights_fit(std::span<const TensorInfo> tensors, const Config& config, ComputeType compute,
                       const QuantizeOptions& quantize, uint64_t available) {
  uint64_t needed = 0;
  for (const TensorInfo& t : tensors) needed += loaded_bytes(t, config, compute, quantize);
  if (available != 0 && needed > available)
    fail(Code::kOutOfMemory, "the weights need ", human_bytes(needed), ", ", human_bytes(available),
         " of memory are free; choose a smaller model or a quantised one, or load it with --quantize w4");
}

}  // namespace mainspring
