// Tables of filters, tests and global functions.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "text/jinja/value.h"

namespace mainspring::jinja {

using FilterFunction = Value (*)(Interp&, const Value& subject, Args&);
struct FilterEntry {
  std::string_view name;
  FilterFunction run;
};
using TestFunction = bool (*)(Interp&, const Value& subject, Args&);
struct TestEntry {
  std::string_view name;
  TestFunction run;
};

// Null when there is no such name.
const FilterEntry* find_filter(std::string_view name) noexcept;
const TestEntry* find_test(std::string_view name) noexcept;
const Builtin* find_global(std::string_view name) noexcept;

// The filters of each file, joined by find_filter.
std::span<const FilterEntry> text_filters() noexcept;
std::span<const FilterEntry> sequence_filters() noexcept;
std::span<const FilterEntry> number_filters() noexcept;
std::span<const FilterEntry> layout_filters() noexcept;

// Puts positional and named arguments in the order of `names`; those not given are kMissing. Faults on too many,
// unknown or doubled arguments, and when one of the first `required` is missing.
std::vector<Value> bind_args(std::string_view function, const Args& args, std::initializer_list<std::string_view> names,
                             size_t required);

}  // namespace mainspring::jinja
