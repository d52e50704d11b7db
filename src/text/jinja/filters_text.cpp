// Filters on text.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/interp.h"
#include "text/jinja/methods.h"
#include "text/jinja/ops.h"
#include "text/jinja/pystr.h"
#include "text/jinja/registry.h"

namespace mainspring::jinja {

namespace {

template <std::string (*convert)(std::string_view)>
Value converted(Interp& in, const Value& v, Args& args) {
  bind_args("a text filter", args, {}, 0);
  std::string hold;
  const std::string_view s = text_of(in, v, hold);
  in.scan(s.size());
  return in.str(convert(s), v.is_markup());
}

std::string title_words(std::string_view s) {
  std::string out, word;
  const auto flush = [&] {
    if (word.empty()) return;
    const size_t first = decode_utf8(word).length;
    out += to_upper(std::string_view(word).substr(0, first)) + to_lower(std::string_view(word).substr(first));
    word.clear();
  };
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    const std::string_view bytes = s.substr(i, c.length);
    i += c.length;
    if (is_space(c.code) || bytes == "-" || bytes == "(" || bytes == "{" || bytes == "[" || bytes == "<") {
      flush();
      out += bytes;
    } else {
      word += bytes;
    }
  }
  flush();
  return out;
}

Value f_center(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("center", args, {"width"}, 0);
  std::string hold;
  const std::string_view s = text_of(in, v, hold);
  return in.str(justify(in, s, a[0].is_missing() ? 80 : need_int(a[0], "width"), " ", 0), v.is_markup());
}

Value f_escape(Interp& in, const Value& v, Args& args) {
  bind_args("escape", args, {}, 0);
  if (v.is_markup()) return v;
  std::string hold;
  const std::string_view s = text_of(in, v, hold);
  in.require_memory(s.size() * 5);
  return in.str(escape_html(s), true);
}

Value f_forceescape(Interp& in, const Value& v, Args& args) {
  bind_args("forceescape", args, {}, 0);
  std::string hold;
  const std::string_view s = text_of(in, v, hold);
  in.require_memory(s.size() * 5);
  return in.str(escape_html(s), true);
}

Value f_safe(Interp& in, const Value& v, Args& args) {
  bind_args("safe", args, {}, 0);
  return in.str(to_text(in, v), true);
}

Value f_string(Interp& in, const Value& v, Args& args) {
  bind_args("string", args, {}, 0);
  return v.is_string() ? v : in.str(to_text(in, v));
}

Value f_format(Interp& in, const Value& v, Args& args) {
  if (!args.pos.empty() && !args.kw.empty()) {
    fault("can't handle positional and keyword arguments at the same time");
  }
  const Value format = v.is_string() ? v : in.str(to_text(in, v));
  if (args.kw.empty()) return in.str(percent_format(in, format, in.tuple(args.pos)), v.is_markup());
  auto d = std::make_shared<DictObj>();
  for (auto& [key, value] : args.kw) d->set(in, in.str(key), value);
  return in.str(percent_format(in, format, in.dict(std::move(d))), v.is_markup());
}

Value f_replace(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("replace", args, {"old", "new", "count"}, 2);
  std::string hold, hold_old, hold_new;
  const std::string_view s = text_of(in, v, hold);
  const int64_t count = a[2].is_missing() || a[2].is_none() ? -1 : need_int(a[2], "count");
  return in.str(checked_replace(in, s, text_of(in, a[0], hold_old), text_of(in, a[1], hold_new), count));
}

Value f_trim(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("trim", args, {"chars"}, 0);
  StripSet set;
  if (!a[0].is_missing() && !a[0].is_none()) set = {need_string(a[0], "the characters to trim"), false};
  std::string hold;
  return in.str(std::string(strip_both(text_of(in, v, hold), set)), v.is_markup());
}

Value f_truncate(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("truncate", args, {"length", "killwords", "end", "leeway"}, 0);
  const int64_t limit = a[0].is_missing() ? 255 : need_int(a[0], "length");
  const std::string end = a[2].is_missing() ? "..." : need_string(a[2], "the end mark");
  const int64_t leeway = a[3].is_missing() || a[3].is_none() ? 5 : need_int(a[3], "leeway");
  const int64_t end_length = static_cast<int64_t>(code_points(end));
  if (limit < end_length) fault("truncate: expected length >= ", end_length, ", got ", limit);
  if (leeway < 0) fault("truncate: expected leeway >= 0, got ", leeway);
  if (static_cast<int64_t>(length(in, v)) <= limit + leeway) return v;
  const std::string& s = need_string(v, "the value to truncate");
  std::string_view head = std::string_view(s).substr(0, byte_offset(s, static_cast<size_t>(limit - end_length)));
  if (a[1].is_missing() || !truth(in, a[1])) head = head.substr(0, std::min(head.rfind(' '), head.size()));
  return in.str(cat(head, end), v.is_markup());
}

Value f_wordcount(Interp& in, const Value& v, Args& args) {
  bind_args("wordcount", args, {}, 0);
  std::string hold;
  const std::string_view s = text_of(in, v, hold);
  in.scan(s.size());
  int64_t n = 0;
  bool inside = false;
  for (size_t i = 0; i < s.size();) {
    const Utf8Char c = decode_utf8(s.substr(i));
    i += c.length;
    const bool word = is_word(c.code);
    n += word && !inside;
    inside = word;
  }
  return Value::integer(n);
}

std::string url_quote(std::string_view s, bool query) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : s) {
    const bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (alnum || c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !query)) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += cat("%", kHex[(c >> 4) & 15], kHex[c & 15]);
    }
  }
  return out;
}

