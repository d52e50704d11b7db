// "a.b.0" as the attribute argument of sort, map, join, groupby and others.
#pragma once

#include <vector>

#include "text/jinja/value.h"

namespace mainspring::jinja {

class AttributePath {
 public:
  // `attribute` is a str path, an int, or None / kMissing for the item itself; `fallback` replaces undefined parts.
  AttributePath(Interp& in, const Value& attribute, Value fallback = Value());
  Value get(const Value& item) const;

 private:
  Interp* in_;
  std::vector<Value> parts_;
  Value fallback_;
};

// Strings in lower case, other values as they are.
Value ignore_case(Interp& in, const Value& v);

}  // namespace mainspring::jinja
