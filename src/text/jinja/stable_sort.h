// Merge sort as list.sort() needs it: stable, and safe for comparisons that throw or contradict each other.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

namespace mainspring::jinja {

template <class T, class Less>
void stable_sort(std::vector<T>& items, const Less& less) {
  std::vector<T> from = std::move(items), to(from.size());
  for (size_t width = 1; width < from.size(); width *= 2) {
    for (size_t left = 0; left < from.size(); left += 2 * width) {
      const size_t middle = std::min(left + width, from.size()), right = std::min(left + 2 * width, from.size());
      size_t a = left, b = middle, out = left;
      while (a < middle && b < right) {
        const bool second = less(from[b], from[a]);
        to[out++] = std::move(from[second ? b++ : a++]);
      }
      while (a < middle) to[out++] = std::move(from[a++]);
      while (b < right) to[out++] = std::move(from[b++]);
    }
    std::swap(from, to);
  }
  items = std::move(from);
}

}  // namespace mainspring::jinja
