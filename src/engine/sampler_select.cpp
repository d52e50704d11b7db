// Selection by block maxima and by histograms of keys.
//
// The largest of each 64-logit block is cheap to find; the k-th largest of these maxima is a lower bound of the k-th largest
// logit, so only the few blocks that reach it are looked at. Sets of a given mass begin with the logits near the maximum
// and fall back to the whole row; large sets are cut by a histogram of their keys that is narrowed to the bin of the cut.
#include "engine/sampler_select.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace mainspring {

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
// Below this many items sorting is cheaper than another histogram.
constexpr size_t kSortItems = 512;
constexpr int kBinBits = 10;

// Unsigned integers in the order of the floats (no NaN); -0 and 0 are one.
uint32_t key_of(float f) {
  const uint32_t u = std::bit_cast<uint32_t>(f + 0.0f);
  return (u & 0x80000000u) != 0 ? ~u : u | 0x80000000u;
}

}  // namespace

float Selector::scan(std::span<const float> logits) {
  row_ = logits;
  const auto n = static_cast<int64_t>(logits.size());
  maxima_.resize(static_cast<size_t>(scan_blocks(n)));
  kernels_->block_max(logits.data(), n, maxima_.data());
  largest_ = kMinusInfinity;
  for (const float m : maxima_) largest_ = m > largest_ ? m : largest_;
  return largest_;
}

int32_t Selector::argmax() const {
  const auto block = static_cast<size_t>(std::find(maxima_.begin(), maxima_.end(), largest_) - maxima_.begin());
  size_t i = block * kScanBlock;
  while (i < row_.size() && row_[i] != largest_) ++i;
  return static_cast<int32_t>(i);
}

double Selector::sum(float scale) {
  sums_.resize(maxima_.size());
  kernels_->block_sum(row_.data(), static_cast<int64_t>(row_.size()), largest_, scale, sums_.data());
  row_sum_ = 0;
  for (const float s : sums_) row_sum_ += s;
  return row_sum_;
}

int32_t Selector::draw_from_row(double u, float scale) {
  const double target = u * row_sum_;
  double before = 0;
  size_t block = 0, last = 0;  // last: the last block with any weight, where rounding may lead
  for (; block < sums_.size(); ++block) {
    if (sums_[block] <= 0) continue;
    last = block;
    if (before + sums_[block] > target) break;
    before += sums_[block];
  }
  const size_t start = last * kScanBlock, n = std::min<size_t>(kScanBlock, row_.size() - start);
  std::array<float, kScanBlock> w;
  kernels_->weights(row_.data() + start, static_cast<int64_t>(n), largest_, scale, w.data());
  size_t chosen = 0;
  for (size_t i = 0; i < n; ++i) {
    if (w[i] <= 0) continue;
    chosen = i;
    before += w[i];
    if (before > target) break;
  }
  return static_cast<int32_t>(start + chosen);
}

int64_t Selector::rank(int32_t id) const {
  const float value = row_[static_cast<size_t>(id)];
  const float* after = row_.data() + id + 1;
  return 1 + kernels_->count_at_least(row_.data(), id, value) +
         kernels_->count_above(after, static_cast<int64_t>(row_.size()) - id - 1, value);
}

void Selector::gather(float threshold) {
  // -inf itself is never a candidate.
  threshold = std::max(threshold, std::numeric_limits<float>::lowest());
  size_t n = 0;
  for (size_t b = 0; b < maxima_.size(); ++b) {
    if (!(maxima_[b] >= threshold)) continue;
    const size_t start = b * kScanBlock, end = std::min(start + kScanBlock, row_.size());
    if (ids_.size() < n + kScanBlock) {
      const size_t room = std::max<size_t>(2 * ids_.size(), n + kScanBlock);
      ids_.resize(room);
      logits_.resize(room);
    }
    for (size_t i = start; i < end; ++i) {
      ids_[n] = static_cast<int32_t>(i);
      logits_[n] = row_[i];
      n += row_[i] >= threshold;
    }
  }
  ids_.resize(n);
  logits_.resize(n);
}

void Selector::take_at_least(float threshold, float scale) {
  gather(threshold);
  weights_.resize(ids_.size());
  kernels_->weights(logits_.data(), static_cast<int64_t>(ids_.size()), largest_, scale, weights_.data());
}

void Selector::take_top_k(int64_t k, float scale) {
  float threshold = kMinusInfinity;
  if (k <= static_cast<int64_t>(maxima_.size())) {
    copy_ = maxima_;
    std::nth_element(copy_.begin(), copy_.begin() + (k - 1), copy_.end(), std::greater<>());
    threshold = copy_[static_cast<size_t>(k - 1)];
  }
  take_at_least(threshold, scale);
  keep_top_k(k);
}

