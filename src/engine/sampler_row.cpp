// Top-p and typical-p over the whole row, for sets too large to be worth listing: a cut is all that a draw needs.
//
// Where the cut must lie is guessed from a sample of the row (and all of its heavy tokens). One pass then gives the exact
// mass above a band around the guess and lists the band; the exact cut is found within the band. A band that missed it is
// moved by the error found. What is kept of the survivors is the band's upper end, those within the band, and the mass per
// block.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/sampler_select.h"

namespace mainspring {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr size_t kSampleVector = 16;
constexpr size_t kSampleStride = 64;         // one such vector of so many is looked at
constexpr double kHeavyShare = 1.0 / 2048;   // of the row's mass: heavier tokens are never left to the sample
// Half of a band's share of the mass, a few times the sample's error: a wider band costs the time to list it, a miss
// another pass. The tokens around typical-p's cut are fewer and heavier.
constexpr double kTopBand = 0.012, kTypicalBand = 0.02;
constexpr double kListTokens = 6144;         // sets up to this size are listed and not only cut
constexpr int kMaxBands = 4;                 // the last one is the whole row

}  // namespace

// Where the mass lies, estimated: bins of equal width by the distance from the best key, in units of the exponent.
struct Selector::Outline {
  static constexpr size_t kBins = 512;
  static constexpr float kReach = 24;  // what is further away has 4e-11 of the likeliest token's weight
  struct Bin {
    float mass = 0, count = 0;
  };
  std::array<Bin, kBins> bins{};
  double total = 0;

  void add(float distance, float weight, float times) {
    const float at = distance * (kBins / kReach);
    if (!(at < static_cast<float>(kBins))) return;  // NaN too
    Bin& bin = bins[static_cast<size_t>(std::max(static_cast<int>(at), 0))];
    bin.mass += weight * times;
    bin.count += times;
  }
  void finish() {
    for (const Bin& b : bins) total += static_cast<double>(b.mass);
  }
  // The distance within which `share` of the mass lies, and the tokens there.
  float quantile(double share, double* tokens = nullptr) const {
    double wanted = share * total, before = 0;
    float at = kReach;
    for (size_t b = 0; b < kBins; ++b) {
      const auto here = static_cast<double>(bins[b].mass);
      if (here >= wanted && here > 0) {
        at = (static_cast<float>(b) + static_cast<float>(std::max(wanted, 0.0) / here)) * (kReach / kBins);
        before += static_cast<double>(bins[b].count);
        break;
      }
      wanted -= here;
      before += static_cast<double>(bins[b].count);
    }
    if (tokens != nullptr) *tokens = before;
    return at;
  }
};

// Leaves all tokens heavier than heavy_weight_ among the candidates.
void Selector::take_sample(float scale) {
  const size_t vectors = row_.size() / kSampleVector;
  sample_.resize((vectors / kSampleStride + 1) * kSampleVector);
  size_t n = 0;
  for (size_t v = kSampleStride / 2; v < vectors; v += kSampleStride, n += kSampleVector)
    std::copy_n(row_.data() + v * kSampleVector, kSampleVector, sample_.data() + n);
  sample_.resize(n);
  sample_weights_.resize(n);
  kernels_->weights(sample_.data(), static_cast<int64_t>(n), largest_, scale, sample_weights_.data());
  const double mass = kernels_->mass_at_least(sample_weights_.data(), sample_weights_.data(), static_cast<int64_t>(n), 0.0f);
  heavy_weight_ = static_cast<float>(std::clamp(mass * kSampleStride * kHeavyShare, 1e-30, 1.0));
  take_at_least(largest_ + std::log(heavy_weight_) / scale, scale);
}

