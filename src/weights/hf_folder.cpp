// A Hugging Face folder as a checkpoint: config.json, model.safetensors or shards with an index.
#include <filesystem>
#include <unordered_map>

#include "base/str.h"
#include "weights/containers.h"
#include "weights/json_cursor.h"
#include "weights/safetensors.h"

namespace mainspring {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr size_t kMaxIndexBytes = size_t{64} << 20;
constexpr size_t kMaxShards = 4096;

Json read_json_object(const std::string& path) {
  const std::string shown = printable(path, 200);
  Json j = parse_json(read_file(path, kMaxConfigBytes), shown);
  if (!j.is_object()) fail(Code::kInvalidInput, shown, ": expected a JSON object, found ", kind_text(j));
  return j;
}

// Names come from a downloaded file: they may not lead out of the folder.
void check_shard_name(const std::string& name, const std::string& index) {
  const bool ok = !name.empty() && name.size() <= 255 && name.find('/') == std::string::npos &&
                  name.find('\\') == std::string::npos && name.find("..") == std::string::npos &&
                  name.find('\0') == std::string::npos && name.ends_with(".safetensors");
  if (!ok)
    fail(Code::kInvalidInput, index, ": shard name ", printable(name), " is not a plain *.safetensors file name");
}

struct ShardIndex {
  std::vector<std::string> files;
  std::vector<size_t> tensors;                         // listed for each file
  std::unordered_map<std::string, uint32_t> file_of;   // tensor name -> files
};

ShardIndex read_index(const std::string& path) {
  const std::string shown = printable(path, 200), text = read_file(path, kMaxIndexBytes);
  ShardIndex index;
  std::unordered_map<std::string, uint32_t> numbers;
  JsonCursor json(text, shown);
  json.object([&](std::string& key) {
    if (key != "weight_map") return json.skip_value();
    json.object([&](std::string& tensor) {
      const std::string file = json.string();
      const auto [it, is_new] = numbers.emplace(file, static_cast<uint32_t>(index.files.size()));
      if (is_new) {
        check_shard_name(file, shown);
        if (index.files.size() >= kMaxShards) json.invalid(cat("more than ", kMaxShards, " shards"));
        index.files.push_back(file);
        index.tensors.push_back(0);
      }
      ++index.tensors[it->second];
      if (!index.file_of.emplace(std::move(tensor), it->second).second) json.invalid("weight_map names a tensor twice");
    });
  });
  json.end();
  if (index.files.empty()) fail(Code::kInvalidInput, shown, ": weight_map is missing or empty");
  return index;
}

// The only file of the folder that can be the weights, for repositories with their own file name.
std::string lone_safetensors(const std::string& folder) {
  std::vector<std::string> found;
  bool has_bin = false, has_gguf = false;
  std::error_code ec;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    const std::string name = it->path().filename().string();
    has_gguf |= name.ends_with(".gguf");
    has_bin |= name.ends_with(".bin") && name.starts_with("pytorch_model");
    if (name.ends_with(".safetensors") && !name.starts_with("consolidated") && !name.starts_with("adapter"))
      found.push_back(name);
  }
  const std::string shown = printable(folder, 200);
  if (found.size() == 1) return found[0];
  if (found.size() > 1)
    fail(Code::kInvalidInput, shown, ": ", found.size(),
         " *.safetensors files but no model.safetensors.index.json that says what belongs together");
  if (has_bin)
    fail(Code::kUnsupported, shown, ": only pytorch_model*.bin was found; convert the model to safetensors");
  fail(Code::kNotFound, shown, ": no model.safetensors and no model.safetensors.index.json",
       has_gguf ? "; to use a .gguf file give its own path" : "");
}

// Multimodal checkpoints keep the language model under a prefix; families see plain names.
std::string text_model_name(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kPrefixes[] = {
      {"language_model.model.", "model."},
      {"model.language_model.", "model."},
      {"language_model.lm_head.", "lm_head."}};
  for (const auto& [from, to] : kPrefixes)
    if (name.starts_with(from)) return cat(to, name.substr(from.size()));
  return std::string(name);
}

void add_file(CheckpointParts& c, const std::string& path, bool nested, const ShardIndex* index, uint32_t number) {
  auto file = std::make_shared<MappedFile>(path);
  const std::string shown = printable(path, 200);
  c.file_bytes += file->size();
  size_t listed = 0;
  for (SafetensorsEntry& e : parse_safetensors(file->bytes(), shown)) {
    if (index) {
      const auto it = index->file_of.find(e.name);
      if (it != index->file_of.end() && it->second != number)
        fail(Code::kInvalidInput, shown, ": tensor ", printable(e.name), " belongs to ", printable(index->files[it->second]),
             " by the index");
      listed += it != index->file_of.end();
    }
    c.stored.push_back({.file = file, .offset = e.offset, .encoding = find_safetensors_encoding(e.dtype)});
    c.infos.push_back({nested ? text_model_name(e.name) : std::move(e.name), std::move(e.shape), std::move(e.dtype), e.bytes});
  }
  if (index && index->tensors[number] != listed)
    fail(Code::kInvalidInput, shown, ": holds ", listed, " of the ", index->tensors[number],
         " tensors that the index lists for it");
}

}  // namespace

CheckpointParts open_hugging_face_folder(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  if (!file_exists(config_path)) {
    lone_safetensors(folder);  // says what is wrong with the folder when there are no weights either
    fail(Code::kNotFound, printable(folder, 200), ": config.json is missing");
  }
  CheckpointParts c;
  c.container = "safetensors";
  c.config = read_json_object(config_path);
  const std::string generation = folder + "/generation_config.json";
  if (file_exists(generation)) c.generation_config = read_json_object(generation);
  const Json* text = c.config.find("text_config");
  const bool nested = text && text->is_object();

  const std::string single = folder + "/model.safetensors", index_path = single + ".index.json";
  if (file_exists(single)) {
    add_file(c, single, nested, nullptr, 0);
  } else if (file_exists(index_path)) {
    const ShardIndex index = read_index(index_path);
    for (uint32_t i = 0; i < index.files.size(); ++i) add_file(c, folder + "/" + index.files[i], nested, &index, i);
  } else {
    add_file(c, folder + "/" + lone_safetensors(folder), nested, nullptr, 0);
  }
  return c;
}

}  // namespace mainspring
