// Which container lies at a path.
#include "weights/checkpoint.h"

#include <filesystem>

#include "base/str.h"
#include "weights/containers.h"
#include "weights/gguf_file.h"
#include "weights/packed_checkpoint.h"

namespace mainspring {

std::unique_ptr<Checkpoint> open_checkpoint(const std::string& path) {
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec))
    return std::make_unique<MappedCheckpoint>(open_hugging_face_folder(path));
  auto file = std::make_shared<MappedFile>(path);
  if (has_packed_magic(*file)) return std::make_unique<PackedCheckpoint>(std::move(file));
  if (has_gguf_magic(*file) || path.ends_with(".gguf"))
    return std::make_unique<MappedCheckpoint>(open_gguf(std::move(file)));
  fail(Code::kInvalidInput, printable(path, 200),
       ": expected a .gguf file, a file of mainspring pack, or a folder with config.json and *.safetensors",
       path.ends_with(".safetensors") ? "; give the folder instead of the file" : "");
}

}  // namespace mainspring
