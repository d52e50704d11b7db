// Truth, equality, order, hashing, membership; the dict type.
#include <cmath>
#include <functional>

#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"

namespace mainspring::jinja {

namespace {

// Above this many items a dict is searched through its hash index.
constexpr size_t kLinearItems = 8;

bool equal_items(Interp& in, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!same(a[i], b[i]) && !equal(in, a[i], b[i])) return false;
  }
  return true;
}

bool equal_dicts(Interp& in, const DictObj& a, const DictObj& b) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = b.find(in, key);
    if (other == nullptr || (!same(*other, value) && !equal(in, value, *other))) return false;
  }
  return true;
}

bool equal_ranges(const RangeObj& a, const RangeObj& b) {
  if (a.length != b.length) return false;
  if (a.length == 0) return true;
  return a.start == b.start && (a.length == 1 || a.step == b.step);
}

// int against float without rounding: long double holds every int64 on the platforms we build for.
int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int();
  const auto wide = [](const Value& v) {
    return v.is_integral() ? static_cast<long double>(v.as_int()) : static_cast<long double>(v.as_real());
  };
  return wide(a) < wide(b) ? -1 : wide(a) > wide(b);
}

bool has_nan(const Value& a, const Value& b) {
  return (a.is(Kind::kFloat) && std::isnan(a.as_real())) || (b.is(Kind::kFloat) && std::isnan(b.as_real()));
}

bool ordered(int c, Order order) {
  switch (order) {
    case Order::kLess: return c < 0;
    case Order::kLessEqual: return c <= 0;
    case Order::kGreater: return c > 0;
    case Order::kGreaterEqual: return c >= 0;
  }
  return false;
}

const char* symbol_of(Order order) {
  switch (order) {
    case Order::kLess: return "<";
    case Order::kLessEqual: return "<=";
    case Order::kGreater: return ">";
    case Order::kGreaterEqual: return ">=";
  }
  return "?";
}

size_t mix(size_t seed, size_t h) { return (seed ^ h) * 0x9E3779B97F4A7C15ULL + (seed >> 7); }

}  // namespace

bool truth(Interp& in, const Value& v) {
  switch (v.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return v.as_int() != 0;
    case Kind::kFloat: return v.as_real() != 0;
    case Kind::kString: return !v.text().empty();
    case Kind::kList:
    case Kind::kTuple: return !v.items().empty();
    case Kind::kDict: return !v.as<DictObj>().items.empty();
    case Kind::kView:
    case Kind::kRange: return *known_length(v) != 0;
    case Kind::kLoop: return in.loop_attribute(v, "length").as_int() != 0;
    default: return true;
  }
}

bool same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNone: return true;
    case Kind::kBool:
    case Kind::kInt: return a.as_int() == b.as_int();
    case Kind::kFloat: return a.as_real() == b.as_real();
    case Kind::kFunction: return a.builtin() == b.builtin();
    case Kind::kString: return a.object() == b.object() || a.text() == b.text();
    case Kind::kTuple: return a.object() == b.object() || (a.items().empty() && b.items().empty());
    default: return a.object() == b.object();
  }
}

bool equal(Interp& in, const Value& a, const Value& b) {
  in.step();
  if (a.is_number() && b.is_number()) return !has_nan(a, b) && compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  Interp::Nested nested(in, 1);
  switch (a.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone: return true;
    case Kind::kString:
      in.work(a.text().size());
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple: return equal_items(in, a.items(), b.items());
    case Kind::kDict: return equal_dicts(in, a.as<DictObj>(), b.as<DictObj>());
    case Kind::kRange: return equal_ranges(a.as<RangeObj>(), b.as<RangeObj>());
    case Kind::kView: {
      const ViewObj& x = a.as<ViewObj>();
      const ViewObj& y = b.as<ViewObj>();
      if (x.part == ViewObj::Part::kValues || y.part == ViewObj::Part::kValues) return a.object() == b.object();
      std::vector<Value> left = to_vector(in, a);
      if (left.size() != *known_length(b)) return false;
      for (const Value& v : left) {
        if (!contains(in, v, b)) return false;
      }
      return true;
    }
    case Kind::kMethod: {
      const MethodObj& x = a.as<MethodObj>();
      const MethodObj& y = b.as<MethodObj>();
      return x.method == y.method && same(x.self, y.self);
    }
    default: return same(a, b);
  }
}

