// Arithmetic operators with Python's rules; integers are 64 bits and overflow is an error.
#include <cmath>

#include "text/jinja/interp.h"
#include "text/jinja/ops.h"

namespace mainspring::jinja {

namespace {

const char* symbol_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd: return "+";
    case BinaryOp::kSub: return "-";
    case BinaryOp::kMul: return "*";
    case BinaryOp::kDiv: return "/";
    case BinaryOp::kFloorDiv: return "//";
    case BinaryOp::kMod: return "%";
    case BinaryOp::kPow: return "**";
  }
  return "?";
}

[[noreturn]] void overflow() { fault("integer result does not fit 64 bits"); }

int64_t floor_div(int64_t a, int64_t b) {
  if (b == 0) fault("integer division or modulo by zero");
  if (b == -1) {
    if (a == INT64_MIN) overflow();
    return -a;
  }
  const int64_t q = a / b;
  return q - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t floor_mod(int64_t a, int64_t b) {
  if (b == 0) fault("integer division or modulo by zero");
  if (b == -1) return 0;
  const int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

double real_mod(double a, double b) {
  if (b == 0) fault("float modulo by zero");
  double r = std::fmod(a, b);
  if (r != 0) {
    if ((b < 0) != (r < 0)) r += b;
  } else {
    r = std::copysign(0.0, b);
  }
  return r;
}

double real_floor_div(double a, double b) {
  if (b == 0) fault("float floor division by zero");
  double r = std::fmod(a, b);
  double q = (a - r) / b;
  if (r != 0 && (b < 0) != (r < 0)) q -= 1;
  if (q == 0) return std::copysign(0.0, a / b);
  const double whole = std::floor(q);
  return q - whole > 0.5 ? whole + 1 : whole;
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) fault("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return Value::integer(result);
}

Value integers(BinaryOp op, int64_t a, int64_t b) {
  int64_t r = 0;
  switch (op) {
    case BinaryOp::kAdd:
      if (__builtin_add_overflow(a, b, &r)) overflow();
      break;
    case BinaryOp::kSub:
      if (__builtin_sub_overflow(a, b, &r)) overflow();
      break;
    case BinaryOp::kMul:
      if (__builtin_mul_overflow(a, b, &r)) overflow();
      break;
    case BinaryOp::kDiv:
      if (b == 0) fault("division by zero");
      return Value::real(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case BinaryOp::kFloorDiv: r = floor_div(a, b); break;
    case BinaryOp::kMod: r = floor_mod(a, b); break;
    case BinaryOp::kPow: return integer_power(a, b);
  }
  return Value::integer(r);
}

Value reals(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd: return Value::real(a + b);
    case BinaryOp::kSub: return Value::real(a - b);
    case BinaryOp::kMul: return Value::real(a * b);
    case BinaryOp::kDiv:
      if (b == 0) fault("float division by zero");
      return Value::real(a / b);
    case BinaryOp::kFloorDiv: return Value::real(real_floor_div(a, b));
    case BinaryOp::kMod: return Value::real(real_mod(a, b));
    case BinaryOp::kPow: {
      if (a == 0 && b < 0) fault("0.0 cannot be raised to a negative power");
      if (a < 0 && b != std::floor(b) && std::isfinite(a) && std::isfinite(b))
        fault("complex numbers are not supported");
      const double r = std::pow(a, b);
      if (std::isinf(r) && std::isfinite(a) && std::isfinite(b)) fault("numerical result out of range");
      return Value::real(r);
    }
  }
  return Value::none();
}

Value repeat(Interp& in, const Value& v, int64_t times) {
  const size_t n = times > 0 ? static_cast<size_t>(times) : 0;
  const size_t unit = v.is_string() ? v.text().size() : v.items().size() * sizeof(Value);
  size_t bytes = 0;
  if (__builtin_mul_overflow(unit, n, &bytes)) bytes = SIZE_MAX;
  in.require_memory(bytes);
  if (v.is_string()) {
    in.work(bytes);
    std::string text;
    if (unit > 0) {
      text.reserve(bytes);
      for (size_t i = 0; i < n; ++i) text += v.text();
    }
    return in.str(std::move(text), v.is_markup());
  }
  std::vector<Value> items;
  if (unit > 0) {
    in.step(v.items().size() * n / 16);
    items.reserve(v.items().size() * n);
    for (size_t i = 0; i < n; ++i) items.insert(items.end(), v.items().begin(), v.items().end());
  }
  return v.is(Kind::kList) ? in.list(std::move(items)) : in.tuple(std::move(items));
}

Value join_strings(Interp& in, const Value& a, const Value& b) {
  in.require_memory(a.text().size() + b.text().size());
  if (!a.is_markup() && !b.is_markup()) return in.str(a.text() + b.text());
  const auto safe = [](const Value& v) { return v.is_markup() ? v.text() : escape_html(v.text()); };
  return in.str(safe(a) + safe(b), true);
}

Value join_sequences(Interp& in, const Value& a, const Value& b) {
  in.step((a.items().size() + b.items().size()) / 16);
  in.require_memory((a.items().size() + b.items().size()) * sizeof(Value));
  std::vector<Value> items;
  items.reserve(a.items().size() + b.items().size());
  items.insert(items.end(), a.items().begin(), a.items().end());
  items.insert(items.end(), b.items().begin(), b.items().end());
  return a.is(Kind::kList) ? in.list(std::move(items)) : in.tuple(std::move(items));
}

}  // namespace

Value binary(Interp& in, BinaryOp op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return integers(op, a.as_int(), b.as_int());
    return reals(op, a.as_real(), b.as_real());
  }
  if (op == BinaryOp::kMod && a.is_string()) return in.str(percent_format(in, a, b), a.is_markup());
  for (const Value* v : {&a, &b}) {
    if (v->is_undefined()) fault(v->as<UndefinedObj>().message);
  }
  if (op == BinaryOp::kAdd) {
    if (a.is_string() && b.is_string()) return join_strings(in, a, b);
    if (a.is_sequence() && a.kind() == b.kind()) return join_sequences(in, a, b);
    if (a.is_string()) fault("can only concatenate str (not \"", type_name(b), "\") to str");
  }
  if (op == BinaryOp::kMul) {
    if ((a.is_string() || a.is_sequence()) && b.is_integral()) return repeat(in, a, b.as_int());
    if ((b.is_string() || b.is_sequence()) && a.is_integral()) return repeat(in, b, a.as_int());
  }
  fault("unsupported operand type(s) for ", symbol_of(op), ": '", type_name(a), "' and '", type_name(b), "'");
}

Value negate(Interp&, const Value& v) {
  if (v.is(Kind::kFloat)) return Value::real(-v.as_real());
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  if (!v.is_integral()) fault("bad operand type for unary -: '", type_name(v), "'");
  if (v.as_int() == INT64_MIN) overflow();
  return Value::integer(-v.as_int());
}

Value positive(Interp&, const Value& v) {
  if (v.is(Kind::kFloat)) return v;
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  if (!v.is_integral()) fault("bad operand type for unary +: '", type_name(v), "'");
  return Value::integer(v.as_int());
}

}  // namespace mainspring::jinja
