// Parsing and checking batch lines.
#include "cli/batch.h"

#include <algorithm>
#include <array>

#include "base/str.h"

namespace mainspring::cli {
namespace {

constexpr std::array<std::string_view, 5> kOwnMembers = {"id", "prompt", "messages", "raw", "system"};

// The option row that a request's member sets, or nullptr.
const OptionSpec* sampling_row(uint32_t command, std::string_view member) {
  std::string name(member);
  std::replace(name.begin(), name.end(), '_', '-');
  const OptionSpec* spec = find_option(command, name);
  return spec && spec->section == Section::kSampling ? spec : nullptr;
}

std::string scalar_text(const Json& value, const std::string& where) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool() || value.is_number()) return value.dump();
  fail(Code::kInvalidInput, where, ": expected a string, number or boolean, found ", kind_text(value));
}

void check_kind(const OptionSpec& spec, const Json& value, const std::string& where) {
  const auto expect = [&](bool good, const char* what) {
    if (!good) fail(Code::kInvalidInput, where, ": expected ", what, ", found ", kind_text(value));
  };
  switch (spec.kind) {
    case OptionKind::kFlag: return expect(value.is_bool(), "true or false");
    case OptionKind::kInt: return expect(value.is_integer(), "a whole number");
    case OptionKind::kReal: return expect(value.is_number(), "a number");
    default: return;
  }
}

// Values in the text form of the option table. {"42": -1.5} is a list of ID:BIAS.
std::vector<std::string> texts_of(const OptionSpec& spec, const Json& value, const std::string& where) {
  check_kind(spec, value, where);
  std::vector<std::string> texts;
  if (spec.kind == OptionKind::kTexts && value.is_array()) {
    for (const Json& item : value.as_array()) texts.push_back(scalar_text(item, where));
  } else if (spec.kind == OptionKind::kTexts && value.is_object()) {
    for (const auto& [key, v] : value.as_object()) texts.push_back(cat(key, ":", scalar_text(v, where)));
  } else {
    texts.push_back(scalar_text(value, where));
  }
  return texts;
}

[[noreturn]] void unknown_member(const std::string& where, const std::string& key, uint32_t command) {
  std::vector<std::string> names(kOwnMembers.begin(), kOwnMembers.end());
  for (const OptionSpec& s : option_table())
    if ((s.commands & command) && s.section == Section::kSampling) names.push_back(file_key(s));
  fail(Code::kInvalidInput, where, ": unknown member '", printable(key), "'", suggestion(key, names));
}

void check_messages(const Json& messages, const std::string& where) {
  if (!messages.is_array() || messages.size() == 0)
    fail(Code::kInvalidInput, where, ": messages: expected a non-empty array, found ", kind_text(messages));
  for (const Json& m : messages.as_array()) {
    const Json* role = m.find("role");
    if (!role || !role->is_string() || !m.find("content"))
      fail(Code::kInvalidInput, where, ": messages: every message needs \"role\" and \"content\"");
  }
}

void check_request(const Json& o, const std::string& where) {
  const Json* prompt = o.find("prompt");
  const Json* messages = o.find("messages");
  if (!prompt == !messages) fail(Code::kInvalidInput, where, ": needs either \"prompt\" or \"messages\"");
  if (prompt && !prompt->is_string())
    fail(Code::kInvalidInput, where, ": prompt: expected a string, found ", kind_text(*prompt));
  if (messages) check_messages(*messages, where);
  if (const Json* raw = o.find("raw")) {
    if (!raw->is_bool()) fail(Code::kInvalidInput, where, ": raw: expected true or false, found ", kind_text(*raw));
    if (raw->as_bool() && messages) fail(Code::kInvalidInput, where, ": raw goes with \"prompt\" only");
  }
  if (const Json* system = o.find("system"); system && !system->is_string())
    fail(Code::kInvalidInput, where, ": system: expected a string, found ", kind_text(*system));
  const Json* id = o.find("id");
  if (id && !id->is_string() && !id->is_number())
    fail(Code::kInvalidInput, where, ": id: expected a string or number, found ", kind_text(*id));
}

}  // namespace

Settings request_settings(const BatchRequest& request, const std::string& file, const Settings& base) {
  Settings settings = base;
  for (const auto& [key, value] : request.members.as_object()) {
    if (std::find(kOwnMembers.begin(), kOwnMembers.end(), key) != kOwnMembers.end()) continue;
    const std::string where = cat(file, ":", request.line, ": ", printable(key));
    const OptionSpec* spec = sampling_row(base.command(), key);
    if (!spec) unknown_member(cat(file, ":", request.line), key, base.command());
    if (value.is_null()) continue;
    settings.set(*spec, texts_of(*spec, value, where), Origin::kRequest, where);
  }
  return settings;
}

std::vector<BatchRequest> parse_batch(std::string_view text, const std::string& file, const Settings& base) {
  std::vector<BatchRequest> requests;
  int number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    line = trim(line);
    if (line.empty()) continue;
    const std::string where = cat(file, ":", number);
    BatchRequest r{.line = number, .id = int64_t{number}, .members = parse_json(line, where)};
    if (!r.members.is_object())
      fail(Code::kInvalidInput, where, ": expected a JSON object, found ", kind_text(r.members));
    check_request(r.members, where);
    if (const Json* id = r.members.find("id")) r.id = *id;
    request_settings(r, file, base);
    requests.push_back(std::move(r));
  }
  return requests;
}

Json request_messages(const BatchRequest& request, const Settings& settings) {
  if (const Json* messages = request.members.find("messages")) return *messages;
  Json messages = Json::array();
  const Json* own = request.members.find("system");
  const std::string system = own ? own->as_string() : settings.text("system");
  if (!system.empty()) messages.push_back(Json::object({{"role", "system"}, {"content", system}}));
  messages.push_back(Json::object({{"role", "user"}, {"content", request.members.at("prompt")}}));
  return messages;
}

}  // namespace mainspring::cli