// Distances are (largest - x) * scale, or with a fold those from its centre. Logits below `low` do not count.
void Selector::draw_outline(float scale, const ScanFold* fold, float low, Outline& out) {
  take_sample(scale);
  const auto distance = [&](float x) { return fold != nullptr ? -fold->key(x) : (largest_ - x) * scale; };
  for (size_t i = 0; i < count_; ++i)
    if (weights_[i] >= heavy_weight_ && logits_[i] >= low) out.add(distance(logits_[i]), weights_[i], 1.0f);
  for (size_t i = 0; i < sample_.size(); ++i)
    if (sample_weights_[i] < heavy_weight_ && sample_[i] >= low)
      out.add(distance(sample_[i]), sample_weights_[i], static_cast<float>(kSampleStride));
  out.finish();
}

bool Selector::take_top_p(double p, float scale) {
  Outline shape;
  draw_outline(scale, nullptr, -kInfinity, shape);
  const double beyond = std::min(p + kTopBand, (p + 1) / 2);
  double tokens = 0;
  const float reach = shape.quantile(beyond, &tokens);
  if (tokens <= kListTokens || row_.size() < 4 * static_cast<size_t>(kListTokens)) {
    const double mass = p * sum(scale);
    // A guess that missed is widened; when p is nearly 1, all that has weight may be needed.
    for (float far = reach;; far *= 1.5f) {
      take_at_least(largest_ - std::min(far, 87.0f) / scale, scale);
      if (candidate_sum() >= mass || far >= 87.0f) break;
    }
    keep_top_mass(mass);
    return false;
  }
  const auto n = static_cast<int64_t>(row_.size());
  make_room(row_.size());
  const auto pass = [&](float near, float far) {
    int64_t count = 0;
    // The band's end may be the likeliest token itself, which must not be above it.
    row_high_ = near <= 0 ? kInfinity : largest_ - near / scale;
    row_sum_ = kernels_->cut(row_.data(), n, largest_, scale, far < kInfinity ? largest_ - far / scale : -kInfinity, row_high_,
                             sums_.data(), ids_.data(), &count);
    count_ = static_cast<size_t>(count);
    for (size_t i = 0; i < count_; ++i) keys_[i] = logits_[i] = row_[static_cast<size_t>(ids_[i])];
    kernels_->weights(logits_.data(), count, largest_, scale, weights_.data());
    return row_sum_;
  };
  fold_.reset();
  row_scale_ = scale;
  find_cut(shape, p, pass);
  return true;
}

void Selector::take_typical(double p, float scale) {
  const auto n = static_cast<int64_t>(row_.size());
  const float low = row_cut_ ? row_high_ : -kInfinity;
  weights_row_.resize(row_.size());
  size_sums();
  double moment = 0, total = kernels_->weigh(row_.data(), n, largest_, scale, low, weights_row_.data(), sums_.data(), &moment);
  if (row_cut_)  // and those of the band
    for (size_t i = 0; i < count_; ++i) {
      weights_row_[static_cast<size_t>(ids_[i])] = weights_[i];
      total += static_cast<double>(weights_[i]);
      moment += static_cast<double>(weights_[i]) * static_cast<double>((logits_[i] - largest_) * scale);
    }
  float lowest = low;
  if (row_cut_)
    for (size_t i = 0; i < count_; ++i) lowest = std::min(lowest, logits_[i]);
  // log p + entropy = (x - largest) * scale - mean: how far a token is from the expected surprise.
  fold_ = ScanFold{largest_, scale, static_cast<float>(moment / total)};
  row_scale_ = scale;
  Outline shape;
  draw_outline(scale, &*fold_, lowest, shape);
  make_room(row_.size());
  find_cut(shape, p, [&](float near, float far) {
    row_high_ = near <= 0 ? kInfinity : -near;
    count_ = static_cast<size_t>(kernels_->cut_folded(row_.data(), weights_row_.data(), n, *fold_, -far, row_high_, sums_.data(),
                                                      ids_.data()));
    for (size_t i = 0; i < count_; ++i) {
      const auto id = static_cast<size_t>(ids_[i]);
      logits_[i] = row_[id];
      weights_[i] = weights_row_[id];
      keys_[i] = fold_->key(logits_[i]);
    }
    return total;
  });
}

