// The two containers a checkpoint may come in.
#pragma once

#include <memory>
#include <string>

#include "weights/mapped_checkpoint.h"

namespace mainspring {

// A .gguf file; the other parts of a split are found beside it.
CheckpointParts open_gguf(std::shared_ptr<const MappedFile> file);
// A folder with config.json and *.safetensors.
CheckpointParts open_hugging_face_folder(const std::string& folder);

}  // namespace mainspring
