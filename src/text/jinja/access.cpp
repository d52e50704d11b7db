// Lengths, attributes, items, slices and iteration.
#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/jinja/interp.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"

namespace mainspring::jinja {

std::optional<size_t> known_length(const Value& v) {
  switch (v.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString: return v.as<StrObj>().length();
    case Kind::kList:
    case Kind::kTuple: return v.items().size();
    case Kind::kDict: return v.as<DictObj>().items.size();
    case Kind::kView: return v.as<ViewObj>().dict.as<DictObj>().items.size();
    case Kind::kRange: return static_cast<size_t>(v.as<RangeObj>().length);
    default: return std::nullopt;
  }
}

size_t length(Interp& in, const Value& v) {
  if (v.is_string()) in.work(v.text().size());
  if (v.is(Kind::kLoop)) return static_cast<size_t>(in.loop_attribute(v, "length").as_int());
  const std::optional<size_t> n = known_length(v);
  if (!n) fault("object of type '", type_name(v), "' has no len()");
  return *n;
}

int64_t need_int(const Value& v, std::string_view what) {
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  if (!v.is_integral()) fault(what, " must be an integer, not ", type_name(v));
  return v.as_int();
}

const std::string& need_string(const Value& v, std::string_view what) {
  if (!v.is_string()) fault(what, " must be str, not ", type_name(v));
  return v.text();
}

namespace {

// Attributes every Python object has: reachable in Python, refused by the sandbox.
constexpr std::array kObjectAttributes = {
    "__class__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__", "__gt__",
    "__hash__", "__init__", "__init_subclass__", "__le__", "__lt__", "__ne__", "__new__", "__reduce__", "__reduce_ex__",
    "__repr__", "__setattr__", "__sizeof__", "__str__", "__subclasshook__", "__getstate__"};
constexpr std::array kUndefinedAttributes = {"__len__", "__iter__", "__bool__", "__call__", "__getitem__", "__slots__"};
// Methods that would change a value: the immutable sandbox refuses them.
constexpr std::array kDictChangers = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::array kListChangers = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};

template <class Names>
bool is_one_of(std::string_view name, const Names& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_refused(const Value& v, std::string_view name) {
  if (name.starts_with("__") && is_one_of(name, kObjectAttributes))
    return !v.is(Kind::kNamespace) || name == "__class__";
  if (v.is(Kind::kDict)) return is_one_of(name, kDictChangers);
  if (v.is(Kind::kList)) return is_one_of(name, kListChangers);
  return false;
}

Value macro_attribute(Interp& in, const MacroObj& m, std::string_view name) {
  const MacroNode& node = *m.node;
  if (name == "name") return node.name.empty() ? Value::none() : in.str(node.name);
  if (name == "catch_kwargs") return Value::boolean(node.uses_kwargs);
  if (name == "catch_varargs") return Value::boolean(node.uses_varargs);
  if (name == "caller") return Value::boolean(node.uses_caller);
  if (name != "arguments") return Value();
  std::vector<Value> names;
  for (const auto& p : node.params) names.push_back(in.str(p.name));
  return in.tuple(std::move(names));
}

// A real Python attribute of the value (not an item); kMissing when there is none.
Value own_attribute(Interp& in, const Value& v, std::string_view name) {
  if (is_refused(v, name)) {
    return in.undefined(cat("access to attribute ", quoted(name), " of '", type_name(v), "' object is unsafe."));
  }
  switch (v.kind()) {
    case Kind::kNamespace: {
      const Value* found = v.as<NamespaceObj>().attributes.find(name);
      return found != nullptr ? *found : Value();
    }
    case Kind::kLoop: return in.loop_attribute(v, name);
    case Kind::kMacro: return macro_attribute(in, v.as<MacroObj>(), name);
    case Kind::kRange: {
      const RangeObj& r = v.as<RangeObj>();
      if (name == "start") return Value::integer(r.start);
      if (name == "stop") return Value::integer(r.stop);
      if (name == "step") return Value::integer(r.step);
      break;
    }
    case Kind::kTuple:
      if (v.as<SeqObj>().group && name == "grouper") return v.items()[0];
      if (v.as<SeqObj>().group && name == "list") return v.items()[1];
      break;
    case Kind::kBool:
    case Kind::kInt:
      if (name == "real" || name == "numerator") return Value::integer(v.as_int());
      if (name == "imag") return Value::integer(0);
      if (name == "denominator") return Value::integer(1);
      break;
    case Kind::kFloat:
      if (name == "real") return v;
      if (name == "imag") return Value::real(0);
      break;
    case Kind::kCycler: {
      const CyclerObj& c = v.as<CyclerObj>();
      if (name == "current") return c.items[c.position];
      break;
    }
    case Kind::kJoiner:
      if (name == "sep") return v.as<JoinerObj>().separator;
      if (name == "used") return Value::boolean(v.as<JoinerObj>().used);
      break;
    default: break;
  }
  if (const Method* m = find_method(v, name)) return in.make(Kind::kMethod, std::make_shared<MethodObj>(v, m), 0);
  return Value();
}

Value sequence_item(const std::vector<Value>& items, int64_t i) {
  const int64_t n = static_cast<int64_t>(items.size());
  if (i < 0) i += n;
  return i < 0 || i >= n ? Value() : items[static_cast<size_t>(i)];
}

Value string_item(Interp& in, const StrObj& s, int64_t i) {
  in.work(s.text.size());
  const int64_t n = static_cast<int64_t>(s.length());
  if (i < 0) i += n;
  if (i < 0 || i >= n) return Value();
  const size_t at = byte_offset(s.text, static_cast<size_t>(i));
  return in.str(s.text.substr(at, decode_utf8(std::string_view(s.text).substr(at)).length));
}

// v[key] as Python does it; kMissing where Python raises TypeError or LookupError.
Value own_item(Interp& in, const Value& v, const Value& key) {
  switch (v.kind()) {
    case Kind::kDict: {
      if (key.is(Kind::kList) || key.is(Kind::kDict) || key.is(Kind::kView)) return Value();  // unhashable
      const Value* found = v.as<DictObj>().find(in, key);
      return found != nullptr ? *found : Value();
    }
    case Kind::kList:
    case Kind::kTuple: return key.is_integral() ? sequence_item(v.items(), key.as_int()) : Value();
    case Kind::kString: return key.is_integral() ? string_item(in, v.as<StrObj>(), key.as_int()) : Value();
    case Kind::kRange: {
      if (!key.is_integral()) return Value();
      const RangeObj& r = v.as<RangeObj>();
      const int64_t i = key.as_int() < 0 ? key.as_int() + r.length : key.as_int();
      return i < 0 || i >= r.length ? Value() : Value::integer(r.at(i));
    }
    default: return Value();
  }
}

Value no_attribute(Interp& in, const Value& v, const Value& key) {
  const std::string object = v.is_none() ? "None" : cat(type_name(v), " object");
  if (key.is_string()) return in.undefined(cat("'", object, "' has no attribute ", quoted(printable(key.text()))));
  return in.undefined(cat(object, " has no element ", printable(to_text(in, key))));
}

}  // namespace

Value get_attribute(Interp& in, const Value& v, std::string_view name) {
  if (v.is_undefined() && (is_refused(v, name) || is_one_of(name, kUndefinedAttributes)))
    return in.undefined(cat("access to attribute ", name, " is unsafe"));
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  // The common case first: an item of a dict whose name no dict method has.
  if (v.is(Kind::kDict) && find_method(v, name) == nullptr && !is_refused(v, name)) {
    if (const Value* found = v.as<DictObj>().find(name)) return *found;
  } else if (Value found = own_attribute(in, v, name); !found.is_missing()) {
    return found;
  }
  return no_attribute(in, v, in.str(std::string(name)));
}

Value get_item(Interp& in, const Value& v, const Value& key) {
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  Value found = own_item(in, v, key);
  if (found.is_missing() && key.is_string()) found = own_attribute(in, v, key.text());
  return found.is_missing() ? no_attribute(in, v, key) : found;
}

namespace {

struct SliceBounds {
  int64_t start, end, step, count;
};

SliceBounds slice_bounds(const Value& start, const Value& stop, const Value& step, int64_t n) {
  const auto bound = [&](const Value& v, int64_t fallback, int64_t low, int64_t high) {
    if (v.is_none()) return fallback;
    int64_t i = need_int(v, "a slice index");
    if (i < 0) i = i < -n ? low : i + n;
    return std::clamp(i, low, high);
  };
  SliceBounds b{};
  b.step = step.is_none() ? 1 : need_int(step, "a slice step");
  if (b.step == 0) fault("slice step cannot be zero");
  const int64_t low = b.step < 0 ? -1 : 0, high = b.step < 0 ? n - 1 : n;
  b.start = bound(start, b.step < 0 ? high : low, low, high);
  const int64_t end = b.end = bound(stop, b.step < 0 ? low : high, low, high);
  if (b.step > 0) {
    b.count = end > b.start ? (end - b.start - 1) / b.step + 1 : 0;
  } else {
    // -(step + 1) + 1 would overflow for the smallest integer; unsigned arithmetic does not.
    const uint64_t stride = ~static_cast<uint64_t>(b.step) + 1;
    b.count = b.start > end ? static_cast<int64_t>((static_cast<uint64_t>(b.start - end) - 1) / stride) + 1 : 0;
  }
  return b;
}

Value slice_string(Interp& in, const Value& v, const SliceBounds& b) {
  const std::string& s = v.text();
  in.work(s.size());
  std::string out;
  if (b.step == 1) {
    const size_t from = byte_offset(s, static_cast<size_t>(b.start));
    const std::string_view rest = std::string_view(s).substr(from);
    out = rest.substr(0, byte_offset(rest, static_cast<size_t>(b.count)));
  } else if (b.count > 0) {
    in.require_memory(s.size() * sizeof(std::string_view));
    const auto chars = characters(s);
    for (int64_t k = 0; k < b.count; ++k) out += chars[static_cast<size_t>(b.start + k * b.step)];
  }
  return in.str(std::move(out), v.is_markup());
}

}  // namespace

Value get_slice(Interp& in, const Value& v, const Value& start, const Value& stop, const Value& step) {
  if (v.is_undefined()) fault(v.as<UndefinedObj>().message);
  if (!v.is_string() && !v.is_sequence() && !v.is(Kind::kRange)) fault("'", type_name(v), "' object cannot be sliced");
  const int64_t n = static_cast<int64_t>(length(in, v));
  const SliceBounds b = slice_bounds(start, stop, step, n);
  if (v.is_string()) return slice_string(in, v, b);
  if (v.is(Kind::kRange)) {
    const RangeObj& r = v.as<RangeObj>();
    int64_t stride = 0;
    if (__builtin_mul_overflow(r.step, b.step, &stride)) fault("integer result does not fit 64 bits");
    return in.make(Kind::kRange, std::make_shared<RangeObj>(r.at(b.start), stride, b.count, r.at(b.end)), 0);
  }
  in.step(static_cast<size_t>(b.count) / 16);
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(b.count));
  for (int64_t k = 0; k < b.count; ++k) items.push_back(v.items()[static_cast<size_t>(b.start + k * b.step)]);
  return v.is(Kind::kList) ? in.list(std::move(items)) : in.tuple(std::move(items));
}

