// Profile device.
#include "backends/wrap/profile_device.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/str.h"

namespace mainspring {

void ProfileDevice::dispatch(OpId id, const void* op) {
  const auto start = std::chrono::steady_clock::now();
  inner_.dispatch(id, op);
  inner_.sync();
  Row& row = rows_[static_cast<size_t>(id)];
  row.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ++row.count;
}

double ProfileDevice::seconds() const noexcept {
  double total = 0;
  for (const Row& r : rows_) total += r.seconds;
  return total;
}

void ProfileDevice::reset() noexcept {
  for (Row& r : rows_) r = {};
}

std::vector<OpId> ProfileDevice::by_cost() const {
  std::vector<OpId> ids;
  for (size_t i = 0; i < kOpCount; ++i)
    if (rows_[i].count > 0) ids.push_back(static_cast<OpId>(i));
  std::sort(ids.begin(), ids.end(), [&](OpId a, OpId b) { return row(a).seconds > row(b).seconds; });
  return ids;
}

std::string ProfileDevice::text() const {
  std::string out;
  const double total = seconds();
  for (OpId id : by_cost()) {
    char line[160];
    const Row& r = row(id);
    std::snprintf(line, sizeof line, "%-14s %9lld calls %10.3f ms %9.2f us/call %5.1f %%\n", op_name(id),
                  static_cast<long long>(r.count), r.seconds * 1e3, r.seconds * 1e6 / static_cast<double>(r.count),
                  total > 0 ? 100 * r.seconds / total : 0.0);
    out += line;
  }
  return out;
}

Json ProfileDevice::json() const {
  Json ops = Json::array();
  for (OpId id : by_cost())
    ops.push_back(Json::object({{"op", op_name(id)}, {"count", row(id).count}, {"seconds", row(id).seconds}}));
  return Json::object({{"device", name()}, {"ops", std::move(ops)}, {"seconds", seconds()}});
}

}  // namespace mainspring
