// Filters on numbers.
#include <array>
#include <cmath>
#include <cstdlib>

#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

namespace {

[[noreturn]] void not_a_number(const Value& v, std::string_view filter) {
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  fault(filter, " needs a number, not ", type_name(v));
}

Value f_abs(Interp& in, const Value& v, Args& args) {
  bind_args("abs", args, {}, 0);
  if (v.is(Kind::kFloat)) return Value::real(std::fabs(v.as_real()));
  if (!v.is_integral()) fault("bad operand type for abs(): '", type_name(v), "'");
  return v.as_int() < 0 ? negate(in, v) : Value::integer(v.as_int());
}

Value f_int(Interp&, const Value& v, Args& args) {
  const auto a = bind_args("int", args, {"default", "base"}, 0);
  const Value fallback = a[0].is_missing() ? Value::integer(0) : a[0];
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  if (v.is_integral()) return Value::integer(v.as_int());
  if (v.is(Kind::kFloat)) return std::isnan(v.as_real()) ? fallback : integer_from_real(v.as_real(), "int");
  if (!v.is_string()) return fallback;
  const int64_t base = a[1].is_missing() ? 10 : need_int(a[1], "base");
  if (const auto i = parse_integer(v.text(), base < 0 || base > 36 ? 1 : static_cast<int>(base))) return *i;
  const auto d = parse_real(v.text());
  return d && std::isfinite(*d) ? integer_from_real(*d, "int") : fallback;
}

Value f_float(Interp&, const Value& v, Args& args) {
  const auto a = bind_args("float", args, {"default"}, 0);
  const Value fallback = a[0].is_missing() ? Value::real(0) : a[0];
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  if (v.is_number()) return Value::real(v.as_real());
  if (!v.is_string()) return fallback;
  const auto d = parse_real(v.text());
  return d ? Value::real(*d) : fallback;
}

// round(int, -n): to the nearest multiple of 10^n, halves to even.
Value round_integer(int64_t i, int64_t digits) {
  if (digits >= 0) return Value::integer(i);
  if (digits < -18) return Value::integer(0);
  int64_t unit = 1;
  for (int64_t k = digits; k < 0; ++k) unit *= 10;
  int64_t low = i / unit;
  if (i % unit < 0) --low;  // floor
  const int64_t rest = i - low * unit;
  if (rest > unit / 2 || (rest == unit / 2 && low % 2 != 0)) ++low;
  int64_t out = 0;
  if (__builtin_mul_overflow(low, unit, &out)) fault("integer result does not fit 64 bits");
  return Value::integer(out);
}

double round_real(double d, int64_t digits) {
  if (!std::isfinite(d) || digits > 323) return d;
  if (digits < -308) return std::copysign(0.0, d);
  if (digits >= 0) return std::strtod(format_real(d, 'f', static_cast<int>(digits), false).c_str(), nullptr);
  // Few significant digits: print them rounded in exponent form.
  const std::string all = format_real(std::fabs(d), 'e', 17, false);
  const int exponent = std::atoi(all.c_str() + all.find('e') + 1);
  const int64_t keep = exponent + digits;  // digits after the first
  if (keep >= 0) return std::strtod(format_real(d, 'e', static_cast<int>(keep), false).c_str(), nullptr);
  const double unit = std::pow(10.0, static_cast<double>(-digits));
  return std::copysign(keep == -1 && std::fabs(d) > unit / 2 ? unit : 0.0, d);
}

Value f_round(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("round", args, {"precision", "method"}, 0);
  const Value precision = a[0].is_missing() ? Value::integer(0) : a[0];
  const std::string method = a[1].is_missing() ? "common" : need_string(a[1], "method");
  if (method != "common" && method != "ceil" && method != "floor") fault("method must be common, ceil or floor");
  if (!v.is_number()) not_a_number(v, "round");
  if (method == "common") {
    if (precision.is_none()) {
      return v.is_integral() ? Value::integer(v.as_int()) : integer_from_real(std::nearbyint(v.as_real()), "round");
    }
    const int64_t digits = need_int(precision, "precision");
    return v.is_integral() ? round_integer(v.as_int(), digits) : Value::real(round_real(v.as_real(), digits));
  }
  const Value scale = binary(in, BinaryOp::kPow, Value::integer(10), precision);
  const Value scaled = binary(in, BinaryOp::kMul, v, scale);
  const Value whole =
      scaled.is_integral()
          ? scaled
          : integer_from_real(method == "ceil" ? std::ceil(scaled.as_real()) : std::floor(scaled.as_real()), "round");
  return binary(in, BinaryOp::kDiv, whole, scale);
}

Value f_filesizeformat(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("filesizeformat", args, {"binary"}, 0);
  const bool binary_units = !a[0].is_missing() && truth(in, a[0]);
  double bytes = 0;
  if (v.is_string()) {
    const auto d = parse_real(v.text());
    if (!d) fault("could not convert string to float: ", quoted(printable(v.text(), 40)));
    bytes = *d;
  } else if (v.is_number()) {
    bytes = v.as_real();
  } else {
    not_a_number(v, "filesizeformat");
  }
  const double base = binary_units ? 1024 : 1000;
  if (bytes == 1) return in.str("1 Byte");
  if (bytes < base) return in.str(cat(integer_from_real(bytes, "filesizeformat").as_int(), " Bytes"));
  constexpr std::array<std::string_view, 8> kDecimal = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  constexpr std::array<std::string_view, 8> kBinary = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  double unit = base;
  size_t i = 0;
  do {
    unit *= base;
  } while (bytes >= unit && ++i < kDecimal.size());
  i = std::min(i, kDecimal.size() - 1);
  return in.str(cat(format_real(base * bytes / unit, 'f', 1, false), " ", (binary_units ? kBinary : kDecimal)[i]));
}

constexpr FilterEntry kFilters[] = {
    {"abs", f_abs}, {"int", f_int}, {"float", f_float}, {"round", f_round}, {"filesizeformat", f_filesizeformat}};

}  // namespace

std::span<const FilterEntry> number_filters() noexcept { return kFilters; }

}  // namespace mainspring::jinja
