// Choosing from one row of logits: maximum, the k largest, the smallest set of a given mass, the draw. No full sorts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "engine/sampler_scan.h"

namespace mainspring {

// Keeps its buffers from row to row, so that a steady stream of rows allocates nothing. Candidates are always in id order;
// equal logits rank by id, the lower first. NaN is never chosen.
class Selector {
 public:
  explicit Selector(const ScanKernels& kernels = scan_kernels()) : kernels_(&kernels) {}

  // The row to work on; it must stay unchanged while it is. Returns the largest logit (-inf when there is none).
  float scan(std::span<const float> logits);
  float largest() const { return largest_; }
  int32_t argmax() const;
  // sum of exp((x - largest) * scale) over the row.
  double sum(float scale);
  // The id at `u` (in [0, 1)) of the cumulated weights of the whole row; after sum(scale).
  int32_t draw_from_row(double u, float scale);
  int64_t rank(int32_t id) const;  // 1 = the largest

  // Candidates: subsets of the row with their weights exp((x - largest) * scale).
  void take_top_k(int64_t k, float scale);
  void take_at_least(float threshold, float scale);
  // The smallest set of likeliest tokens that holds `p` of the row's weight. False: as candidates. True: the set is too
  // large to list and is known by its cut only; then draw(), take_typical() and list_cut() are what can follow.
  bool take_top_p(double p, float scale);
  // Locally typical sampling of the whole row, or of what take_top_p cut; the result is a cut.
  void take_typical(double p, float scale);
  void list_cut();  // makes candidates of a cut
  size_t size() const { return count_; }
  int32_t id(size_t i) const { return ids_[i]; }
  float logit(size_t i) const { return logits_[i]; }
  double candidate_sum() const;  // of the weights

  // Filters over the candidates.
  void keep_top_k(int64_t k);
  void keep_top_p(double p);        // of the candidates' own mass
  void keep_top_mass(double mass);  // absolute weight
  void keep_min_p(double p);
  void keep_typical(double p, float scale);
  int32_t draw(double u) const;
  // Ids of the candidates, the likeliest first, in an order that stays valid until the next call.
  std::span<const uint32_t> order_by_logit();

 private:
  struct Item {
    uint32_t key;
    float mass;
    uint32_t index;
  };
  struct Bracket {
    float low, high;
    double above;
  };
  template <class Visit>
  void blocks_at_least(float threshold, const Visit& visit) const;
  struct Outline;
  static uint32_t ordered_bits(float f);
  size_t keep_items(double target);
  void take_sample(float scale);
  void draw_outline(float scale, const ScanFold* fold, float low, Outline& out);
  void find_cut(const Outline& shape, double p, FunctionRef<double(float, float)> pass);
  int32_t draw_from_cut(double u) const;
  void make_room(size_t n);
  void size_sums() { sums_.resize(static_cast<size_t>(sum_blocks(static_cast<int64_t>(row_.size())))); }
  void gather(float threshold);
  Bracket bracket(const float* keys, const float* mass, size_t size, double target, float step);
  void narrow(uint32_t low, uint32_t high, double& target);
  void keep_best(const float* mass, double target, float step);
  void keep_at_least(const float* keys, float low);

  const ScanKernels* kernels_;
  std::span<const float> row_;
  float largest_ = 0;
  double row_sum_ = 0;
  float summed_scale_ = 0;  // of row_sum_ and sums_; 0: none
  // The choice is not the candidates alone but also every token whose key (the logit, or the fold's) is at least row_high_;
  // the mass of both per block is in sums_.
  bool row_cut_ = false;
  float row_high_ = 0, row_scale_ = 1;
  std::optional<ScanFold> fold_;  // then weights_row_ has the weights
  std::vector<float> weights_row_, sample_, sample_weights_;
  float heavy_weight_ = 0;
  std::vector<float> maxima_, sums_, block_scratch_;  // per block of kScanBlock; sums_ per block of kSumBlock
  // The first count_ entries are the candidates; the vectors only grow.
  size_t count_ = 0;
  std::vector<int32_t> ids_;
  std::vector<float> logits_, weights_;
  std::vector<float> keys_, band_;  // of keep_best
  std::vector<int32_t> band_index_;
  std::vector<Item> items_;
  std::vector<uint32_t> order_, order_scratch_, sort_keys_;
};

}  // namespace mainspring
