// "a.b.0" as the attribute argument of sort, map, join, groupby and others.
#include "text/jinja/attribute_path.h"

#include <algorithm>

#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"

namespace mainspring::jinja {

AttributePath::AttributePath(Interp& in, const Value& attribute, Value fallback)
    : in_(&in), fallback_(std::move(fallback)) {
  if (attribute.is_missing() || attribute.is_none()) return;
  if (!attribute.is_string()) {
    parts_.push_back(attribute);
    return;
  }
  for (std::string_view part : split(attribute.text(), '.')) {
    const bool number =
        !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    parts_.push_back(number ? *parse_integer(part, 10) : in.str(std::string(part)));
  }
}

Value AttributePath::get(const Value& item) const {
  Value v = item;
  for (const Value& part : parts_) {
    v = get_item(*in_, v, part);
    if (v.is_undefined() && !fallback_.is_missing() && !fallback_.is_none()) v = fallback_;
  }
  return v;
}

Value ignore_case(Interp& in, const Value& v) {
  if (!v.is_string()) return v;
  in.scan(v.text().size());
  return in.str(to_lower(v.text()));
}

}  // namespace mainspring::jinja