Value f_urlencode(Interp& in, const Value& v, Args& args) {
  bind_args("urlencode", args, {}, 0);
  if (v.is_string() || !Iter::possible(v)) return in.str(url_quote(to_text(in, v), false));
  std::string out;
  const auto add = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    out += cat(url_quote(to_text(in, key), true), "=", url_quote(to_text(in, value), true));
    in.require_memory(out.size());
  };
  if (v.is(Kind::kDict)) {
    for (const auto& [key, value] : v.as<DictObj>().items) add(key, value);
    return in.str(std::move(out));
  }
  Iter it(in, v);
  Value item;
  while (it.next(item)) {
    const std::vector<Value> pair = to_vector(in, item);
    if (pair.size() != 2) fault("urlencode expects pairs");
    add(pair[0], pair[1]);
  }
  return in.str(std::move(out));
}

// The HTML entities that text in chats has; others stay as they are written.
constexpr std::pair<std::string_view, uint32_t> kEntities[] = {
    {"amp", '&'},      {"lt", '<'},       {"gt", '>'},       {"quot", '"'},     {"apos", '\''},     {"nbsp", 0xA0},
    {"copy", 0xA9},    {"reg", 0xAE},     {"deg", 0xB0},     {"plusmn", 0xB1},  {"laquo", 0xAB},    {"raquo", 0xBB},
    {"middot", 0xB7},  {"times", 0xD7},   {"divide", 0xF7},  {"ndash", 0x2013}, {"mdash", 0x2014},  {"lsquo", 0x2018},
    {"rsquo", 0x2019}, {"ldquo", 0x201C}, {"rdquo", 0x201D}, {"bull", 0x2022},  {"hellip", 0x2026}, {"euro", 0x20AC},
    {"trade", 0x2122}, {"larr", 0x2190},  {"rarr", 0x2192},  {"cent", 0xA2},    {"pound", 0xA3},    {"yen", 0xA5},
    {"sect", 0xA7},    {"para", 0xB6}};

// The character of an entity's body (between '&' and ';'); 0 when it is not one.
uint32_t entity(std::string_view body) {
  if (body.starts_with('#')) {
    const bool hex = body.size() > 1 && (body[1] | 32) == 'x';
    const auto number = parse_integer(body.substr(hex ? 2 : 1), hex ? 16 : 10);
    if (!number || number->as_int() <= 0 || number->as_int() > 0x10FFFF) return 0;
    return static_cast<uint32_t>(number->as_int());
  }
  for (const auto& [name, code] : kEntities) {
    if (name == body) return code;
  }
  return 0;
}

std::string unescape_html(std::string_view s) {
  std::string out;
  while (!s.empty()) {
    const size_t at = s.find('&');
    out += s.substr(0, at);
    if (at == std::string_view::npos) break;
    const size_t end = s.find(';', at);
    const uint32_t code = end == std::string_view::npos || end - at > 12 ? 0 : entity(s.substr(at + 1, end - at - 1));
    if (code != 0) {
      append_utf8(out, code);
      s.remove_prefix(end + 1);
    } else {
      out += '&';
      s.remove_prefix(at + 1);
    }
  }
  return out;
}

Value f_striptags(Interp& in, const Value& v, Args& args) {
  bind_args("striptags", args, {}, 0);
  const std::string text = to_text(in, v);
  in.scan(text.size());
  std::string plain;
  size_t pos = 0;
  for (size_t open = text.find('<'); open != std::string::npos; open = text.find('<', pos)) {
    const bool comment = text.compare(open, 4, "<!--") == 0;
    const size_t end = comment ? text.find("-->", open + 4) : text.find('>', open);
    if (end == std::string::npos) break;
    plain.append(text, pos, open - pos);
    pos = end + (comment ? 3 : 1);
  }
  plain.append(text, pos);
  std::string joined;
  for (std::string_view word : split_whitespace(plain, -1, false)) joined += cat(joined.empty() ? "" : " ", word);
  return in.str(unescape_html(joined));
}

Value f_xmlattr(Interp& in, const Value& v, Args& args) {
  const auto a = bind_args("xmlattr", args, {"autospace"}, 0);
  if (!v.is(Kind::kDict)) fault("xmlattr needs a mapping, not ", type_name(v));
  std::string out;
  for (const auto& [key, value] : v.as<DictObj>().items) {
    if (value.is_none() || value.is_undefined()) continue;
    const std::string& name = need_string(key, "an attribute name");
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      fault("Invalid character in attribute name: ", quoted(printable(name)));
    if (!out.empty()) out += ' ';
    out += cat(escape_html(name), "=\"", value.is_markup() ? value.text() : escape_html(to_text(in, value)), "\"");
    in.require_memory(out.size());
  }
  if (!out.empty() && (a[0].is_missing() || truth(in, a[0]))) out.insert(0, " ");
  return in.str(std::move(out));
}

constexpr FilterEntry kFilters[] = {
    {"capitalize", converted<to_capitalized>},
    {"lower", converted<to_lower>},
    {"upper", converted<to_upper>},
    {"title", converted<title_words>},
    {"center", f_center},
    {"e", f_escape},
    {"escape", f_escape},
    {"forceescape", f_forceescape},
    {"safe", f_safe},
    {"string", f_string},
    {"format", f_format},
    {"replace", f_replace},
    {"trim", f_trim},
    {"truncate", f_truncate},
    {"wordcount", f_wordcount},
    {"urlencode", f_urlencode},
    {"striptags", f_striptags},
    {"xmlattr", f_xmlattr},
};

}  // namespace

std::span<const FilterEntry> text_filters() noexcept { return kFilters; }

}  // namespace mainspring::jinja
