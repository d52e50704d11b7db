// Attention in steps.
#include "backends/self_test/attention_scenario.h"

#include <algorithm>
#include <numeric>

namespace mainspring::self_test {

std::string AttentionShape::text() const {
  std::string s = cat(kv_format_name(format), " heads ", heads, "/", kv_heads, " d ", d);
  if (window) s += cat(" window ", window);
  if (softcap > 0) s += cat(" softcap ", softcap);
  if (sinks) s += " sinks";
  if (size != 1.0f) s += cat(" size ", size);
  if (sharpness != 1.0f) s += cat(" sharpness ", sharpness);
  s += " lengths";
  for (int n : lengths) s += cat(" ", n);
  return s;
}

Steps whole(const AttentionShape& shape) {
  Step step;
  for (size_t s = 0; s < shape.lengths.size(); ++s) step.push_back({static_cast<int>(s), shape.lengths[s]});
  return {step};
}

Steps one_by_one(const AttentionShape& shape) {
  Steps steps;
  for (size_t s = 0; s < shape.lengths.size(); ++s) steps.push_back({{static_cast<int>(s), shape.lengths[s]}});
  return steps;
}

namespace {

// Steps until every sequence is done; take(sequence, left) tells how many tokens come next.
template <class Take>
Steps step_through(const AttentionShape& shape, const Take& take) {
  Steps steps;
  std::vector<int> left = shape.lengths;
  while (std::accumulate(left.begin(), left.end(), 0) > 0) {
    Step step;
    for (size_t s = 0; s < left.size(); ++s) {
      const int n = std::min(left[s], take(static_cast<int>(s), left[s]));
      if (n > 0) step.push_back({static_cast<int>(s), n});
      left[s] -= n;
    }
    if (!step.empty()) steps.push_back(step);
  }
  return steps;
}

}  // namespace

Steps chunked(const AttentionShape& shape, int tokens) {
  return step_through(shape, [&](int, int) { return tokens; });
}

Steps ragged(const AttentionShape& shape, unsigned seed) {
  Random rng(seed);
  return step_through(shape, [&](int, int left) {
    const int kind = static_cast<int>(rng() % 4);
    return kind == 0   ? 0
           : kind == 1 ? 1
                       : static_cast<int>(1 + rng() % static_cast<unsigned>(std::max(1, left / kind)));
  });
}

Scenario::Scenario(const AttentionShape& shape, unsigned seed) : shape_(shape) {
  Random rng(seed);
  int total = 0, longest = 0;
  for (int n : shape.lengths) {
    first_.push_back(total);
    total += n;
    longest = std::max(longest, n);
    blocks_ += (n + kBlockTokens - 1) / kBlockTokens;
  }
  q_ = Values::normal(rng, total, shape.heads, shape.d).data;
  k_ = Values::normal(rng, total, shape.kv_heads, shape.d, 0, shape.size).data;
  v_ = Values::normal(rng, total, shape.kv_heads, shape.d, 0, shape.size).data;
  sinks_ = Values::normal(rng, 1, 1, shape.heads, 0, 2.0f).data;
  // Blocks in random order, with a few that belong to nobody; table entries past a sequence's end point outside.
  blocks_ += 3;
  max_blocks_ = (longest + kBlockTokens - 1) / kBlockTokens + 1;
  std::vector<int32_t> ids(static_cast<size_t>(blocks_));
  std::iota(ids.begin(), ids.end(), 0);
  std::shuffle(ids.begin(), ids.end(), rng);
  table_.assign(shape.lengths.size() * static_cast<size_t>(max_blocks_), -1);
  size_t next = 0;
  for (size_t s = 0; s < shape.lengths.size(); ++s)
    for (int b = 0; b < (shape.lengths[s] + kBlockTokens - 1) / kBlockTokens; ++b)
      table_[s * static_cast<size_t>(max_blocks_) + static_cast<size_t>(b)] = ids[next++];
}

void Scenario::poison(int sequence, int token) {
  const size_t width = static_cast<size_t>(shape_.kv_heads * shape_.d);
  const size_t at = static_cast<size_t>(first_[static_cast<size_t>(sequence)] + token) * width;
  std::fill_n(k_.begin() + static_cast<std::ptrdiff_t>(at), width, NAN);
  std::fill_n(v_.begin() + static_cast<std::ptrdiff_t>(at), width, NAN);
}

std::vector<float> Scenario::rows(const std::vector<float>& all, const Step& step, const std::vector<int>& done,
                                  int width) const {
  std::vector<float> out;
  for (const Part& p : step) {
    const auto from =
        all.begin() +
        std::ptrdiff_t{first_[static_cast<size_t>(p.sequence)] + done[static_cast<size_t>(p.sequence)]} * width;
    out.insert(out.end(), from, from + std::ptrdiff_t{p.tokens} * width);
  }
  return out;
}

std::vector<float> Scenario::run(Device& device, const Steps& steps) const {
  const StateSpec spec{shape_.kv_heads, shape_.d};
  const size_t stride = device.kv_block_bytes(spec, shape_.format);
  Device::Buffer pool = device.alloc(stride * static_cast<size_t>(blocks_));
  std::memset(pool.get(), 0xFF, stride * static_cast<size_t>(blocks_));  // NaN in every float format
  const KvLayer layer{pool.get(), stride, spec, shape_.format};
  std::vector<float> result(q_.size());
  std::vector<int> done(shape_.lengths.size(), 0);
  for (const Step& step : steps) {
    std::vector<float> q = rows(q_, step, done, shape_.heads * shape_.d);
    std::vector<float> k = rows(k_, step, done, shape_.kv_heads * shape_.d);
    std::vector<float> v = rows(v_, step, done, shape_.kv_heads * shape_.d);
    std::vector<float> out(q.size(), 7.0f);
    Ints starts{{0}}, lengths, tokens, table;
    for (const Part& p : step) {
      const size_t s = static_cast<size_t>(p.sequence);
      starts.data.push_back(starts.data.back() + p.tokens);
      lengths.data.push_back(done[s] + p.tokens);
      const auto row = table_.begin() + static_cast<std::ptrdiff_t>(s) * max_blocks_;
      table.data.insert(table.data.end(), row, row + max_blocks_);
    }
    const int64_t t = starts.data.back();
    tokens.data.assign(static_cast<size_t>(t), 0);
    Batch batch;
    batch.tokens = tokens.vector(), batch.query_start = starts.vector(), batch.kv_length = lengths.vector();
    batch.block_table = ConstTensor(table.data.data(), DType::kI32, static_cast<int64_t>(step.size()), max_blocks_);
    ops::KvWrite write;
    write.k = ConstTensor(k.data(), DType::kF32, t, shape_.kv_heads, shape_.d);
    write.v = ConstTensor(v.data(), DType::kF32, t, shape_.kv_heads, shape_.d);
    write.kv = layer, write.batch = &batch;
    self_test::run(device, write);
    ops::Attention attention;
    attention.out = Tensor(out.data(), DType::kF32, t, shape_.heads, shape_.d);
    attention.q = ConstTensor(q.data(), DType::kF32, t, shape_.heads, shape_.d);
    attention.kv = layer, attention.batch = &batch;
    attention.scale = shape_.sharpness / std::sqrt(static_cast<float>(shape_.d));
    attention.softcap = shape_.softcap, attention.window = shape_.window;
    if (shape_.sinks) attention.sinks = ConstTensor(sinks_.data(), DType::kF32, shape_.heads);
    self_test::run(device, attention);
    const int width = shape_.heads * shape_.d;
    auto from = out.begin();
    for (const Part& p : step) {
      int& at = done[static_cast<size_t>(p.sequence)];
      const std::ptrdiff_t n = std::ptrdiff_t{p.tokens} * width;
      std::copy(from, from + n, result.begin() + std::ptrdiff_t{first_[static_cast<size_t>(p.sequence)] + at} * width);
      from += n, at += p.tokens;
    }
  }
  return result;
}

}  // namespace mainspring::self_test