bool pull(Next& slot, Interp& in, Value& out) {
  Next running = std::exchange(slot, nullptr);
  if (!running || !running(in, out)) return false;
  slot = std::move(running);
  return true;
}

bool Iter::possible(const Value& v) noexcept {
  return known_length(v).has_value() || v.is(Kind::kGenerator) || v.is(Kind::kLoop);
}

Iter::Iter(Interp& in, Value source) : in_(in), source_(std::move(source)) {
  if (!possible(source_)) fault("'", type_name(source_), "' object is not iterable");
}

bool Iter::next(Value& out) {
  in_.step();
  switch (source_.kind()) {
    case Kind::kString: {
      const std::string& s = source_.text();
      if (position_ >= s.size()) return false;
      const size_t n = decode_utf8(std::string_view(s).substr(position_)).length;
      out = in_.str(s.substr(position_, n));
      position_ += n;
      return true;
    }
    case Kind::kList:
    case Kind::kTuple:
      if (position_ >= source_.items().size()) return false;
      out = source_.items()[position_++];
      return true;
    case Kind::kDict:
    case Kind::kView: {
      const bool view = source_.is(Kind::kView);
      const DictObj& d = view ? source_.as<ViewObj>().dict.as<DictObj>() : source_.as<DictObj>();
      if (position_ >= d.items.size()) return false;
      const auto& [key, value] = d.items[position_++];
      const ViewObj::Part part = view ? source_.as<ViewObj>().part : ViewObj::Part::kKeys;
      out = part == ViewObj::Part::kKeys ? key : part == ViewObj::Part::kValues ? value : in_.pair(key, value);
      return true;
    }
    case Kind::kRange: {
      const RangeObj& r = source_.as<RangeObj>();
      if (position_ >= static_cast<size_t>(r.length)) return false;
      out = Value::integer(r.at(static_cast<int64_t>(position_++)));
      return true;
    }
    case Kind::kGenerator: return pull(source_.as<GeneratorObj>().next, in_, out);
    case Kind::kLoop: {
      LoopObj& loop = source_.as<LoopObj>();
      if (!in_.loop_advance(loop, out)) return false;
      out = in_.pair(out, source_);
      return true;
    }
    default: return false;
  }
}

std::vector<Value> to_vector(Interp& in, const Value& v) {
  if (v.is_sequence()) {
    in.step(v.items().size() / 16);
    return v.items();
  }
  std::vector<Value> out;
  Iter it(in, v);
  Value item;
  while (it.next(item)) {
    in.require_memory((out.size() + 1) * sizeof(Value));
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace mainspring::jinja
