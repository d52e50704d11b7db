// Lookup of filters and binding of arguments.
#include "text/jinja/registry.h"

#include <algorithm>
#include <array>

namespace mainspring::jinja {

const FilterEntry* find_filter(std::string_view name) noexcept {
  for (const auto table : {text_filters(), sequence_filters(), number_filters(), layout_filters()}) {
    const auto it = std::find_if(table.begin(), table.end(), [&](const FilterEntry& e) { return e.name == name; });
    if (it != table.end()) return &*it;
  }
  return nullptr;
}

std::vector<Value> bind_args(std::string_view function, const Args& args, std::initializer_list<std::string_view> names,
                             size_t required) {
  if (args.pos.size() > names.size()) {
    fault(function, "() takes at most ", names.size(), " argument(s), ", args.pos.size(), " given");
  }
  std::vector<Value> bound(names.size());
  std::copy(args.pos.begin(), args.pos.end(), bound.begin());
  for (const auto& [key, value] : args.kw) {
    const auto it = std::find(names.begin(), names.end(), key);
    if (it == names.end()) fault(function, "() got an unexpected keyword argument '", printable(key, 40), "'");
    Value& place = bound[static_cast<size_t>(it - names.begin())];
    if (!place.is_missing()) fault(function, "() got multiple values for argument '", key, "'");
    place = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (bound[i].is_missing()) fault(function, "() is missing its argument '", names.begin()[i], "'");
  }
  return bound;
}

}  // namespace mainspring::jinja
