// Filters on sequences and mappings.
#include <algorithm>

#include "text/jinja/attribute_path.h"
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"
#include "text/jinja/registry.h"
#include "text/jinja/stable_sort.h"

namespace mainspring::jinja {

namespace {

bool flag(Interp& in, const Value& v) { return !v.is_missing() && truth(in, v); }

// A generator whose items are worked out when the first one is asked for.
template <class Compute>
Value lazy(Interp& in, Compute compute) {
  struct State {
    std::vector<Value> items;
    size_t next = 0;
    bool ready = false;
  };
  auto state = std::make_shared<State>();
  return in.generator("generator", [state, compute](Interp& i, Value& out) {
    if (!std::exchange(state->ready, true)) state->items = compute(i);
    if (state->next >= state->items.size()) return false;
    out = state->items[state->next++];
    return true;
  });
}

Value f_length(Interp& in, const Value& v, Args& args) {
  bind_args("length", args, {}, 0);
  return Value::integer(static_cast<int64_t>(length(in, v)));
}

Value f_default(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("default", args, {"default_value", "boolean"}, 0);
  if (!v.is_undefined() && !(flag(in, a[1]) && !truth(in, v))) return v;
  return a[0].is_missing() ? in.str("") : a[0];
}

Value f_first(Interp& in, const Value& v, Args& args) {
  bind_args("first", args, {}, 0);
  Iter it(in, v);
  Value out;
  return it.next(out) ? out : in.undefined("No first item, sequence was empty.");
}

Value f_last(Interp& in, const Value& v, Args& args) {
  bind_args("last", args, {}, 0);
  if (!known_length(v)) fault("'", type_name(v), "' object is not reversible");
  const std::vector<Value> items = to_vector(in, v);
  return items.empty() ? in.undefined("No last item, sequence was empty.") : items.back();
}

Value f_list(Interp& in, const Value& v, Args& args) {
  bind_args("list", args, {}, 0);
  return in.list(to_vector(in, v));
}

Value f_join(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("join", args, {"d", "attribute"}, 0);
  const std::string separator = a[0].is_missing() ? "" : to_text(in, a[0]);
  const AttributePath path(in, a[1]);
  std::string out;
  Iter it(in, v);
  Value item;
  for (bool first = true; it.next(item); first = false) {
    std::string hold;
    const Value part = path.get(item);
    const std::string_view text = text_of(in, part, hold);
    in.require_memory(out.size() + separator.size() + text.size());
    if (!first) out += separator;
    out += text;
  }
  return in.str(std::move(out));
}

// Python's name of the iterator that reversed() gives; templates can print it.
const char* reversed_type(const Value& v) {
  if (v.is(Kind::kView)) {
    const ViewObj::Part part = v.as<ViewObj>().part;
    return part == ViewObj::Part::kItems    ? "dict_reverseitemiterator"
           : part == ViewObj::Part::kValues ? "dict_reversevalueiterator"
                                            : "dict_reversekeyiterator";
  }
  return v.is(Kind::kList)    ? "list_reverseiterator"
         : v.is(Kind::kDict)  ? "dict_reversekeyiterator"
         : v.is(Kind::kRange) ? "range_iterator"
                              : "reversed";
}

Value f_reverse(Interp& in, const Value& v, Args& args) {
  bind_args("reverse", args, {}, 0);
  if (v.is_string()) return get_slice(in, v, Value::none(), Value::none(), Value::integer(-1));
  std::vector<Value> items = to_vector(in, v);
  std::reverse(items.begin(), items.end());
  if (!known_length(v)) return in.list(std::move(items));
  const char* type = reversed_type(v);
  auto shared = std::make_shared<std::vector<Value>>(std::move(items));
  return in.generator(type, [shared, i = size_t{0}](Interp&, Value& out) mutable {
    if (i >= shared->size()) return false;
    out = (*shared)[i++];
    return true;
  });
}

Value f_items(Interp& in, const Value& v, Args& args) {
  bind_args("items", args, {}, 0);
  return lazy(in, [v](Interp& i) -> std::vector<Value> {
    if (v.is_undefined()) return {};
    if (!v.is(Kind::kDict)) fault("Can only get item pairs from a mapping.");
    return to_vector(i, i.make(Kind::kView, std::make_shared<ViewObj>(v, ViewObj::Part::kItems), 0));
  });
}

Value f_batch(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("batch", args, {"linecount", "fill_with"}, 1);
  return lazy(in, [v, a](Interp& i) {
    const int64_t size = need_int(a[0], "linecount");
    std::vector<Value> rows, row;
    Iter it(i, v);
    Value item;
    while (it.next(item)) {
      if (static_cast<int64_t>(row.size()) == size) {
        rows.push_back(i.list(std::move(row)));
        row.clear();
      }
      row.push_back(item);
    }
    if (!row.empty()) {
      if (!a[1].is_missing() && !a[1].is_none() && size > 0) {
        i.require_memory(static_cast<size_t>(size) * sizeof(Value));
        row.resize(std::max(row.size(), static_cast<size_t>(size)), a[1]);
      }
      rows.push_back(i.list(std::move(row)));
    }
    return rows;
  });
}

Value f_slice(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("slice", args, {"slices", "fill_with"}, 1);
  return lazy(in, [v, a](Interp& i) {
    const int64_t slices = need_int(a[0], "slices");
    const std::vector<Value> all = to_vector(i, v);
    if (slices == 0) fault("integer division or modulo by zero");
    std::vector<Value> out;
    const int64_t n = static_cast<int64_t>(all.size());
    for (int64_t k = 0, from = 0; k < slices; ++k) {
      i.step();
      const bool extra = k < n % slices;
      const int64_t count = n / slices + extra;
      std::vector<Value> part(all.begin() + from, all.begin() + from + count);
      if (!a[1].is_missing() && !a[1].is_none() && !extra) part.push_back(a[1]);
      out.push_back(i.list(std::move(part)));
      from += count;
    }
    return out;
  });
}

using Keyed = std::pair<Value, Value>;  // sort key, item

void sort_keyed(Interp& in, std::vector<Keyed>& items, bool reverse) {
  stable_sort(items, [&](const Keyed& a, const Keyed& b) {
    return reverse ? compare(in, b.first, a.first, Order::kLess) : compare(in, a.first, b.first, Order::kLess);
  });
}

Value f_dictsort(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("dictsort", args, {"case_sensitive", "by", "reverse"}, 0);
  const std::string by = a[1].is_missing() ? "key" : to_text(in, a[1]);
  if (by != "key" && by != "value") fault("You can only sort by either \"key\" or \"value\"");
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  if (!v.is(Kind::kDict)) fault("'", type_name(v), "' object has no attribute 'items'");
  std::vector<Keyed> items;
  for (const auto& [key, value] : v.as<DictObj>().items) {
    const Value& sort_by = by == "key" ? key : value;
    items.emplace_back(flag(in, a[0]) ? sort_by : ignore_case(in, sort_by), in.pair(key, value));
  }
  sort_keyed(in, items, flag(in, a[2]));
  std::vector<Value> out;
  for (auto& item : items) out.push_back(std::move(item.second));
  return in.list(std::move(out));
}

Value f_sort(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("sort", args, {"reverse", "case_sensitive", "attribute"}, 0);
  std::vector<AttributePath> paths;  // "a,b" sorts by several attributes
  if (a[2].is_string()) {
    for (std::string_view part : split(a[2].text(), ',')) paths.emplace_back(in, in.str(std::string(part)));
  } else {
    paths.emplace_back(in, a[2]);
  }
  std::vector<Keyed> items;
  for (Value& item : to_vector(in, v)) {
    std::vector<Value> key;
    for (const AttributePath& p : paths) {
      const Value part = p.get(item);
      key.push_back(flag(in, a[1]) ? part : ignore_case(in, part));
    }
    items.emplace_back(in.list(std::move(key)), std::move(item));
  }
  sort_keyed(in, items, flag(in, a[0]));
  std::vector<Value> out;
  for (auto& item : items) out.push_back(std::move(item.second));
  return in.list(std::move(out));
}

Value f_unique(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("unique", args, {"case_sensitive", "attribute"}, 0);
  return lazy(in, [v, a](Interp& i) {
    const AttributePath path(i, a[1]);
    DictObj seen;
    std::vector<Value> out;
    Iter it(i, v);
    Value item;
    while (it.next(item)) {
      const Value found = path.get(item);
      const Value key = flag(i, a[0]) ? found : ignore_case(i, found);
      hash(&i, key);
      if (seen.find(i, key) != nullptr) continue;
      seen.set(i, key, Value::none());
      out.push_back(item);
    }
    return out;
  });
}

template <bool largest>
Value f_extreme(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args(largest ? "max" : "min", args, {"case_sensitive", "attribute"}, 0);
  const AttributePath path(in, a[1]);
  Iter it(in, v);
  Value item, best, best_key;
  while (it.next(item)) {
    const Value found = path.get(item);
    const Value key = flag(in, a[0]) ? found : ignore_case(in, found);
    if (best.is_missing() ||
        (largest ? compare(in, key, best_key, Order::kGreater) : compare(in, key, best_key, Order::kLess))) {
      best = item;
      best_key = key;
    }
  }
  return best.is_missing() ? in.undefined("No aggregated item, sequence was empty.") : best;
}

Value f_sum(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("sum", args, {"attribute", "start"}, 0);
  const AttributePath path(in, a[0]);
  Value total = a[1].is_missing() ? Value::integer(0) : a[1];
  if (total.is_string()) fault("sum() can't sum strings [use ''.join(seq) instead]");
  Iter it(in, v);
  Value item;
  while (it.next(item)) total = binary(in, BinaryOp::kAdd, total, path.get(item));
  return total;
}

Value f_groupby(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("groupby", args, {"attribute", "default", "case_sensitive"}, 1);
  const AttributePath path(in, a[0], a[1]);
  const bool sensitive = flag(in, a[2]);
  std::vector<Keyed> items;
  for (Value& item : to_vector(in, v)) {
    const Value found = path.get(item);
    items.emplace_back(sensitive ? found : ignore_case(in, found), std::move(item));
  }
  sort_keyed(in, items, false);
  std::vector<Value> groups;
  for (size_t i = 0; i < items.size();) {
    const Value key = items[i].first;
    std::vector<Value> members;
    for (; i < items.size() && (same(items[i].first, key) || equal(in, items[i].first, key)); ++i) {
      members.push_back(items[i].second);
    }
    if (members.empty()) members.push_back(items[i++].second);  // a key that does not equal itself
    const Value shown = sensitive ? key : path.get(members[0]);
    groups.push_back(in.tuple({shown, in.list(std::move(members))}, true));
  }
  return in.list(std::move(groups));
}

Value f_map(Interp& in, const Value& v, Args& args) {
  struct State {
    Args args;
    std::optional<Iter> it;
    std::optional<AttributePath> path;
    std::string filter;
  };
  auto s = std::make_shared<State>();
  s->args = args;
  return in.generator("generator", [s, v](Interp& i, Value& out) {
    if (!s->it) {
      if (!truth(i, v)) return false;
      if (s->args.pos.empty() && !s->args.kw.empty()) {
        const auto a = bind_args("map", s->args, {"attribute", "default"}, 1);
        s->path.emplace(i, a[0], a[1]);
      } else {
        if (s->args.pos.empty()) fault("map requires a filter argument");
        s->filter = need_string(s->args.pos[0], "the filter's name");
        s->args.pos.erase(s->args.pos.begin());
      }
      s->it.emplace(i, v);
    }
    Value item;
    if (!s->it->next(item)) return false;
    Args copy = s->args;
    out = s->path ? s->path->get(item) : i.call_filter(s->filter, item, copy);
    return true;
  });
}

template <bool keep, bool by_attribute>
Value f_select(Interp& in, const Value& v, Args& args) {
  struct State {
    Args args;
    std::optional<Iter> it;
    std::optional<AttributePath> path;
    std::string test;  // empty: truth
  };
  auto s = std::make_shared<State>();
  s->args = args;
  return in.generator("generator", [s, v](Interp& i, Value& out) {
    if (!s->it) {
      if (!truth(i, v)) return false;
      auto& pos = s->args.pos;
      if (by_attribute) {
        if (pos.empty()) fault("Missing parameter for attribute name");
        s->path.emplace(i, pos[0]);
        pos.erase(pos.begin());
      }
      if (!pos.empty()) {
        s->test = need_string(pos[0], "the test's name");
        pos.erase(pos.begin());
      }
      s->it.emplace(i, v);
    }
    Value item;
    while (s->it->next(item)) {
      const Value subject = s->path ? s->path->get(item) : item;
      Args copy = s->args;
      if ((s->test.empty() ? truth(i, subject) : i.call_test(s->test, subject, copy)) != keep) continue;
      out = item;
      return true;
    }
    return false;
  });
}

Value f_attr(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("attr", args, {"name"}, 1);
  const std::string& name = need_string(a[0], "the attribute's name");
  // An attribute only, never an item: dict items are not attributes.
  if (v.is(Kind::kDict) && find_method(v, name) == nullptr) {
    return in.undefined(cat("'dict object' has no attribute ", quoted(printable(name))));
  }
  return get_attribute(in, v, name);
}

Value f_random(Interp&, const Value&, Args&) {
  fault("the random filter is refused: templates must render the same text always");
}

constexpr FilterEntry kFilters[] = {
    {"length", f_length},
    {"count", f_length},
    {"default", f_default},
    {"d", f_default},
    {"first", f_first},
    {"last", f_last},
    {"list", f_list},
    {"join", f_join},
    {"reverse", f_reverse},
    {"items", f_items},
    {"batch", f_batch},
    {"slice", f_slice},
    {"dictsort", f_dictsort},
    {"sort", f_sort},
    {"unique", f_unique},
    {"min", f_extreme<false>},
    {"max", f_extreme<true>},
    {"sum", f_sum},
    {"groupby", f_groupby},
    {"map", f_map},
    {"select", f_select<true, false>},
    {"reject", f_select<false, false>},
    {"selectattr", f_select<true, true>},
    {"rejectattr", f_select<false, true>},
    {"attr", f_attr},
    {"random", f_random},
};

}  // namespace

std::span<const FilterEntry> sequence_filters() noexcept { return kFilters; }

}  // namespace mainspring::jinja
