// Tests: what may stand behind `is`.
#include <algorithm>

#include "text/jinja/interp.h"
#include "text/jinja/methods.h"
#include "text/jinja/ops.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

namespace {

template <bool (*check)(const Value&)>
bool simple(Interp&, const Value& v, Args& args) {
  bind_args("a test", args, {}, 0);
  return check(v);
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_string(const Value& v) { return v.is_string(); }
bool is_mapping(const Value& v) { return v.is(Kind::kDict); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_integer(const Value& v) { return v.is(Kind::kInt); }
bool is_float(const Value& v) { return v.is(Kind::kFloat); }
bool is_boolean(const Value& v) { return v.is(Kind::kBool); }
bool is_true(const Value& v) { return v.is(Kind::kBool) && v.as_bool(); }
bool is_false(const Value& v) { return v.is(Kind::kBool) && !v.as_bool(); }
bool is_escaped(const Value& v) { return v.is_markup(); }
bool is_iterable(const Value& v) { return Iter::possible(v); }
bool is_sequence(const Value& v) {
  return v.is_string() || v.is_sequence() || v.is(Kind::kDict) || v.is(Kind::kRange) || v.is_undefined();
}
bool is_callable(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined:  // the class has __call__, which raises
    case Kind::kMacro:
    case Kind::kFunction:
    case Kind::kMethod:
    case Kind::kLoop:
    case Kind::kJoiner: return true;
    default: return false;
  }
}

Value modulo(Interp& in, const Value& v, const Value& by) { return binary(in, BinaryOp::kMod, v, by); }

bool t_even(Interp& in, const Value& v, Args& args) {
  bind_args("even", args, {}, 0);
  return equal(in, modulo(in, v, Value::integer(2)), Value::integer(0));
}
bool t_odd(Interp& in, const Value& v, Args& args) {
  bind_args("odd", args, {}, 0);
  return equal(in, modulo(in, v, Value::integer(2)), Value::integer(1));
}
bool t_divisibleby(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("divisibleby", args, {"num"}, 1);
  return equal(in, modulo(in, v, a[0]), Value::integer(0));
}

template <bool wanted>
bool t_equal(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("eq", args, {"other"}, 1);
  return equal(in, v, a[0]) == wanted;
}
template <Order order>
bool t_compare(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("a comparison", args, {"other"}, 1);
  return compare(in, v, a[0], order);
}
bool t_sameas(Interp&, const Value& v, Args& args) {
  const auto a = bind_args("sameas", args, {"other"}, 1);
  return same(v, a[0]);
}
bool t_in(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("in", args, {"seq"}, 1);
  return contains(in, v, a[0]);
}
template <bool lower>
bool t_case(Interp& in, const Value& v, Args& args) {
  bind_args("a case test", args, {}, 0);
  std::string hold;
  return has_only_case(text_of(in, v, hold), lower);
}
bool t_filter(Interp& in, const Value& v, Args& args) {
  bind_args("filter", args, {}, 0);
  hash(&in, v);  // the name is looked up in a dict
  return v.is_string() && find_filter(v.text()) != nullptr;
}
bool t_test(Interp& in, const Value& v, Args& args) {
  bind_args("test", args, {}, 0);
  hash(&in, v);  // the name is looked up in a dict
  return v.is_string() && find_test(v.text()) != nullptr;
}

constexpr TestEntry kTests[] = {
    {"defined", simple<is_defined>},
    {"undefined", simple<is_undefined>},
    {"none", simple<is_none>},
    {"string", simple<is_string>},
    {"mapping", simple<is_mapping>},
    {"iterable", simple<is_iterable>},
    {"sequence", simple<is_sequence>},
    {"number", simple<is_number>},
    {"integer", simple<is_integer>},
    {"float", simple<is_float>},
    {"boolean", simple<is_boolean>},
    {"true", simple<is_true>},
    {"false", simple<is_false>},
    {"callable", simple<is_callable>},
    {"escaped", simple<is_escaped>},
    {"even", t_even},
    {"odd", t_odd},
    {"divisibleby", t_divisibleby},
    {"eq", t_equal<true>},
    {"equalto", t_equal<true>},
    {"==", t_equal<true>},
    {"ne", t_equal<false>},
    {"!=", t_equal<false>},
    {"lt", t_compare<Order::kLess>},
    {"lessthan", t_compare<Order::kLess>},
    {"<", t_compare<Order::kLess>},
    {"le", t_compare<Order::kLessEqual>},
    {"<=", t_compare<Order::kLessEqual>},
    {"gt", t_compare<Order::kGreater>},
    {"greaterthan", t_compare<Order::kGreater>},
    {">", t_compare<Order::kGreater>},
    {"ge", t_compare<Order::kGreaterEqual>},
    {">=", t_compare<Order::kGreaterEqual>},
    {"sameas", t_sameas},
    {"in", t_in},
    {"lower", t_case<true>},
    {"upper", t_case<false>},
    {"filter", t_filter},
    {"test", t_test},
};

}  // namespace

const TestEntry* find_test(std::string_view name) noexcept {
  const auto it =
      std::find_if(std::begin(kTests), std::end(kTests), [&](const TestEntry& e) { return e.name == name; });
  return it == std::end(kTests) ? nullptr : it;
}

}  // namespace mainspring::jinja
