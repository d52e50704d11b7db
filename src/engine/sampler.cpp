// The order of work on a row of logits, and log-probabilities.
//
// As in Hugging Face transformers (5.x, GenerationMixin._get_logits_processor), each step sees the result of the one before:
//   1. logit bias                      5. bad words
//   2. repetition penalty              6. minimum length (end tokens)
//   3. presence, frequency penalties   7. grammar mask
//   4. no-repeat n-gram
//   -- log-probabilities are of the distribution here --
//   8. temperature   9. top-k   10. top-p   11. min-p   12. typical-p   13. the draw
// Presence and frequency penalties, which transformers lacks, come where vLLM has them: after the repetition penalty.
// Unlike transformers, exactly k tokens survive top-k; among equal logits the lower id is the likelier.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/errors.h"
#include "base/random.h"
#include "base/str.h"
#include "engine/sampler_history.h"
#include "engine/sampler_select.h"

namespace mainspring {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
// Below this temperature the draw is the maximum, and 1 / temperature would leave the range of float.
constexpr double kGreedyTemperature = 1e-5;

TokenLogprobs logprobs_from(Selector& selector, std::span<const float> logits, int32_t token, int32_t top) {
  const double log_total = static_cast<double>(selector.largest()) + std::log(selector.sum(1.0f));
  const auto logprob = [&](float logit) { return static_cast<float>(static_cast<double>(logit) - log_total); };
  TokenLogprobs out;
  const float chosen = logits[static_cast<size_t>(token)];
  out.chosen = {token, std::isnan(chosen) ? kMinusInfinity : logprob(chosen)};
  out.rank = selector.rank(token);
  if (top <= 0) return out;
  selector.take_top_k(top, 1.0f);
  out.top.reserve(selector.size());
  for (const uint32_t i : selector.order_by_logit()) out.top.push_back({selector.id(i), logprob(selector.logit(i))});
  return out;
}

}  // namespace

struct SequenceSampler::State {
  State(const SamplingParams& p, std::span<const int32_t> eos_ids, int64_t vocab, uint64_t fallback_seed)
      : params(p), history(p), vocab_size(static_cast<size_t>(vocab)), seed(p.seed.value_or(fallback_seed)) {
    if (!p.ignore_eos) end_ids.assign(eos_ids.begin(), eos_ids.end());
    end_ids.insert(end_ids.end(), p.stop_ids.begin(), p.stop_ids.end());
  }

  SamplingParams params;
  TokenHistory history;
  size_t vocab_size;
  uint64_t seed;
  std::vector<int32_t> end_ids;
  Selector selector;
  // Bans that yield when nothing else is possible, with the logits they replaced.
  struct Ban {
    int32_t id;
    float logit;
  };
  std::vector<Ban> soft_bans;

  bool greedy() const { return params.temperature < kGreedyTemperature; }
  float scale() const { return static_cast<float>(1.0 / params.temperature); }
  bool limits_k() const { return params.top_k > 0 && params.top_k < static_cast<int64_t>(vocab_size); }
  bool filtered() const { return limits_k() || params.top_p < 1.0 || params.min_p > 0 || params.typical_p < 1.0; }
  bool in_vocabulary(int32_t id) const { return id >= 0 && static_cast<size_t>(id) < vocab_size; }
  void penalise(std::span<float> logits) const;
  void ban(std::span<float> logits);
  float prepare(std::span<float> logits, std::span<const uint32_t> allowed);
  [[noreturn]] void nothing_left(std::span<const float> logits, bool constrained) const;
  int32_t choose(double u);
  void take_candidates(float scale);
};

