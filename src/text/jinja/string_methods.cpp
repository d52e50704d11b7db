// Methods of str.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/interp.h"
#include "text/jinja/methods.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

namespace {

// A result that stays markup when self is.
Value result(Interp& in, const Value& self, std::string text) { return in.str(std::move(text), self.is_markup()); }

Value pieces(Interp& in, const Value& self, const std::vector<std::string_view>& parts) {
  in.step(parts.size());
  std::vector<Value> items;
  items.reserve(parts.size());
  for (std::string_view p : parts) items.push_back(result(in, self, std::string(p)));
  return in.list(std::move(items));
}

template <std::string (*convert)(std::string_view)>
Value converted(Interp& in, const Value& self, Args& args) {
  bind_args("a str method", args, {}, 0);
  in.scan(self.text().size());
  return result(in, self, convert(self.text()));
}

template <std::string_view (*strip)(std::string_view, const StripSet&)>
Value stripped(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("strip", args, {"chars"}, 0);
  StripSet set;
  if (!a[0].is_missing() && !a[0].is_none()) set = {need_string(a[0], "the characters to strip"), false};
  return result(in, self, std::string(strip(self.text(), set)));
}

template <bool from_right>
Value splitted(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("split", args, {"sep", "maxsplit"}, 0);
  const int64_t limit = a[1].is_missing() ? -1 : need_int(a[1], "maxsplit");
  in.work(self.text().size());
  in.require_memory(self.text().size() * 16);
  if (a[0].is_missing() || a[0].is_none()) return pieces(in, self, split_whitespace(self.text(), limit, from_right));
  const std::string& sep = need_string(a[0], "the separator");
  if (sep.empty()) fault("empty separator");
  return pieces(in, self, split_text(self.text(), sep, limit, from_right));
}

Value str_splitlines(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("splitlines", args, {"keepends"}, 0);
  in.scan(self.text().size());
  return pieces(in, self, split_lines(self.text(), !a[0].is_missing() && truth(in, a[0])));
}

// The window [start, end) of a string in code points, as bytes; false when start lies behind the end.
struct Window {
  std::string_view text;
  size_t first = 0;  // code points before it
  bool valid = true;
};

Window window(Interp& in, const Value& self, const Value& start, const Value& end) {
  in.work(self.text().size());
  const std::string_view s = self.text();
  if ((start.is_missing() || start.is_none()) && (end.is_missing() || end.is_none())) return {s, 0, true};
  const int64_t n = static_cast<int64_t>(code_points(s));
  const auto bound = [&](const Value& v, int64_t fallback) {
    if (v.is_missing() || v.is_none()) return fallback;
    const int64_t i = need_int(v, "slice indices");
    return i < 0 ? std::max<int64_t>(i + n, 0) : i;
  };
  const int64_t from = bound(start, 0), to = std::min(bound(end, n), n);
  if (from > to || from > n) return {"", static_cast<size_t>(from), false};
  const size_t a = byte_offset(s, static_cast<size_t>(from)), b = byte_offset(s, static_cast<size_t>(to));
  return {s.substr(a, b - a), static_cast<size_t>(from), true};
}

template <bool at_start>
Value affix(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args(at_start ? "startswith" : "endswith", args, {"prefix", "start", "end"}, 1);
  const Window w = window(in, self, a[1], a[2]);
  const auto matches = [&](const Value& v) {
    const std::string& p = need_string(v, at_start ? "startswith first arg" : "endswith first arg");
    return w.valid && (at_start ? w.text.starts_with(p) : w.text.ends_with(p));
  };
  if (!a[0].is(Kind::kTuple)) return Value::boolean(matches(a[0]));
  const auto& items = a[0].items();
  return Value::boolean(std::any_of(items.begin(), items.end(), matches));
}

template <bool from_right, bool must>
Value find_text(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("find", args, {"sub", "start", "end"}, 1);
  const std::string& needle = need_string(a[0], "the text to find");
  const Window w = window(in, self, a[1], a[2]);
  const size_t at = !w.valid ? std::string_view::npos : from_right ? w.text.rfind(needle) : w.text.find(needle);
  if (at != std::string_view::npos)
    return Value::integer(static_cast<int64_t>(w.first + code_points(w.text.substr(0, at))));
  if (must) fault("substring not found");
  return Value::integer(-1);
}

Value str_count(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("count", args, {"sub", "start", "end"}, 1);
  const std::string& needle = need_string(a[0], "the text to count");
  const Window w = window(in, self, a[1], a[2]);
  return Value::integer(w.valid ? static_cast<int64_t>(count_text(w.text, needle)) : 0);
}

Value str_replace(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("replace", args, {"old", "new", "count"}, 2);
  const std::string& from = need_string(a[0], "replace() argument 1");
  const std::string& to = need_string(a[1], "replace() argument 2");
  return result(in, self, checked_replace(in, self.text(), from, to, a[2].is_missing() ? -1 : need_int(a[2], "count")));
}

Value str_join(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("join", args, {"iterable"}, 1);
  std::string out;
  Iter it(in, a[0]);
  Value v;
  for (size_t i = 0; it.next(v); ++i) {
    if (!v.is_string()) fault("sequence item ", i, ": expected str instance, ", type_name(v), " found");
    in.require_memory(out.size() + self.text().size() + v.text().size());
    if (i > 0) out += self.text();
    out += v.text();
  }
  return result(in, self, std::move(out));
}

Value str_format(Interp& in, const Value& self, Args& args) {
  return result(in, self, brace_format(in, self.text(), args));
}

Value str_format_map(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("format_map", args, {"mapping"}, 1);
  if (!a[0].is(Kind::kDict)) fault("format_map() needs a mapping, not ", type_name(a[0]));
  Args named;
  for (const auto& [key, value] : a[0].as<DictObj>().items) {
    if (key.is_string()) named.kw.emplace_back(key.text(), value);
  }
  return result(in, self, brace_format(in, self.text(), named));
}

template <bool (*accept)(uint32_t)>
Value all_are(Interp& in, const Value& self, Args& args) {
  bind_args("a str test", args, {}, 0);
  in.scan(self.text().size());
  const std::string_view s = self.text();
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    if (!accept(c.code)) return Value::boolean(false);
    i += c.length;
  }
  return Value::boolean(!s.empty() || accept == is_printable);
}

