// pack_model: loads a model matrix by matrix, and writes each as the device keeps it.
#include <cstring>

#include "api/devices.h"
#include "api/load_plan.h"
#include "api/model_loader.h"
#include "api/model_text.h"
#include "base/str.h"
#include "mainspring/engine.h"
#include "weights/packed_format.h"
#include "weights/packed_writer.h"

namespace mainspring {

namespace {

// What remains of a matrix that was written: the model is built, and never run.
struct Shape final : LinearWeight {
  const char* kernel_name() const noexcept override { return "written"; }
};

struct WritePacked final : LoadProgress {
  PackedWriter& writer;
  explicit WritePacked(PackedWriter& w) : writer(w) {}

  void loaded(std::string_view, uint64_t) override {}
  void values(const TensorInfo& info, std::span<const float> values) override { writer.vector(info, values); }
  void matrix(const TensorInfo& info, std::unique_ptr<LinearWeight>& weight) override {
    writer.matrix(info, *weight);
    auto shape = std::make_unique<Shape>();
    shape->out_features = weight->out_features, shape->in_features = weight->in_features;
    shape->format = weight->format, shape->bytes = weight->bytes;
    weight = std::move(shape);   // the memory goes back before the next matrix
  }
};

void write_texts(PackedWriter& writer, const Checkpoint& checkpoint, const std::string& path) {
  if (const GgufMetadata* m = checkpoint.gguf()) {
    const uint64_t count = m->entries().size();
    std::string bytes(sizeof count + m->raw().size(), '\0');
    std::memcpy(bytes.data(), &count, sizeof count);
    std::memcpy(bytes.data() + sizeof count, m->raw().data(), m->raw().size());
    return writer.text(kPackedGgufText, std::as_bytes(std::span(bytes)));
  }
  for (const auto& [name, bytes] : model_text_files(path)) writer.text(name, std::as_bytes(std::span(bytes)));
}

// About the size of the file: panels round up, texts and directory are small beside the weights.
uint64_t expected_bytes(const ModelLoader& loader) {
  uint64_t bytes = 0;
  for (const TensorInfo& t : loader.checkpoint->tensors())
    bytes += loaded_bytes(t, loader.config, loader.compute, loader.quantize);
  return bytes + bytes / 64 + (uint64_t{1} << 20);
}

std::string file_name(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return std::string(path.substr(path.rfind('/') + 1));
}

}  // namespace

PackResult pack_model(const ModelOptions& options, const std::string& out,
                      const std::function<bool(const LoadEvent&)>& progress) {
  ModelLoader loader(options);
  if (loader.checkpoint->packed())
    fail(Code::kInvalidInput, printable(options.model, 200), ": is packed already; give the model it was made from");
  const uint64_t expected = expected_bytes(loader);
  PackedWriter writer(out, expected, [&](uint64_t bytes) {
    if (progress && !progress({.done_bytes = bytes, .total_bytes = std::max(bytes, expected)}))
      fail(Code::kCancelled, "cancelled");
  });
  WritePacked write(writer);
  loader.build(&write);
  write_texts(writer, *loader.checkpoint, options.model);
  const PackedInfo info{.program = "mainspring " MAINSPRING_VERSION,
                        .device = options.device,
                        .isa = device_isa(*loader.device),
                        .quantize = loader.quantize_text(),
                        .source = cat(loader.checkpoint->container(), " ", file_name(options.model)),
                        .compute = loader.compute};
  PackResult result;
  result.bytes = writer.finish(info, loader.checkpoint->config(), loader.checkpoint->generation_config());
  result.packed_for = cat(info.device, " ", info.isa, ", ", compute_type_name(info.compute));
  result.weights = report_lines(loader.report);
  return result;
}

}  // namespace mainspring