// `pass(near, far)` lists the band of distances and returns the row's mass; the mass nearer than the band is in sums_.
void Selector::find_cut(const Outline& shape, double p, FunctionRef<double(float, float)> pass) {
  size_sums();
  summed_scale_ = 0;
  double share = p, half = fold_ ? kTypicalBand : kTopBand;
  for (int round = 1;; ++round) {
    const bool last = round == kMaxBands;
    const double from = std::max(share - half, share / 2), to = share + half;
    const float near = last ? 0 : shape.quantile(from);
    const float far = last || to >= 1 - 1e-6 ? kInfinity : shape.quantile(to);
    const double total = pass(near, far), target = p * total, band = candidate_sum();
    double nearer = 0;
    for (const float s : sums_) nearer += static_cast<double>(s);
    const bool whole = near <= 0 && far == kInfinity;
    if (!whole && (nearer >= target || nearer + band < target)) {
      share += (nearer >= target ? target - nearer : target - nearer - band) / total;
      half *= 2;
      continue;
    }
    keep_best(weights_.data(), target - nearer, 0.25f / (fold_ ? 1.0f : row_scale_));
    for (size_t i = 0; i < count_; ++i) sums_[static_cast<size_t>(ids_[i]) / kSumBlock] += weights_[i];
    row_cut_ = true;
    return;
  }
}

void Selector::list_cut() {
  if (!row_cut_) return;
  row_cut_ = false;
  std::vector<int32_t> chosen(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(count_));
  for (size_t i = 0; i < row_.size(); ++i)
    if ((fold_ ? fold_->key(row_[i]) : row_[i]) >= row_high_) chosen.push_back(static_cast<int32_t>(i));
  std::sort(chosen.begin(), chosen.end());
  count_ = 0;
  for (const int32_t id : chosen) {
    const auto i = static_cast<size_t>(id);
    float weight = 0;
    if (fold_) weight = weights_row_[i];
    else kernels_->weights(&row_[i], 1, largest_, row_scale_, &weight);
    if (weight <= 0) continue;
    ids_[count_] = id;
    logits_[count_] = row_[i];
    weights_[count_++] = weight;
  }
}

int32_t Selector::draw_from_cut(double u) const {
  double total = 0, before = 0;
  for (const float s : sums_) total += static_cast<double>(s);
  const double target = u * total;
  size_t last = 0;  // the last block with any weight, where rounding may lead
  for (size_t block = 0; block < sums_.size(); ++block) {
    if (sums_[block] <= 0) continue;
    last = block;
    if (before + static_cast<double>(sums_[block]) > target) break;
    before += static_cast<double>(sums_[block]);
  }
  const size_t start = last * kSumBlock, end = std::min<size_t>(start + kSumBlock, row_.size());
  std::array<float, kSumBlock> own;
  const float* weights = own.data();
  if (fold_) {
    weights = weights_row_.data() + start;
  } else {
    kernels_->weights(row_.data() + start, static_cast<int64_t>(end - start), largest_, row_scale_, own.data());
  }
  const int32_t* ids_end = ids_.data() + count_;
  const int32_t* in_band = std::lower_bound(ids_.data(), ids_end, static_cast<int32_t>(start));
  size_t chosen = start;
  for (size_t i = start; i < end; ++i) {
    const bool listed = in_band != ids_end && *in_band == static_cast<int32_t>(i);
    in_band += listed;
    const float weight = weights[i - start];
    if (!(weight > 0) || !(listed || (fold_ ? fold_->key(row_[i]) : row_[i]) >= row_high_)) continue;
    chosen = i;
    before += static_cast<double>(weight);
    if (before > target) break;
  }
  return static_cast<int32_t>(chosen);
}

}  // namespace mainspring
