// Staging of plans into device arrays, the dry run, the step.
#include "engine/model_runner.h"

#include <algorithm>
#include <utility>

#include "backends/wrap/trace_device.h"
#include "base/checked_math.h"
#include "base/str.h"
#include "engine/scheduler.h"

namespace mainspring {

// Step inputs on the host, at full capacity from the start so that a step never allocates; one device copy of all.
struct ModelRunner::Arrays {
  std::vector<int32_t> memory;       // the arrays below, one after the other
  int32_t *tokens, *positions, *rope_lengths, *query_start, *kv_length, *block_table, *logit_rows;
  std::vector<int32_t> row_of;

  Arrays(const RunnerConfig& c, int32_t max_blocks) {
    const size_t t = c.max_step_tokens, s = c.max_sequences;
    memory.resize(3 * t + (s + 1) + s + s * max_blocks + c.max_logit_rows);
    int32_t* p = memory.data();
    const auto take = [&](size_t n) { return std::exchange(p, p + n); };
    tokens = take(t), positions = take(t), rope_lengths = take(t);
    query_start = take(s + 1), kv_length = take(s);
    block_table = take(s * max_blocks), logit_rows = take(c.max_logit_rows);
    row_of.resize(s);
  }
};

size_t ModelRunner::kv_block_bytes(const Device& device, const CausalLM& model, KvFormat format) {
  size_t bytes = 0;
  for (const StateSpec& spec : model.state()) bytes += device.kv_block_bytes(spec, format);
  return bytes;
}

ModelRunner::ModelRunner(Device& device, std::unique_ptr<CausalLM> model, int64_t vocab_size, const RunnerConfig& config)
    : device_(device), model_(std::move(model)), vocab_(vocab_size), c_(config),
      max_blocks_per_sequence_((config.max_context + kBlockTokens - 1) / kBlockTokens) {
  c_.max_logit_rows = std::max(c_.max_logit_rows, c_.max_sequences);
  c_.n_blocks = std::max(c_.n_blocks, max_blocks_per_sequence_);
  arrays_ = std::make_unique<Arrays>(c_, max_blocks_per_sequence_);
  step_memory_ = device_.alloc(arrays_->memory.size() * sizeof(int32_t));
  allocate_kv();
  dry_run();
}

ModelRunner::~ModelRunner() = default;

void ModelRunner::allocate_kv() {
  const std::vector<StateSpec> specs = model_->state();
  for (const StateSpec& spec : specs) {
    const size_t stride = device_.kv_block_bytes(spec, c_.kv_format);
    layers_.push_back({.base = nullptr, .block_stride = stride, .spec = spec, .format = c_.kv_format});
    kv_bytes_ = checked_add(kv_bytes_, checked_mul(stride, static_cast<uint64_t>(c_.n_blocks), "KV cache"), "KV cache");
  }
  kv_memory_ = device_.alloc(kv_bytes_);
  std::byte* at = kv_memory_.get();
  for (KvLayer& layer : layers_) {
    layer.base = at;
    at += layer.block_stride * static_cast<size_t>(c_.n_blocks);
  }
}

namespace {

// The largest plans a scheduler may give, each at the end of the context: a long prefill chunk, one token of every sequence,
// drafts of one sequence to verify.
enum class Shape { kPrefill, kDecode, kVerify };

BatchPlan worst_case(const RunnerConfig& c, Shape shape, int32_t max_blocks) {
  BatchPlan plan;
  int32_t tokens_left = std::min(c.max_step_tokens, c.max_context * c.max_sequences);
  if (shape == Shape::kVerify) tokens_left = std::min(tokens_left, SchedulerConfig().max_draft_step);
  for (int32_t s = 0; s < c.max_sequences && tokens_left > 0; ++s) {
    PlannedSequence seq;
    const int32_t others = shape == Shape::kPrefill ? c.max_sequences - 1 - s : 0;  // leave a token for each after this one
    const int32_t n = shape == Shape::kDecode ? 1 : std::clamp(tokens_left - others, 1, c.max_context);
    seq.tokens.assign(static_cast<size_t>(n), 0);
    seq.start = c.max_context - n;
    seq.prompt_length = c.max_context;
    seq.blocks.assign(static_cast<size_t>(max_blocks), 0);
    seq.sample = true;
    tokens_left -= n;
    plan.sequences.push_back(std::move(seq));
  }
  return plan;
}

}  // namespace

void ModelRunner::dry_run() {
  TraceDevice trace(device_);
  Workspace measure;
  for (const Shape shape : {Shape::kPrefill, Shape::kDecode, Shape::kVerify}) {
    BatchPlan plan = worst_case(c_, shape, max_blocks_per_sequence_);
    // The first chunk may also want every row of logits it can get.
    PlannedSequence& first = plan.sequences.front();
    const size_t spare = static_cast<size_t>(c_.max_logit_rows) - (plan.sequences.size() - 1);
    if (first.tokens.size() <= spare) first.all_logits = true;
    Batch batch = stage(plan);
    batch.logit_rows = ConstTensor(batch.logit_rows.data, DType::kI32, c_.max_logit_rows);
    Ctx ctx{trace, measure, batch, layers_};
    Workspace::Scope scope(measure);
    model_->forward(ctx);
  }
  workspace_bytes_ = measure.peak() + trace.max_scratch();
  workspace_size_ = std::max<size_t>(measure.peak(), 64);
  workspace_memory_ = device_.alloc(workspace_size_);
  device_.reserve_scratch(trace.max_scratch());
}

void ModelRunner::check(const BatchPlan& plan) const {
  int64_t tokens = 0, rows = 0;
  for (const PlannedSequence& s : plan.sequences) {
    const int64_t n = static_cast<int64_t>(s.tokens.size()), end = s.start + n;
    tokens += n;
    rows += s.all_logits ? n : s.sample ? 1 + s.drafted : 0;
    if (s.drafted < 0 || s.drafted >= n)
      fail(Code::kInternal, "plan: sequence ", s.id, " has ", s.drafted, " drafts in ", n, " tokens");
    if (n == 0 || s.start < 0 || end > c_.max_context || static_cast<int64_t>(s.blocks.size()) * kBlockTokens < end)
      fail(Code::kInternal, "plan: sequence ", s.id, " has ", n, " tokens at ", s.start, " and ", s.blocks.size(), " blocks");
    for (int32_t t : s.tokens)
      if (t < 0 || t >= vocab_) fail(Code::kInvalidInput, "token id ", t, " is outside the vocabulary of ", vocab_);
  }
  if (static_cast<int64_t>(plan.sequences.size()) > c_.max_sequences || tokens > c_.max_step_tokens || rows > c_.max_logit_rows)
    fail(Code::kInternal, "plan: ", plan.sequences.size(), " sequences, ", tokens, " tokens, ", rows,
         " logit rows are over the limits");
}

Batch ModelRunner::stage(const BatchPlan& plan) {
  Arrays& a = *arrays_;
  int32_t t = 0, r = 0, s = 0;
  a.query_start[0] = 0;
  for (const PlannedSequence& seq : plan.sequences) {
    const int32_t n = static_cast<int32_t>(seq.tokens.size());
    a.row_of[s] = seq.all_logits || seq.sample ? r : -1;
    for (int32_t i = 0; i < n; ++i, ++t) {
      const int32_t pos = seq.start + i;
      a.tokens[t] = seq.tokens[i];
      a.positions[t] = pos;
      a.rope_lengths[t] = pos < seq.prompt_length ? seq.prompt_length : pos + 1;
      if (seq.all_logits || (seq.sample && i >= n - 1 - seq.drafted)) a.logit_rows[r++] = t;
    }
    a.kv_length[s] = seq.start + n;
    int32_t* table = a.block_table + static_cast<int64_t>(s) * max_blocks_per_sequence_;
    std::copy_n(seq.blocks.begin(), std::min<size_t>(seq.blocks.size(), max_blocks_per_sequence_), table);
    a.query_start[++s] = t;
  }
  device_.copy_to_device(step_memory_.get(), a.memory.data(), a.memory.size() * sizeof(int32_t));
  const auto view = [&](const int32_t* host, auto... dims) {
    const auto* base = reinterpret_cast<const int32_t*>(step_memory_.get());
    return ConstTensor(base + (host - a.memory.data()), DType::kI32, dims...);
  };
  return {.tokens = view(a.tokens, t), .positions = view(a.positions, t), .rope_lengths = view(a.rope_lengths, t),
          .query_start = view(a.query_start, s + 1), .kv_length = view(a.kv_length, s),
          .block_table = view(a.block_table, s, max_blocks_per_sequence_), .logit_rows = view(a.logit_rows, r)};
}

ModelRunner::Logits ModelRunner::step(const BatchPlan& plan) {
  check(plan);
  const Batch batch = stage(plan);
  Workspace ws(workspace_memory_.get(), workspace_size_);
  Ctx ctx{device_, ws, batch, layers_};
  const Tensor logits = model_->forward(ctx);  // [R, vocab]
  device_.sync();
  return {.data = logits.as<float>(), .vocab = vocab_, .row_of = {arrays_->row_of.data(), plan.sequences.size()}};
}

}  // namespace mainspring
