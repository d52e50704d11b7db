// From options to a model on its device: what Engine::load and pack_model have in common.
#pragma once

#include <memory>

#include "mainspring/engine.h"
#include "models/family.h"
#include "ops/device.h"
#include "weights/checkpoint.h"
#include "weights/config.h"
#include "weights/weights.h"

namespace mainspring {

// A checkpoint that was opened, and how its weights are to be loaded. `device` holds the weights' memory: it outlives
// every model built here.
struct ModelLoader {
  // Opens the checkpoint and the device. kInvalidInput, kUnsupported name the option or key that is wrong.
  explicit ModelLoader(const ModelOptions& given);

  ModelOptions options;   // with what a packed file fixes filled in
  std::unique_ptr<Checkpoint> checkpoint;
  Config config;
  const Family* family = nullptr;
  ComputeType compute = ComputeType::kBf16;
  QuantizeOptions quantize;
  std::unique_ptr<Device> device;

  // Reads all weights; `progress` may be null. Fills `report`.
  std::unique_ptr<CausalLM> build(LoadProgress* progress);
  LoadReport report;
  // How the weights differ from the source's formats; empty: they do not.
  std::string quantize_text() const;
};

// Names the formats of a report: "168 matrices u4 g128 +offset (group_a16), 60.1 MiB".
std::vector<std::string> report_lines(const LoadReport& report);

}  // namespace mainspring
