// The choice among a repository's files.
#include "hub/file_list.h"

#include <algorithm>
#include <array>

#include "base/str.h"
#include "hub/names.h"

namespace mainspring::hub {

namespace {

constexpr std::array<std::string_view, 22> kSmallFiles = {
    "config.json",           "generation_config.json",      "tokenizer.json",          "tokenizer_config.json",
    "tokenizer.model",       "special_tokens_map.json",     "added_tokens.json",       "vocab.json",
    "vocab.txt",             "merges.txt",                  "spiece.model",            "sentencepiece.bpe.model",
    "tekken.json",           "chat_template.jinja",         "chat_template.json",      "preprocessor_config.json",
    "processor_config.json", "video_preprocessor_config.json", "quantize_config.json", "quant_config.json",
    "model.safetensors.index.json", "hf_quant_config.json"};

bool ends_with_nocase(std::string_view s, std::string_view end) {
  return s.size() >= end.size() && to_lower_ascii(s.substr(s.size() - end.size())) == to_lower_ascii(end);
}

bool is_top_level(std::string_view path) { return path.find('/') == std::string_view::npos; }

bool is_gguf(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string name = to_lower_ascii(slash == std::string_view::npos ? path : path.substr(slash + 1));
  // Vision projectors and importance matrices lie beside the models.
  return name.ends_with(".gguf") && !name.starts_with("mmproj") && name.find("imatrix") == std::string::npos;
}

// "model-Q8_0-00001-of-00003.gguf" -> "model-Q8_0": the same for all parts.
std::string gguf_stem(std::string_view path) {
  std::string stem(path.substr(0, path.size() - 5));
  constexpr size_t kSuffix = 15;  // "-00001-of-00003"
  if (stem.size() <= kSuffix) return stem;
  const std::string_view tail = std::string_view(stem).substr(stem.size() - kSuffix);
  const auto digits = [&](size_t at) {
    return tail.substr(at, 5).find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (tail[0] == '-' && digits(1) && tail.substr(6, 4) == "-of-" && digits(10)) stem.resize(stem.size() - kSuffix);
  return stem;
}

bool has_quant(std::string_view path, std::string_view quant) {
  const std::string stem = to_lower_ascii(gguf_stem(path)), wanted = to_lower_ascii(quant);
  for (std::string_view part : split(stem, '/')) {  // also a folder named like the quantisation
    if (part == wanted) return true;
    if (part.size() > wanted.size() && part.ends_with(wanted)) {
      const char before = part[part.size() - wanted.size() - 1];
      if (before == '-' || before == '.' || before == '_') return true;
    }
  }
  return false;
}

// The GGUF files of a quantisation: one model with all its parts (the shortest name when several models match).
std::vector<RepoFile> gguf_of(const std::vector<RepoFile>& files, std::string_view quant) {
  std::string stem;
  for (const RepoFile& f : files) {
    if (!is_gguf(f.path) || !has_quant(f.path, quant)) continue;
    const std::string s = gguf_stem(f.path);
    if (stem.empty() || s.size() < stem.size()) stem = s;
  }
  std::vector<RepoFile> out;
  if (stem.empty()) return out;
  for (const RepoFile& f : files) {
    if (is_gguf(f.path) && gguf_stem(f.path) == stem) out.push_back(f);
  }
  return out;
}

std::string names_of(const std::vector<RepoFile>& files) {
  std::string out;
  size_t n = 0;
  for (const RepoFile& f : files) {
    if (!is_gguf(f.path) && !f.path.ends_with(".safetensors")) continue;
    if (++n > 12) return out + ", ...";
    out += cat(out.empty() ? "" : ", ", printable(f.path));
  }
  return out.empty() ? "no model file" : out;
}

std::vector<RepoFile> with_selector(const ModelRef& ref, const std::vector<RepoFile>& files) {
  for (const RepoFile& f : files) {
    if (f.path != ref.selector) continue;
    if (!is_gguf(f.path)) return {f};
    std::vector<RepoFile> parts;
    for (const RepoFile& other : files) {
      if (is_gguf(other.path) && gguf_stem(other.path) == gguf_stem(f.path)) parts.push_back(other);
    }
    return parts;
  }
  std::vector<RepoFile> out = gguf_of(files, ref.selector);
  if (out.empty()) {
    fail(Code::kNotFound, ref.repo, ": no file or quantisation '", printable(ref.selector), "'; there is ",
         names_of(files));
  }
  return out;
}

}  // namespace

std::vector<RepoFile> select_files(const ModelRef& ref, const std::vector<RepoFile>& files) {
  if (!ref.selector.empty()) return with_selector(ref, files);
  const auto weights = [&](std::string_view extension) {
    std::vector<RepoFile> out;
    for (const RepoFile& f : files) {
      // Mistral's repositories hold the weights a second time in "consolidated" files.
      if (is_top_level(f.path) && f.path.ends_with(extension) && !f.path.starts_with("consolidated")) out.push_back(f);
    }
    return out;
  };
  std::vector<RepoFile> chosen = weights(".safetensors");
  if (chosen.empty()) {
    for (const char* quant : {"Q4_K_M", "Q4_0", "Q8_0"}) {
      chosen = gguf_of(files, quant);
      if (!chosen.empty()) return chosen;
    }
    std::vector<RepoFile> ggufs;
    std::copy_if(files.begin(), files.end(), std::back_inserter(ggufs),
                 [](const RepoFile& f) { return is_gguf(f.path); });
    const bool one_model = !ggufs.empty() && std::all_of(ggufs.begin(), ggufs.end(), [&](const RepoFile& f) {
      return gguf_stem(f.path) == gguf_stem(ggufs[0].path);
    });
    if (one_model) return ggufs;
    if (!ggufs.empty()) {
      fail(Code::kNotFound, ref.repo, ": name a quantisation as ", ref.repo, ":NAME; there is ", names_of(files));
    }
    chosen = weights(".bin");
  }
  if (chosen.empty())
    fail(Code::kNotFound, ref.repo, ": the repository has no weights (safetensors, GGUF or .bin files)");
  for (const RepoFile& f : files) {
    const bool small = std::find(kSmallFiles.begin(), kSmallFiles.end(), f.path) != kSmallFiles.end();
    const bool index = is_top_level(f.path) && f.path.ends_with(".bin.index.json") && chosen[0].path.ends_with(".bin");
    if (small || index || (is_top_level(f.path) && ends_with_nocase(f.path, ".tiktoken"))) chosen.push_back(f);
  }
  return chosen;
}

std::string load_path(const std::string& folder, const std::vector<RepoFile>& selected) {
  const auto gguf = std::min_element(selected.begin(), selected.end(),
                                     [](const RepoFile& a, const RepoFile& b) { return a.path < b.path; });
  const bool all = !selected.empty() &&
                   std::all_of(selected.begin(), selected.end(), [](const RepoFile& f) { return is_gguf(f.path); });
  return all ? cat(folder, "/", gguf->path) : folder;
}

Json to_json(const Snapshot& s) {
  Json files = Json::array();
  for (const RepoFile& f : s.files)
    files.push_back(Json::object({{"path", f.path}, {"size", f.size}, {"hash", f.hash}}));
  return Json::object({{"commit", s.commit}, {"files", std::move(files)}});
}

Snapshot snapshot_from_json(const Json& j) {
  Snapshot s;
  s.commit = j.at("commit").as_string();
  if (!is_commit(s.commit)) fail(Code::kInvalidInput, "'", printable(s.commit), "' is not a commit");
  for (const Json& f : j.at("files").as_array()) {
    RepoFile file{f.at("path").as_string(), static_cast<uint64_t>(f.at("size").as_int()), f.at("hash").as_string()};
    if (!is_safe_path(file.path) || !is_hash(file.hash))
      fail(Code::kInvalidInput, "bad file name or hash '", printable(file.path), "'");
    s.files.push_back(std::move(file));
  }
  return s;
}

}  // namespace mainspring::hub
