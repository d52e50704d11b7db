// Finds and loads the tokenizer among the files of a model.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/str.h"
#include "text/tokenizer.h"
#include "text/tokenizers/json_fields.h"

namespace mainspring {
namespace {

namespace fs = std::filesystem;
constexpr uintmax_t kMaxFile = uintmax_t{512} << 20;

std::optional<std::string> read_if_there(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  const uintmax_t size = fs::file_size(path, error);
  if (error) fail(Code::kIo, path.string(), ": ", error.message());
  if (size > kMaxFile) fail(Code::kInvalidInput, path.string(), " has ", human_bytes(size), ": too large for a tokenizer");
  std::ifstream in(path, std::ios::binary);
  std::string bytes(static_cast<size_t>(size), '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) fail(Code::kIo, "cannot read ", path.string());
  return bytes;
}

std::string shown(const std::string& where, std::string_view name) { return (fs::path(where) / name).string(); }

Json read_json_if_there(const ModelFiles& files, const std::string& where, std::string_view name) {
  const std::optional<std::string> text = files(name);
  return text ? parse_json(*text, shown(where, name)) : Json();
}

// tokenizer_config.json; special_tokens_map.json fills in what it leaves out.
Json read_config(const ModelFiles& files, const std::string& where) {
  Json config = read_json_if_there(files, where, "tokenizer_config.json");
  const Json map = read_json_if_there(files, where, "special_tokens_map.json");
  if (!config.is_object()) config = Json::object();
  if (map.is_object()) {
    for (const auto& [key, value] : map.as_object()) {
      const Json* have = config.find(key);
      if (have == nullptr || have->is_null()) config.set(key, value);
    }
  }
  return config;
}

// A rank file starts with a line of base64, a space and a number; a sentencepiece model is a binary protobuf.
bool looks_like_ranks(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  const size_t space = line.find(' ');
  if (line.size() > 512 || space == std::string_view::npos || space % 4 != 0 || space == 0) return false;
  const auto base64 = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
  };
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || c == '\r'; };
  return std::all_of(line.begin(), line.begin() + static_cast<ptrdiff_t>(space), base64) && space + 1 < line.size() &&
         std::all_of(line.begin() + static_cast<ptrdiff_t>(space) + 1, line.end(), digit);
}

// vocab.json and merges.txt of GPT-2's time, as the tokenizer.json they stand for.
Json gpt2_tokenizer(Json vocab, std::string_view merges_text, const Json& config) {
  Json::Array merges;
  for (std::string_view line : split(merges_text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) merges.emplace_back(line);
  }
  const bool prefix = tok::bool_field(config, "add_prefix_space", false);
  Json byte_level = Json::object({{"type", "ByteLevel"}, {"add_prefix_space", prefix}, {"trim_offsets", true}});
  Json model = Json::object({{"type", "BPE"}, {"vocab", std::move(vocab)}, {"merges", Json(std::move(merges))}});
  return Json::object({{"pre_tokenizer", byte_level}, {"decoder", byte_level}, {"model", std::move(model)}});
}

// The first *.tiktoken file by name.
std::optional<fs::path> find_tiktoken(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".tiktoken") found.push_back(entry.path());
  }
  if (found.empty()) return std::nullopt;
  return *std::min_element(found.begin(), found.end());
}

template <class F>
std::unique_ptr<Tokenizer> named(const std::string& name, F&& load) {
  try {
    return load();
  } catch (const Error& e) {
    throw e.in(name);
  }
}

}  // namespace

ModelFiles files_of_folder(const std::string& folder_name) {
  return [folder = fs::path(folder_name)](std::string_view name) -> std::optional<std::string> {
    if (name != "*.tiktoken") return read_if_there(folder / name);
    const std::optional<fs::path> path = find_tiktoken(folder);
    return path ? read_if_there(*path) : std::nullopt;
  };
}

std::unique_ptr<Tokenizer> load_tokenizer_folder(const std::string& folder) {
  return load_tokenizer_files(files_of_folder(folder), folder);
}

std::unique_ptr<Tokenizer> load_tokenizer_files(const ModelFiles& files, const std::string& where) {
  const Json config = read_config(files, where);
  if (const auto text = files("tokenizer.json")) {
    return named(shown(where, "tokenizer.json"),
                 [&] { return load_tokenizer_json(parse_json(*text, "tokenizer.json"), config); });
  }
  for (const std::string_view name : {"tokenizer.model", "tiktoken.model"}) {
    const auto bytes = files(name);
    if (!bytes) continue;
    return named(shown(where, name), [&] {
      return looks_like_ranks(*bytes) ? load_tokenizer_tiktoken(*bytes, config) : load_tokenizer_spm(*bytes, config);
    });
  }
  if (const auto bytes = files("*.tiktoken"))
    return named(shown(where, "*.tiktoken"), [&] { return load_tokenizer_tiktoken(*bytes, config); });
  const auto vocab = files("vocab.json"), merges = files("merges.txt");
  if (vocab && merges) {
    return named(shown(where, "vocab.json"), [&] {
      return load_tokenizer_json(gpt2_tokenizer(parse_json(*vocab, "vocab.json"), *merges, config), config);
    });
  }
  fail(Code::kNotFound, where, ": no tokenizer; looked for tokenizer.json, tokenizer.model, tiktoken.model, "
       "*.tiktoken, vocab.json with merges.txt");
}

}  // namespace mainspring