size_t hash(Interp* in, const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:
    case Kind::kMissing: return 17;
    case Kind::kNone: return 31;
    case Kind::kBool:
    case Kind::kInt: return std::hash<int64_t>()(v.as_int());
    case Kind::kFloat: {
      const double d = v.as_real();
      if (d == std::floor(d) && std::abs(d) < 9.2e18) return std::hash<int64_t>()(static_cast<int64_t>(d));
      return std::hash<double>()(d);
    }
    case Kind::kString: return std::hash<std::string_view>()(v.text());
    case Kind::kTuple: {
      size_t h = 7;
      for (const Value& item : v.items()) {
        if (in != nullptr) in->step();
        h = mix(h, hash(in, item));
      }
      return h;
    }
    case Kind::kRange:
      return mix(static_cast<size_t>(v.as<RangeObj>().length), static_cast<size_t>(v.as<RangeObj>().start));
    case Kind::kList:
    case Kind::kDict:
    case Kind::kView: fault("unhashable type: '", type_name(v), "'");
    case Kind::kFunction: return std::hash<const void*>()(v.builtin());
    default: return std::hash<const void*>()(v.object().get());
  }
}

bool compare(Interp& in, const Value& a, const Value& b, Order order) {
  in.step();
  if (a.is_number() && b.is_number()) return !has_nan(a, b) && ordered(compare_numbers(a, b), order);
  if (a.is_string() && b.is_string()) {
    in.work(a.text().size());
    return ordered(a.text().compare(b.text()), order);  // UTF-8 sorts as its code points do
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    Interp::Nested nested(in, 1);
    const auto& x = a.items();
    const auto& y = b.items();
    for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (same(x[i], y[i]) || equal(in, x[i], y[i])) continue;
      return compare(in, x[i], y[i], order);
    }
    return ordered(x.size() < y.size() ? -1 : x.size() > y.size(), order);
  }
  for (const Value* v : {&a, &b}) {
    if (v->is_undefined()) fault(v->as<UndefinedObj>().message);
  }
  fault("'", symbol_of(order), "' not supported between instances of '", type_name(a), "' and '", type_name(b), "'");
}

bool contains(Interp& in, const Value& item, const Value& container) {
  switch (container.kind()) {
    case Kind::kString:
      if (!item.is_string()) fault("'in <string>' requires string as left operand, not ", type_name(item));
      in.work(container.text().size());
      return container.text().find(item.text()) != std::string::npos;
    case Kind::kDict:
      hash(&in, item);  // faults for what cannot be a key
      return container.as<DictObj>().find(in, item) != nullptr;
    case Kind::kView: {
      const ViewObj& view = container.as<ViewObj>();
      const DictObj& d = view.dict.as<DictObj>();
      if (view.part == ViewObj::Part::kKeys) {
        hash(&in, item);
        return d.find(in, item) != nullptr;
      }
      break;
    }
    case Kind::kRange:
      if (item.is_integral()) {
        const RangeObj& r = container.as<RangeObj>();
        if (r.length == 0) return false;
        const int64_t first = std::min(r.at(0), r.at(r.length - 1)), last = std::max(r.at(0), r.at(r.length - 1));
        return item.as_int() >= first && item.as_int() <= last && (item.as_int() - r.start) % r.step == 0;
      }
      break;
    default:
      if (!Iter::possible(container)) fault("argument of type '", type_name(container), "' is not iterable");
  }
  Iter it(in, container);
  Value v;
  while (it.next(v)) {
    if (same(v, item) || equal(in, v, item)) return true;
  }
  return false;
}

void DictObj::build_index(Interp* in) const {
  for (; indexed_ < items.size(); ++indexed_)
    index_.emplace(hash(in, items[indexed_].first), static_cast<uint32_t>(indexed_));
}

const Value* DictObj::find(Interp& in, const Value& key) const {
  if (key.is_string()) return find(key.text());
  if (items.size() <= kLinearItems) {
    for (const Item& item : items) {
      if (same(item.first, key) || equal(in, item.first, key)) return &item.second;
    }
    return nullptr;
  }
  build_index(&in);
  const auto [first, last] = index_.equal_range(hash(&in, key));
  for (auto it = first; it != last; ++it) {
    const Item& item = items[it->second];
    if (same(item.first, key) || equal(in, item.first, key)) return &item.second;
  }
  return nullptr;
}

const Value* DictObj::find(std::string_view key) const {
  const auto matches = [&](const Item& item) { return item.first.is_string() && item.first.text() == key; };
  if (items.size() <= kLinearItems) {
    for (const Item& item : items) {
      if (matches(item)) return &item.second;
    }
    return nullptr;
  }
  build_index(nullptr);
  const auto [first, last] = index_.equal_range(std::hash<std::string_view>()(key));
  for (auto it = first; it != last; ++it) {
    if (matches(items[it->second])) return &items[it->second].second;
  }
  return nullptr;
}

void DictObj::set(Interp& in, Value key, Value value) {
  hash(&in, key);  // faults for lists and dicts
  if (const Value* old = find(in, key)) {
    const_cast<Value&>(*old) = std::move(value);
  } else {
    items.emplace_back(std::move(key), std::move(value));
  }
}

size_t StrObj::length() const noexcept { return count >= 0 ? static_cast<size_t>(count) : code_points(text); }

}  // namespace mainspring::jinja
