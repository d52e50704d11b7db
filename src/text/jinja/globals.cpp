// Global functions.
#include <algorithm>
#include <ctime>

#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

namespace {

constexpr int64_t kMaxRange = 100'000;  // Jinja2's sandbox has the same

Value g_range(Interp& in, Args& args) {
  if (!args.kw.empty()) fault("range() takes no keyword arguments");
  if (args.pos.empty() || args.pos.size() > 3) fault("range expected 1 to 3 arguments, got ", args.pos.size());
  const auto arg = [&](size_t i) { return need_int(args.pos[i], "a range() argument"); };
  const bool single = args.pos.size() == 1;
  const int64_t start = single ? 0 : arg(0), stop = single ? arg(0) : arg(1);
  const int64_t step = args.pos.size() == 3 ? arg(2) : 1;
  if (step == 0) fault("range() arg 3 must not be zero");
  const __int128 distance = step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
  const __int128 stride = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
  const __int128 length = distance <= 0 ? 0 : (distance + stride - 1) / stride;
  if (length > kMaxRange) fault("Range too big. The sandbox blocks ranges larger than ", kMaxRange, ".");
  return in.make(Kind::kRange, std::make_shared<RangeObj>(start, step, static_cast<int64_t>(length), stop), 0);
}

// dict(mapping or pairs, name=value, ...)
void fill(Interp& in, DictObj& d, const Args& args) {
  if (args.pos.size() > 1) fault("dict expected at most 1 argument, got ", args.pos.size());
  if (args.pos.size() == 1) {
    const Value& v = args.pos[0];
    if (v.is(Kind::kDict)) {
      for (const auto& [key, value] : v.as<DictObj>().items) d.set(in, key, value);
    } else {
      Iter it(in, v);
      Value item;
      while (it.next(item)) {
        const std::vector<Value> pair = to_vector(in, item);
        if (pair.size() != 2) fault("dictionary update sequence element has length ", pair.size(), "; 2 is required");
        d.set(in, pair[0], pair[1]);
      }
    }
  }
  for (const auto& [key, value] : args.kw) d.set(in, in.str(key), value);
}

Value g_dict(Interp& in, Args& args) {
  auto d = std::make_shared<DictObj>();
  fill(in, *d, args);
  return in.dict(std::move(d));
}

Value g_namespace(Interp& in, Args& args) {
  auto ns = std::make_shared<NamespaceObj>();
  fill(in, ns->attributes, args);
  for (const auto& [key, value] : ns->attributes.items) {
    if (key.is_string() && key.text().starts_with('_')) {
      fault("a namespace cannot have an attribute that starts with an underscore: ", printable(key.text(), 40));
    }
  }
  return in.make_namespace(std::move(ns));
}

Value g_cycler(Interp& in, Args& args) {
  if (!args.kw.empty()) fault("cycler() takes no keyword arguments");
  if (args.pos.empty()) fault("at least one item has to be provided");
  auto c = std::make_shared<CyclerObj>();
  c->items = args.pos;
  const size_t bytes = c->items.size() * sizeof(Value);
  return in.make(Kind::kCycler, std::move(c), bytes);
}

Value g_joiner(Interp& in, Args& args) {
  const auto a = bind_args("joiner", args, {"sep"}, 0);
  auto j = std::make_shared<JoinerObj>();
  j->separator = a[0].is_missing() ? in.str(", ") : a[0];
  return in.make(Kind::kJoiner, std::move(j), 0);
}

Value g_lipsum(Interp&, Args&) { fault("lipsum() is refused: templates must render the same text always"); }

Value g_raise_exception(Interp& in, Args& args) {
  const auto a = bind_args("raise_exception", args, {"message"}, 1);
  throw Fault{to_text(in, a[0]), true};
}

// datetime.now().strftime(format); the clock and the zone (UTC) are given by the caller.
Value g_strftime_now(Interp& in, Args& args) {
  const auto a = bind_args("strftime_now", args, {"format"}, 1);
  const std::string& format = need_string(a[0], "the time format");
  const time_t now = static_cast<time_t>(in.now());
  struct tm tm = {};
  if (gmtime_r(&now, &tm) == nullptr) fault("the time is out of range");
  std::string out;
  for (size_t i = 0; i < format.size();) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out += format[i++];
      continue;
    }
    size_t end = i + 1;
    while (end < format.size() &&
           (format[end] == '-' || format[end] == '_' || format[end] == '^' || format[end] == '0'))
      ++end;
    if (end >= format.size()) {
      out += format.substr(i);
      break;
    }
    const std::string directive = format.substr(i, end + 1 - i);
    i = end + 1;
    if (directive == "%f") {
      out += "000000";
    } else if (directive == "%z" || directive == "%Z") {  // a naive datetime has no zone
    } else if (directive == "%s") {
      out += cat(in.now());
    } else {
      char buffer[128];
      out.append(buffer, std::strftime(buffer, sizeof buffer, directive.c_str(), &tm));
    }
    in.step();
  }
  return in.str(std::move(out));
}

constexpr Builtin kGlobals[] = {
    {"range", g_range},   {"dict", g_dict},     {"namespace", g_namespace},
    {"cycler", g_cycler}, {"joiner", g_joiner}, {"lipsum", g_lipsum},
    {"raise_exception", g_raise_exception},     {"strftime_now", g_strftime_now},
};

}  // namespace

const Builtin* find_global(std::string_view name) noexcept {
  const auto it =
      std::find_if(std::begin(kGlobals), std::end(kGlobals), [&](const Builtin& b) { return name == b.name; });
  return it == std::end(kGlobals) ? nullptr : it;
}

}  // namespace mainspring::jinja
