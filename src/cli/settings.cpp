// Layering and printing of settings.
#include "cli/settings.h"

#include <algorithm>

#include "base/str.h"
#include "cli/commands.h"

namespace mainspring::cli {

const char* origin_name(Origin origin) noexcept {
  switch (origin) {
    case Origin::kUnset: return "unset";
    case Origin::kDefault: return "default";
    case Origin::kFile: return "file";
    case Origin::kEnvironment: return "environment";
    case Origin::kCommandLine: return "command line";
    case Origin::kRequest: return "request";
  }
  return "";
}

Settings::Settings(uint32_t command) : command_(command) {
  for (const OptionSpec& spec : option_table()) {
    if (!(spec.commands & command)) continue;
    Setting s{.spec = &spec};
    if (spec.fallback) {
      s.origin = Origin::kDefault;
      s.value = check_value(spec, {spec.fallback}, spec.name);
    }
    settings_.push_back(std::move(s));
  }
}

const Setting& Settings::get(std::string_view name) const {
  for (const Setting& s : settings_)
    if (name == s.spec->name) return s;
  fail(Code::kInternal, "this sub-command has no setting '", name, "'");
}

Setting& Settings::slot(const OptionSpec& spec) {
  for (Setting& s : settings_)
    if (s.spec == &spec) return s;
  fail(Code::kInternal, "this sub-command has no setting '", spec.name, "'");
}

bool Settings::given(std::string_view name) const { return get(name).origin != Origin::kUnset; }
bool Settings::chosen(std::string_view name) const { return get(name).origin > Origin::kDefault; }
bool Settings::flag(std::string_view name) const { return get(name).value.flag; }
int64_t Settings::integer(std::string_view name) const { return get(name).value.integer; }
double Settings::real(std::string_view name) const { return get(name).value.real; }
const std::vector<std::string>& Settings::list(std::string_view name) const { return get(name).value.texts; }

std::string Settings::text(std::string_view name) const {
  const std::vector<std::string>& texts = get(name).value.texts;
  return texts.empty() ? std::string() : texts[0];
}

void Settings::set(const OptionSpec& spec, std::vector<std::string> texts, Origin origin, std::string source) {
  Setting& s = slot(spec);
  s.value = check_value(spec, std::move(texts), source);
  s.origin = origin;
  s.source = std::move(source);
}

void Settings::add(const OptionSpec& spec, std::string text, Origin origin, std::string source) {
  Setting& s = slot(spec);
  if (spec.kind == OptionKind::kTexts && s.origin == origin) {
    s.value.texts.push_back(std::move(text));
    return;
  }
  set(spec, {std::move(text)}, origin, std::move(source));
}

namespace {

std::vector<std::string> shared_keys(uint32_t commands) {
  std::vector<std::string> keys;
  for (const OptionSpec& spec : option_table())
    if (spec.shared && (spec.commands & commands)) keys.push_back(file_key(spec));
  return keys;
}

// The row a file's key means; dashes are accepted for underscores.
const OptionSpec* find_key(uint32_t commands, const std::string& key) {
  std::string name = key;
  std::replace(name.begin(), name.end(), '_', '-');
  const OptionSpec* spec = find_option(commands, name);
  return spec && spec->shared ? spec : nullptr;
}

void check_entry_kind(const OptionSpec& spec, const ConfigEntry& entry, const std::string& where) {
  using K = ConfigEntry::Kind;
  const auto expect = [&](bool good, std::string_view what) {
    if (!good) fail(Code::kInvalidInput, where, ": expected ", what);
  };
  switch (spec.kind) {
    case OptionKind::kFlag: return expect(entry.kind == K::kBool, "true or false");
    case OptionKind::kInt: return expect(entry.kind == K::kInt, "a whole number");
    case OptionKind::kReal: return expect(entry.kind == K::kInt || entry.kind == K::kReal, "a number");
    case OptionKind::kBytes: return expect(entry.kind == K::kInt || entry.kind == K::kText, "a size like \"4GiB\"");
    case OptionKind::kTexts: return expect(entry.kind == K::kList || entry.kind == K::kText, "a list of strings");
    default: return expect(entry.kind == K::kText, "a string");
  }
}

void apply_entry(Settings& settings, const ConfigEntry& entry, const std::string& file) {
  const std::string where = cat(file, ":", entry.line, ": ", printable(entry.key));
  const uint32_t scope = entry.table.empty() ? uint32_t{kEvery} : settings.command();
  const OptionSpec* known = find_key(scope, entry.key);
  if (!known) {
    fail(Code::kInvalidInput, file, ":", entry.line, ": unknown key '", printable(entry.key), "'",
         entry.table.empty() ? std::string() : cat(" in [", entry.table, "]"),
         suggestion(entry.key, shared_keys(scope)));
  }
  // A key of the top level may belong to other sub-commands only.
  const OptionSpec* mine = find_key(settings.command(), entry.key);
  check_entry_kind(mine ? *mine : *known, entry, where);
  if (mine) settings.set(*mine, entry.texts, Origin::kFile, where);
  else check_value(*known, entry.texts, where);
}

}  // namespace

Settings layer_settings(uint32_t command, std::string_view command_name, std::span<const Argument> arguments,
                        const EnvGetter& env, std::span<const ConfigEntry> entries, const std::string& file) {
  Settings settings(command);
  for (const bool own : {false, true}) {   // [chat] over the top level
    for (const ConfigEntry& e : entries) {
      if (!e.table.empty() && !find_command(e.table))
        fail(Code::kInvalidInput, file, ":", e.line, ": unknown table [", printable(e.table), "]",
             suggestion(e.table, command_names()));
      if (own ? e.table == command_name : e.table.empty()) apply_entry(settings, e, file);
    }
  }
  for (const Setting& s : std::vector<Setting>(settings.all())) {
    if (!s.spec->shared) continue;
    const std::string name = env_name(*s.spec);
    const auto text = env(name);
    if (!text) continue;
    std::vector<std::string> texts;
    if (s.spec->kind == OptionKind::kTexts) {
      for (std::string_view line : split(*text, '\n')) texts.emplace_back(line);   // one item a line
    } else {
      texts.push_back(*text);
    }
    settings.set(*s.spec, std::move(texts), Origin::kEnvironment, name);
  }
  for (const Argument& a : arguments) settings.add(*a.spec, a.text, Origin::kCommandLine, a.source);
  return settings;
}

namespace {

Json value_json(const Setting& s) {
  const OptionValue& v = s.value;
  switch (s.spec->kind) {
    case OptionKind::kFlag: return v.flag;
    case OptionKind::kInt:
    case OptionKind::kBytes: return v.integer;
    case OptionKind::kReal: return v.real;
    case OptionKind::kTexts: {
      Json list = Json::array();
      for (const std::string& t : v.texts) list.push_back(t);
      return list;
    }
    default: return v.texts.at(0);
  }
}

std::string origin_text(const Setting& s) {
  if (s.origin == Origin::kUnset)
    return s.spec->section == Section::kSampling ? "not set: the model's default" : "not set";
  return s.source.empty() ? origin_name(s.origin) : cat(origin_name(s.origin), ": ", s.source);
}

}  // namespace

std::string print_config(const Settings& settings, bool json) {
  Json all = Json::object();
  std::string toml;
  for (const Setting& s : settings.all()) {
    if (!s.spec->shared) continue;
    const std::string key = file_key(*s.spec);
    const Json value = s.origin == Origin::kUnset ? Json() : value_json(s);
    all.set(key, Json::object({{"value", value}, {"origin", origin_name(s.origin)}, {"source", s.source}}));
    // JSON's spelling of scalars, strings and lists is also TOML's.
    std::string line = value.is_null() ? cat("# ", key) : cat(key, " = ", value.dump());
    if (line.size() < 36) line.resize(36, ' ');
    toml += cat(line, "  # ", origin_text(s), "\n");
  }
  return json ? all.dump(2) + "\n" : toml;
}

}  // namespace mainspring::cli