void Selector::take_mass(double mass, float scale) {
  const double wanted = mass * row_sum_;
  for (const float distance : {4.0f, 8.0f, 16.0f}) {
    const float threshold = largest_ - distance / scale;
    const auto blocks = std::count_if(maxima_.begin(), maxima_.end(), [=](float m) { return m >= threshold; });
    if (static_cast<size_t>(blocks) > maxima_.size() / 4) break;  // flat: the whole row is as quick
    take_at_least(threshold, scale);
    if (candidate_sum() >= wanted) return;
  }
  take_at_least(largest_ - 87.0f / scale, scale);
}

double Selector::candidate_sum() const {
  double sum = 0;
  for (const float w : weights_) sum += w;
  return sum;
}

template <class Keep>
void Selector::filter(Keep keep) {
  size_t n = 0;
  for (size_t i = 0; i < ids_.size(); ++i) {
    if (!keep(i)) continue;
    ids_[n] = ids_[i];
    logits_[n] = logits_[i];
    weights_[n] = weights_[i];
    ++n;
  }
  ids_.resize(n);
  logits_.resize(n);
  weights_.resize(n);
}

// Reduces items_ to the histogram bin in which the cut lies, and `target` by the mass of the bins above.
void Selector::narrow(uint32_t low, uint32_t high, double& target) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(high - low)) - kBinBits);
  std::array<double, size_t{1} << kBinBits> mass{};
  for (const Item& item : items_) mass[(high - item.key) >> shift] += item.mass;
  uint32_t bin = 0;
  const uint32_t last_bin = (high - low) >> shift;
  while (bin < last_bin && mass[bin] < target) target -= mass[bin++];
  std::erase_if(items_, [&](const Item& item) { return (high - item.key) >> shift != bin; });
}

Selector::Cut Selector::cut(std::span<const float> keys, bool unit_mass, double target) {
  items_.resize(keys.size());
  for (size_t i = 0; i < keys.size(); ++i)
    items_[i] = {key_of(keys[i]), unit_mass ? 1.0f : weights_[i], static_cast<uint32_t>(i)};
  while (items_.size() > kSortItems) {
    const auto by_key = [](const Item& a, const Item& b) { return a.key < b.key; };
    const auto [low, high] = std::minmax_element(items_.begin(), items_.end(), by_key);
    if (low->key == high->key) break;
    narrow(low->key, high->key, target);  // the extremes lie in different bins, so something is dropped
  }
  std::sort(items_.begin(), items_.end(),
            [](const Item& a, const Item& b) { return a.key != b.key ? a.key > b.key : a.index < b.index; });
  double sum = 0;
  Cut c;
  for (const Item& item : items_) {
    c = {item.key, item.index};
    sum += item.mass;
    if (sum >= target) break;
  }
  return c;
}

void Selector::keep_best(std::span<const float> keys, bool unit_mass, double target) {
  if (ids_.size() <= 1) return;
  const Cut c = cut(keys, unit_mass, target);
  filter([&](size_t i) {
    const uint32_t k = key_of(keys[i]);
    return k > c.key || (k == c.key && i <= c.index);
  });
}

void Selector::keep_top_k(int64_t k) {
  if (static_cast<int64_t>(ids_.size()) > k) {
    keys_ = logits_;
    keep_best(keys_, /*unit_mass=*/true, static_cast<double>(k));
  }
}

void Selector::keep_top_mass(double mass) {
  keys_ = logits_;
  keep_best(keys_, /*unit_mass=*/false, mass);
}

void Selector::keep_top_p(double p) { keep_top_mass(p * candidate_sum()); }

void Selector::keep_min_p(double p) {
  // The likeliest token's weight is 1.
  const auto threshold = static_cast<float>(p);
  filter([&](size_t i) { return weights_[i] >= threshold; });
}

void Selector::keep_typical(double p, float scale) {
  const double total = candidate_sum(), log_total = std::log(total);
  const auto log_p = [&](size_t i) {
    return static_cast<double>(logits_[i] - largest_) * static_cast<double>(scale) - log_total;
  };
  double entropy = 0;
  for (size_t i = 0; i < ids_.size(); ++i) entropy -= static_cast<double>(weights_[i]) / total * log_p(i);
  keys_.resize(ids_.size());
  for (size_t i = 0; i < ids_.size(); ++i) keys_[i] = static_cast<float>(-std::fabs(-log_p(i) - entropy));
  keep_best(keys_, /*unit_mass=*/false, p * total);
}

int32_t Selector::draw(double u) const {
  const double target = u * candidate_sum();
  double before = 0;
  size_t chosen = 0;
  for (size_t i = 0; i < ids_.size(); ++i) {
    if (weights_[i] <= 0) continue;
    chosen = i;
    before += weights_[i];
    if (before > target) break;
  }
  return ids_[chosen];
}

std::span<const uint32_t> Selector::order_by_logit() {
  order_.resize(ids_.size());
  for (size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<uint32_t>(i);
  std::sort(order_.begin(), order_.end(),
            [this](uint32_t a, uint32_t b) { return logits_[a] != logits_[b] ? logits_[a] > logits_[b] : a < b; });
  return order_;
}

}  // namespace mainspring