void SequenceSampler::State::penalise(std::span<float> logits) const {
  for (const auto& [id, bias] : params.logit_bias)
    if (in_vocabulary(id)) logits[static_cast<size_t>(id)] += bias;
  const auto repetition = static_cast<float>(params.repetition_penalty);
  const auto presence = static_cast<float>(params.presence_penalty);
  const auto frequency = static_cast<float>(params.frequency_penalty);
  for (const auto& seen : history.seen()) {
    if (!in_vocabulary(seen.id)) continue;  // placeholders of images and the like
    float& x = logits[static_cast<size_t>(seen.id)];
    // Both are computed: signs cannot be predicted, and guessing wrong costs more than a division.
    const float product = x * repetition, quotient = x / repetition, repeated = x < 0 ? product : quotient;
    const float counted = frequency * static_cast<float>(seen.outputs) + presence;
    x = repeated - (seen.outputs > 0 ? counted : 0.0f);
  }
}

void SequenceSampler::State::ban(std::span<float> logits) {
  soft_bans.clear();
  const auto soft = [&](int32_t id) {
    if (!in_vocabulary(id) || logits[static_cast<size_t>(id)] == kMinusInfinity) return;
    soft_bans.push_back({id, logits[static_cast<size_t>(id)]});
    logits[static_cast<size_t>(id)] = kMinusInfinity;
  };
  history.repeated_ngram_ends(soft);
  if (history.outputs() < params.min_tokens)
    for (const int32_t id : end_ids) soft(id);
  // Last, so that a bad word stays out when the soft bans yield.
  history.bad_word_ends([&](int32_t id) {
    if (!in_vocabulary(id)) return;
    logits[static_cast<size_t>(id)] = kMinusInfinity;
    std::erase_if(soft_bans, [id](const Ban& b) { return b.id == id; });
  });
}

void SequenceSampler::State::nothing_left(std::span<const float> logits, bool constrained) const {
  const bool has_nan = std::any_of(logits.begin(), logits.end(), [](float x) { return std::isnan(x); });
  if (has_nan || !constrained)
    fail(Code::kInternal, "the model's logits are all ", has_nan ? "NaN or -inf" : "-inf", "; no token can be chosen");
  fail(Code::kInvalidInput, "no token is possible: the grammar and the bad words exclude all of them; relax one of the two");
}

// Steps 1 to 7. Returns the largest logit.
float SequenceSampler::State::prepare(std::span<float> logits, std::span<const uint32_t> allowed) {
  const auto n = static_cast<int64_t>(logits.size());
  if (logits.size() != vocab_size || (!allowed.empty() && allowed.size() < (vocab_size + 31) / 32))
    fail(Code::kInternal, "sampler: ", logits.size(), " logits and ", allowed.size(), " mask words for a vocabulary of ",
         vocab_size);
  penalise(logits);
  ban(logits);
  if (!allowed.empty()) scan_kernels().mask(logits.data(), n, allowed.data());
  float largest = selector.scan(logits);
  if (largest == kMinusInfinity && !soft_bans.empty()) {
    // A grammar that only allows the end, before min_tokens: better end than fail.
    for (const Ban& b : soft_bans) {
      const auto id = static_cast<size_t>(b.id);
      if (allowed.empty() || (allowed[id / 32] >> (id % 32) & 1) != 0) logits[id] = b.logit;
    }
    largest = selector.scan(logits);
  }
  if (largest == kMinusInfinity) nothing_left(logits, !allowed.empty() || !params.bad_words.empty());
  if (largest == std::numeric_limits<float>::infinity())
    fail(Code::kInternal, "the model's logits contain +inf; no probabilities can be computed");
  return largest;
}