Value str_isascii(Interp&, const Value& self, Args& args) {
  bind_args("isascii", args, {}, 0);
  return Value::boolean(is_ascii(self.text()));
}

Value str_isidentifier(Interp&, const Value& self, Args& args) {
  bind_args("isidentifier", args, {}, 0);
  const std::string_view s = self.text();
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    if (!is_word(c.code) || (i == 0 && !is_alpha(c.code) && c.code != '_')) return Value::boolean(false);
    i += c.length;
  }
  return Value::boolean(!s.empty());
}

template <bool lower>
Value is_case(Interp& in, const Value& self, Args& args) {
  bind_args("a str test", args, {}, 0);
  in.scan(self.text().size());
  return Value::boolean(has_only_case(self.text(), lower));
}

Value str_istitle(Interp& in, const Value& self, Args& args) {
  bind_args("istitle", args, {}, 0);
  in.scan(self.text().size());
  const std::string_view s = self.text();
  bool cased = false, previous = false;
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    i += c.length;
    if (is_upper(c.code) || is_title(c.code)) {
      if (previous) return Value::boolean(false);
      previous = cased = true;
    } else if (is_lower(c.code)) {
      if (!previous) return Value::boolean(false);
      cased = true;
    } else {
      previous = false;
    }
  }
  return Value::boolean(cased);
}

template <bool prefix>
Value remove_affix(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args(prefix ? "removeprefix" : "removesuffix", args, {"affix"}, 1);
  const std::string& affix = need_string(a[0], "the affix");
  std::string_view s = self.text();
  if (prefix && s.starts_with(affix)) s.remove_prefix(affix.size());
  if (!prefix && s.ends_with(affix)) s.remove_suffix(affix.size());
  return result(in, self, std::string(s));
}

template <bool from_right>
Value partition(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("partition", args, {"sep"}, 1);
  const std::string& sep = need_string(a[0], "the separator");
  if (sep.empty()) fault("empty separator");
  const std::string_view s = self.text();
  const size_t at = from_right ? s.rfind(sep) : s.find(sep);
  std::string_view head = s, tail, middle;
  if (at != std::string_view::npos) {
    head = s.substr(0, at);
    middle = sep;
    tail = s.substr(at + sep.size());
  } else if (from_right) {
    std::swap(head, tail);
  }
  std::vector<Value> parts;
  for (std::string_view p : {head, middle, tail}) parts.push_back(result(in, self, std::string(p)));
  return in.tuple(std::move(parts));
}

