// Choosing from one row of logits: maximum, the k largest, the smallest set of a given mass, the draw. No full sorts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

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
  // At least the smallest set of likeliest tokens that holds `mass` of the row's total weight.
  void take_mass(double mass, float scale);
  size_t size() const { return ids_.size(); }
  int32_t id(size_t i) const { return ids_[i]; }
  float logit(size_t i) const { return logits_[i]; }

  // Filters over the candidates.
  void keep_top_k(int64_t k);
  void keep_top_p(double p);      // of the candidates' own mass
  void keep_top_mass(double mass);  // absolute weight
  void keep_min_p(double p);
  void keep_typical(double p, float scale);
  int32_t draw(double u) const;
  // Ids of the candidates, the likeliest first, in an order that stays valid until the next call.
  std::span<const uint32_t> order_by_logit();

 private:
  // (key, index) of the last candidate kept when the best keys come first.
  struct Cut {
    uint32_t key = 0;
    uint32_t index = 0;
  };
  struct Item {
    uint32_t key;
    float mass;
    uint32_t index;
  };
  void gather(float threshold);
  double candidate_sum() const;
  Cut cut(std::span<const float> keys, bool unit_mass, double target);
  void narrow(uint32_t low, uint32_t high, double& target);
  void keep_best(std::span<const float> keys, bool unit_mass, double target);
  template <class Keep>
  void filter(Keep keep);

  const ScanKernels* kernels_;
  std::span<const float> row_;
  float largest_ = 0;
  double row_sum_ = 0;
  std::vector<float> maxima_, sums_, copy_;  // per block
  std::vector<int32_t> ids_;
  std::vector<float> logits_, weights_, keys_;
  std::vector<Item> items_;
  std::vector<uint32_t> order_;
};

}  // namespace mainspring