// Steps 9 to 12. Small sets come first: what a later filter leaves of the row bounds what an earlier one has to look at.
void SequenceSampler::State::take_candidates(float scale) {
  const SamplingParams& p = params;
  if (limits_k()) {
    selector.take_top_k(p.top_k, scale);
    if (p.top_p < 1.0) selector.keep_top_p(p.top_p);
  } else if (p.min_p > 0) {
    // Checked exactly below, the margin covers rounding. Both sets are beginnings of the row in the order of the logits:
    // where top-p's is the larger one, it leaves all of min-p's.
    const double reach = std::min(87.0, 0.001 - std::log(p.min_p));
    selector.take_at_least(selector.largest() - static_cast<float>(reach) / scale, scale);
    if (p.top_p < 1.0) {
      const double mass = p.top_p * selector.sum(scale);
      if (selector.candidate_sum() > mass) selector.keep_top_mass(mass);
    }
  } else if (p.top_p < 1.0) {
    const bool cut = selector.take_top_p(p.top_p, scale);
    if (cut && p.typical_p < 1.0) selector.take_typical(p.typical_p, scale);
    if (cut) return;
  } else if (p.typical_p < 1.0) {
    return selector.take_typical(p.typical_p, scale);
  } else {
    selector.take_at_least(selector.largest() - 87.0f / scale, scale);  // what is below has no weight
  }
  if (p.min_p > 0) selector.keep_min_p(p.min_p);
  if (p.typical_p < 1.0) selector.keep_typical(p.typical_p, scale);
}

int32_t SequenceSampler::State::choose(double u) {
  if (greedy()) return selector.argmax();
  if (!filtered()) {
    selector.sum(scale());
    return selector.draw_from_row(u, scale());
  }
  take_candidates(scale());
  return selector.draw(u);
}

SequenceSampler::SequenceSampler(const SamplingParams& params, std::span<const int32_t> eos_ids, int64_t vocab_size,
                                 uint64_t fallback_seed)
    : state_(std::make_unique<State>(params, eos_ids, vocab_size, fallback_seed)) {}
SequenceSampler::~SequenceSampler() = default;
SequenceSampler::SequenceSampler(SequenceSampler&&) noexcept = default;
SequenceSampler& SequenceSampler::operator=(SequenceSampler&&) noexcept = default;

void SequenceSampler::prompt(std::span<const int32_t> tokens) {
  for (const int32_t t : tokens) state_->history.add(t, /*output=*/false);
}

int32_t SequenceSampler::sample(std::span<float> logits, TokenLogprobs* out, std::span<const uint32_t> allowed) {
  State& s = *state_;
  s.prepare(logits, allowed);
  // The number of outputs so far numbers the draw: sampling a position again draws the same.
  const double u = random_uniform(s.seed, static_cast<uint64_t>(s.history.outputs()));
  const int32_t token = s.choose(u);
  if (out != nullptr) *out = logprobs_from(s.selector, logits, token, s.params.top_logprobs);
  return token;
}

std::vector<TokenLogprob> SequenceSampler::distribution(std::span<float> logits, std::span<const uint32_t> allowed) {
  State& s = *state_;
  s.prepare(logits, allowed);
  if (s.greedy()) return {{s.selector.argmax(), 0.0f}};
  const float scale = s.scale();
  s.take_candidates(scale);
  s.selector.list_cut();
  const double log_total = std::log(s.selector.candidate_sum());
  std::vector<TokenLogprob> out;
  for (size_t i = 0; i < s.selector.size(); ++i) {
    const double distance = static_cast<double>(s.selector.logit(i) - s.selector.largest());
    out.push_back({s.selector.id(i), static_cast<float>(distance * static_cast<double>(scale) - log_total)});
  }
  return out;
}

void SequenceSampler::accept(int32_t token) { state_->history.add(token, /*output=*/true); }

TokenLogprobs logprobs_of(std::span<const float> logits, int32_t token, int32_t top) {
  if (token < 0 || static_cast<size_t>(token) >= logits.size())
    fail(Code::kInternal, "logprobs: token ", token, " is not among ", logits.size(), " logits");
  Selector selector;
  const float largest = selector.scan(logits);
  if (!std::isfinite(largest)) fail(Code::kInternal, "the model's logits are all NaN or -inf, or contain +inf");
  return logprobs_from(selector, logits, token, top);
}

double log_sum_exp(std::span<const float> logits) {
  Selector selector;
  const float largest = selector.scan(logits);
  if (!std::isfinite(largest)) return largest;
  return static_cast<double>(largest) + std::log(selector.sum(1.0f));
}

}  // namespace mainspring