// side: -1 text at the left, 0 centred, 1 text at the right
template <int side>
Value justified(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("a padding method", args, {"width", "fillchar"}, 1);
  const std::string fill = a[1].is_missing() ? " " : need_string(a[1], "the fill character");
  if (code_points(fill) != 1) fault("The fill character must be exactly one character long");
  return result(in, self, justify(in, self.text(), need_int(a[0], "width"), fill, side));
}

Value str_zfill(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("zfill", args, {"width"}, 1);
  std::string text = self.text();
  const bool sign = !text.empty() && (text[0] == '+' || text[0] == '-');
  const int64_t missing = need_int(a[0], "width") - static_cast<int64_t>(code_points(text));
  if (missing <= 0) return result(in, self, std::move(text));
  in.require_memory(static_cast<size_t>(missing));
  return result(in, self, text.insert(sign, static_cast<size_t>(missing), '0'));
}

Value str_expandtabs(Interp& in, const Value& self, Args& args) {
  const auto a = bind_args("expandtabs", args, {"tabsize"}, 0);
  const int64_t tab = a[0].is_missing() ? 8 : need_int(a[0], "tabsize");
  std::string out;
  int64_t column = 0;
  for (std::string_view c : characters(self.text())) {
    if (c == "\t") {
      const int64_t fill = tab > 0 ? tab - column % tab : 0;
      in.require_memory(out.size() + static_cast<size_t>(fill));
      out.append(static_cast<size_t>(fill), ' ');
      column += fill;
    } else {
      out += c;
      column = c == "\n" || c == "\r" ? 0 : column + 1;
    }
  }
  return result(in, self, std::move(out));
}

constexpr Method kMethods[] = {
    {"strip", stripped<strip_both>},
    {"lstrip", stripped<strip_left>},
    {"rstrip", stripped<strip_right>},
    {"split", splitted<false>},
    {"rsplit", splitted<true>},
    {"splitlines", str_splitlines},
    {"startswith", affix<true>},
    {"endswith", affix<false>},
    {"replace", str_replace},
    {"upper", converted<to_upper>},
    {"lower", converted<to_lower>},
    {"title", converted<to_title>},
    {"capitalize", converted<to_capitalized>},
    {"swapcase", converted<swap_case>},
    {"casefold", converted<case_fold>},
    {"find", find_text<false, false>},
    {"rfind", find_text<true, false>},
    {"index", find_text<false, true>},
    {"rindex", find_text<true, true>},
    {"count", str_count},
    {"join", str_join},
    {"format", str_format},
    {"format_map", str_format_map},
    {"isdigit", all_are<is_digit>},
    {"isdecimal", all_are<is_decimal>},
    {"isnumeric", all_are<is_numeric>},
    {"isalpha", all_are<is_alpha>},
    {"isalnum", all_are<is_alnum>},
    {"isspace", all_are<is_space>},
    {"isprintable", all_are<is_printable>},
    {"isascii", str_isascii},
    {"isidentifier", str_isidentifier},
    {"islower", is_case<true>},
    {"isupper", is_case<false>},
    {"istitle", str_istitle},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"ljust", justified<-1>},
    {"rjust", justified<1>},
    {"center", justified<0>},
    {"zfill", str_zfill},
    {"expandtabs", str_expandtabs},
};

}  // namespace

std::string checked_replace(Interp& in, std::string_view s, std::string_view from, std::string_view to, int64_t count) {
  in.work(s.size());
  const size_t found = count_text(s, from);
  const size_t times = count < 0 ? found : std::min(found, static_cast<size_t>(count));
  size_t bytes = 0;
  if (__builtin_mul_overflow(times, to.size(), &bytes) || __builtin_add_overflow(bytes, s.size(), &bytes))
    bytes = SIZE_MAX;
  in.require_memory(bytes);
  return replace_text(s, from, to, count);
}

std::string justify(Interp& in, std::string_view s, int64_t width, std::string_view fill, int side) {
  const int64_t missing = width - static_cast<int64_t>(code_points(s));
  if (missing <= 0) return std::string(s);
  in.require_memory(static_cast<size_t>(missing) * fill.size());
  in.step(static_cast<size_t>(missing) / 16);
  // CPython centres with the odd space on the left when both missing and width are odd.
  const int64_t left = side < 0 ? 0 : side > 0 ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += s;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return out;
}

bool has_only_case(std::string_view s, bool lower) {
  bool cased = false;
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    i += c.length;
    if (is_title(c.code) || (lower ? is_upper(c.code) : is_lower(c.code))) return false;
    cased = cased || is_cased(c.code);
  }
  return cased;
}

std::span<const Method> string_methods() noexcept { return kMethods; }

}  // namespace mainspring::jinja
