// Methods of dict, list, tuple, range, cycler; and the lookup of methods by type.
#include <algorithm>
#include <cmath>

#include "text/jinja/interp.h"
#include "text/jinja/methods.h"
#include "text/jinja/ops.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

namespace {

Value dict_get(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("get", args, {"key", "default"}, 1);
  hash(&in, a[0]);
  if (const Value* v = self.as<DictObj>().find(in, a[0])) return *v;
  return a[1].is_missing() ? Value::none() : a[1];
}

template <ViewObj::Part part>
Value dict_view(Interp& in, const Value& self, Args& args) {
  bind_args("a dict view", args, {}, 0);
  return in.make(Kind::kView, std::make_shared<ViewObj>(self, part), 0);
}

Value copy_of(Interp&, const Value& self, Args& args) {
  bind_args("copy", args, {}, 0);
  return self;
}

Value sequence_index(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("index", args, {"value", "start", "stop"}, 1);
  const std::vector<Value> items = to_vector(in, self);
  const int64_t n = static_cast<int64_t>(items.size());
  const auto bound = [&](const Value& v, int64_t fallback) {
    if (v.is_missing()) return fallback;
    const int64_t i = need_int(v, "index");
    return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n);
  };
  for (int64_t i = bound(a[1], 0), end = bound(a[2], n); i < end; ++i) {
    const Value& v = items[static_cast<size_t>(i)];
    if (same(v, a[0]) || equal(in, v, a[0])) return Value::integer(i);
  }
  fault("the value is not in the ", type_name(self));
}

Value sequence_count(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("count", args, {"value"}, 1);
  int64_t n = 0;
  Iter it(in, self);
  Value v;
  while (it.next(v)) n += same(v, a[0]) || equal(in, v, a[0]);
  return Value::integer(n);
}

Value cycler_next(Interp&, const Value& self, Args& args) {
  bind_args("next", args, {}, 0);
  CyclerObj& c = self.as<CyclerObj>();
  const Value v = c.items[c.position];
  c.position = (c.position + 1) % c.items.size();
  return v;
}

Value cycler_reset(Interp&, const Value& self, Args& args) {
  bind_args("reset", args, {}, 0);
  self.as<CyclerObj>().position = 0;
  return Value::none();
}

Value real_is_integer(Interp&, const Value& self, Args& args) {
  bind_args("is_integer", args, {}, 0);
  const double d = self.as_real();
  return Value::boolean(std::isfinite(d) && d == std::trunc(d));
}

constexpr Method kDictMethods[] = {{"get", dict_get},
                                   {"items", dict_view<ViewObj::Part::kItems>},
                                   {"keys", dict_view<ViewObj::Part::kKeys>},
                                   {"values", dict_view<ViewObj::Part::kValues>},
                                   {"copy", copy_of}};
constexpr Method kListMethods[] = {{"index", sequence_index}, {"count", sequence_count}, {"copy", copy_of}};
constexpr Method kTupleMethods[] = {{"index", sequence_index}, {"count", sequence_count}};
constexpr Method kCyclerMethods[] = {{"next", cycler_next}, {"reset", cycler_reset}};
constexpr Method kFloatMethods[] = {{"is_integer", real_is_integer}};

template <class Table>
const Method* search(const Table& table, std::string_view name) noexcept {
  for (const Method& m : table) {
    if (name == m.name) return &m;
  }
  return nullptr;
}

}  // namespace

const Method* find_method(const Value& v, std::string_view name) noexcept {
  switch (v.kind()) {
    case Kind::kString: return search(string_methods(), name);
    case Kind::kDict: return search(kDictMethods, name);
    case Kind::kList: return search(kListMethods, name);
    case Kind::kTuple:
    case Kind::kRange: return search(kTupleMethods, name);
    case Kind::kCycler: return search(kCyclerMethods, name);
    case Kind::kFloat: return search(kFloatMethods, name);
    default: return nullptr;
  }
}

}  // namespace mainspring::jinja
