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
#include <utility>

namespace mainspring {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Below this many items sorting is cheaper than another histogram.
constexpr size_t kSortItems = 48;
constexpr int kBinBits = 10;

}  // namespace

// Unsigned integers in the order of the floats (no NaN); -0 and 0 are one.
uint32_t Selector::ordered_bits(float f) {
  const uint32_t u = std::bit_cast<uint32_t>(f + 0.0f);
  return (u & 0x80000000u) != 0 ? ~u : u | 0x80000000u;
}

float Selector::scan(std::span<const float> logits) {
  row_ = logits;
  summed_scale_ = 0;
  row_cut_ = false;
  const auto n = static_cast<int64_t>(logits.size());
  maxima_.resize(static_cast<size_t>(scan_blocks(n)));
  largest_ = kernels_->block_max(logits.data(), n, maxima_.data());
  return largest_;
}

int32_t Selector::argmax() const {
  const auto block = static_cast<size_t>(std::find(maxima_.begin(), maxima_.end(), largest_) - maxima_.begin());
  size_t i = block * kScanBlock;
  while (i < row_.size() && row_[i] != largest_) ++i;
  return static_cast<int32_t>(i);
}

double Selector::sum(float scale) {
  if (summed_scale_ == scale) return row_sum_;
  summed_scale_ = scale;
  size_sums();
  row_sum_ = kernels_->block_sum(row_.data(), static_cast<int64_t>(row_.size()), largest_, scale, sums_.data());
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
  const size_t start = last * kSumBlock, n = std::min<size_t>(kSumBlock, row_.size() - start);
  std::array<float, kSumBlock> w;
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

// Calls visit(start, n) for every run of neighbouring blocks whose largest logit is at least `threshold`.
template <class Visit>
void Selector::blocks_at_least(float threshold, const Visit& visit) const {
  for (size_t b = 0; b < maxima_.size(); ++b) {
    if (!(maxima_[b] >= threshold)) continue;
    size_t end = b + 1;
    while (end < maxima_.size() && maxima_[end] >= threshold) ++end;
    const size_t start = b * kScanBlock;
    visit(start, std::min(end * kScanBlock, row_.size()) - start);
    b = end;  // known to be below the threshold
  }
}

int64_t Selector::rank(int32_t id) const {
  const float value = row_[static_cast<size_t>(id)];
  const auto at = static_cast<size_t>(id);
  int64_t before = 0;  // those of equal logits count when their id is lower
  blocks_at_least(value, [&](size_t start, size_t n) {
    const size_t end = start + n, first = std::clamp(at, start, end), second = std::clamp(at + 1, start, end);
    before += kernels_->count_at_least(row_.data() + start, static_cast<int64_t>(first - start), value) +
              kernels_->count_above(row_.data() + second, static_cast<int64_t>(end - second), value);
  });
  return before + 1;
}

void Selector::make_room(size_t n) {
  if (ids_.size() >= n) return;
  const size_t room = std::max(2 * ids_.size(), n);
  ids_.resize(room);
  logits_.resize(room);
  weights_.resize(room);
  keys_.resize(room);
}

void Selector::gather(float threshold) {
  threshold = std::max(threshold, std::numeric_limits<float>::lowest());  // -inf itself is never a candidate
  count_ = 0;
  blocks_at_least(threshold, [&](size_t start, size_t n) {
    make_room(count_ + n);
    count_ += static_cast<size_t>(kernels_->collect(row_.data() + start, static_cast<int64_t>(n), threshold, kInfinity,
                                                    static_cast<int32_t>(start), ids_.data() + count_,
                                                    logits_.data() + count_));
  });
}

void Selector::take_at_least(float threshold, float scale) {
  gather(threshold);
  kernels_->weights(logits_.data(), static_cast<int64_t>(count_), largest_, scale, weights_.data());
}

void Selector::take_top_k(int64_t k, float scale) {
  float threshold = -kInfinity;
  if (k <= static_cast<int64_t>(maxima_.size())) {
    threshold = bracket(maxima_.data(), nullptr, maxima_.size(), static_cast<double>(k), 1.0f).low;
  }
  take_at_least(threshold, scale);
  keep_top_k(k);
}

double Selector::candidate_sum() const {
  return kernels_->mass_at_least(weights_.data(), weights_.data(), static_cast<int64_t>(count_), 0.0f);
}

void Selector::keep_at_least(const float* keys, float low) {
  count_ = static_cast<size_t>(kernels_->compact(keys, static_cast<int64_t>(count_), low, ids_.data(), logits_.data(),
                                                 weights_.data()));
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

// Finds low < high with mass(keys >= low) >= target > mass(keys >= high) = above, close enough together that few keys lie
// between. `step` is a first guess of the distance from the largest key. Null mass: every key counts 1.
Selector::Bracket Selector::bracket(const float* keys, const float* mass, size_t size, double target, float step) {
  const auto n = static_cast<int64_t>(size);
  const auto mass_from = [&](float key) {
    return mass == nullptr ? static_cast<double>(kernels_->count_at_least(keys, n, key))
                           : kernels_->mass_at_least(keys, mass, n, key);
  };
  block_scratch_.resize(static_cast<size_t>(scan_blocks(n)));
  const float largest = kernels_->block_max(keys, n, block_scratch_.data());
  Bracket b{largest, kInfinity, 0};
  for (double sum = mass_from(b.low); sum < target; step *= 2) {
    b = {largest - step, b.low, sum};
    if (!(b.low > std::numeric_limits<float>::lowest())) return {-kInfinity, b.high, b.above};
    sum = mass_from(b.low);
  }
  if (b.high == kInfinity) return b;  // the largest key alone is enough
  for (int round = 0; round < 6; ++round) {
    const float middle = b.low + (b.high - b.low) / 2;
    if (!(middle > b.low && middle < b.high)) break;
    const double sum = mass_from(middle);
    if (sum >= target) {
      b.low = middle;
    } else {
      b.high = middle;
      b.above = sum;
    }
  }
  return b;
}

// Orders items_ around the cut that keeps `target` of their mass (some of those beyond it are dropped), the largest keys
// first and among equal ones the lower index. Returns how many are kept.
size_t Selector::keep_items(double target) {
  while (items_.size() > kSortItems) {
    const auto by_key = [](const Item& a, const Item& b) { return a.key < b.key; };
    const auto [least, most] = std::minmax_element(items_.begin(), items_.end(), by_key);
    if (least->key == most->key) break;  // they are in order of their index already
    narrow(least->key, most->key, target);  // the extremes lie in different bins, so something is dropped
  }
  if (items_.size() <= kSortItems)
    std::sort(items_.begin(), items_.end(),
              [](const Item& a, const Item& b) { return a.key != b.key ? a.key > b.key : a.index < b.index; });
  double sum = 0;
  size_t n = 0;
  while (n < items_.size() && sum < target) sum += items_[n++].mass;
  return n;
}

// Keeps the smallest set of candidates with the largest keys_ whose mass (their number when `mass` is null) reaches
// `target`; among equal keys the lower ids.
void Selector::keep_best(const float* mass, double target, float step) {
  if (count_ <= 1) return;
  Bracket cut_in{-kInfinity, kInfinity, 0};
  if (count_ > kSortItems) cut_in = bracket(keys_.data(), mass, count_, target, step);
  target -= cut_in.above;
  if (band_.size() < count_) {
    band_.resize(ids_.size());
    band_index_.resize(ids_.size());
  }
  const auto band = static_cast<size_t>(kernels_->collect(keys_.data(), static_cast<int64_t>(count_), cut_in.low, cut_in.high,
                                                          0, band_index_.data(), band_.data()));
  items_.resize(band);
  for (size_t i = 0; i < band; ++i) {
    const auto at = static_cast<uint32_t>(band_index_[i]);
    items_[i] = {ordered_bits(band_[i]), mass == nullptr ? 1.0f : mass[at], at};
  }
  const size_t n = keep_items(target);
  if (n == 0) return;
  // Equal keys behind the cut leave by index, all lower keys by value.
  const Item last = items_[n - 1];
  const float cut = keys_[last.index];
  for (size_t i = n; i < items_.size() && items_[i].key == last.key; ++i) keys_[items_[i].index] = -kInfinity;
  keep_at_least(keys_.data(), cut);
}

void Selector::keep_top_k(int64_t k) {
  if (static_cast<int64_t>(count_) <= k) return;
  std::copy_n(logits_.begin(), count_, keys_.begin());
  keep_best(nullptr, static_cast<double>(k), 1.0f);
}

void Selector::keep_top_mass(double mass) {
  std::copy_n(logits_.begin(), count_, keys_.begin());
  keep_best(weights_.data(), mass, 1.0f);
}

void Selector::keep_top_p(double p) { keep_top_mass(p * candidate_sum()); }

// The likeliest token's weight is 1.
void Selector::keep_min_p(double p) { keep_at_least(weights_.data(), static_cast<float>(p)); }

void Selector::keep_typical(double p, float scale) {
  const double total = candidate_sum();
  // The entropy is log(total) - mean, the mean being that of (x - largest) * scale; 16 sums, so that additions overlap.
  std::array<double, 16> sums{};
  for (size_t i = 0; i < count_; ++i)
    sums[i % 16] += static_cast<double>(weights_[i]) * static_cast<double>((logits_[i] - largest_) * scale);
  double mean = 0;
  for (const double s : sums) mean += s;
  mean /= total;
  // log p + entropy = (x - largest) * scale - mean: how far a token is from the expected surprise.
  const auto centre = static_cast<float>(mean);
  for (size_t i = 0; i < count_; ++i) keys_[i] = -std::fabs((logits_[i] - largest_) * scale - centre);
  keep_best(weights_.data(), p * total, 0.25f);
}

int32_t Selector::draw(double u) const {
  if (row_cut_) return draw_from_cut(u);
  const double target = u * candidate_sum();
  double before = 0;
  size_t chosen = 0;
  for (size_t i = 0; i < count_; ++i) {
    if (weights_[i] <= 0) continue;
    chosen = i;
    before += weights_[i];
    if (before > target) break;
  }
  return ids_[chosen];
}

// A radix sort of the logits' bits, which keeps the order of equal ones: 1024 entries cost a tenth of a sort by comparison.
std::span<const uint32_t> Selector::order_by_logit() {
  constexpr int kDigitBits = 8, kDigits = 4;
  std::array<std::array<uint32_t, size_t{1} << kDigitBits>, kDigits> ends{};
  order_.resize(count_);
  order_scratch_.resize(count_);
  sort_keys_.resize(count_);
  for (size_t i = 0; i < count_; ++i) {
    order_[i] = static_cast<uint32_t>(i);
    sort_keys_[i] = ~ordered_bits(logits_[i]);  // the largest first
    for (int d = 0; d < kDigits; ++d) ++ends[d][sort_keys_[i] >> (d * kDigitBits) & 0xFF];
  }
  for (int d = 0; d < kDigits; ++d) {
    uint32_t sum = 0;
    bool one_value = false;
    for (uint32_t& e : ends[d]) {
      one_value |= e == count_;
      e = std::exchange(sum, sum + e);
    }
    if (one_value) continue;
    for (const uint32_t i : order_) order_scratch_[ends[d][sort_keys_[i] >> (d * kDigitBits) & 0xFF]++] = i;
    order_.swap(order_scratch_);
  }
  return order_;
}

}  // namespace mainspring
