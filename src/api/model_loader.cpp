// Opening, device, building.
#include "api/model_loader.h"

#include <utility>

#include "api/devices.h"
#include "api/load_plan.h"
#include "base/str.h"

namespace mainspring {

ModelLoader::ModelLoader(const ModelOptions& o)
    : compute(parse_compute_type(o.dtype)), quantize(parse_quantize(o.quantize, o.quantize_group, o.activations)) {
  checkpoint = open_checkpoint(o.model);
  config = read_config(checkpoint->config(), checkpoint->generation_config());
  family = &family_of(config);
  device = make_device(o);
}

std::unique_ptr<CausalLM> ModelLoader::build(LoadProgress* progress) {
  Weights::Context context{*checkpoint, *device, compute, progress, {}, quantize};
  std::unique_ptr<CausalLM> model = family->build(config, Weights(context));
  report = std::move(context.report);
  return model;
}

std::vector<std::string> report_lines(const LoadReport& report) {
  std::vector<std::string> lines;
  for (const auto& [name, total] : report.formats)
    lines.push_back(cat(total.matrices, total.matrices == 1 ? " matrix " : " matrices ", name, ", ",
                        human_bytes(total.bytes)));
  if (!report.kept.empty())
    lines.push_back(cat(report.kept.size(), report.kept.size() == 1 ? " matrix was" : " matrices were",
                        " not quantised, because no group of 32, 64 or 128 divides the inputs (the first is ",
                        printable(report.kept.front()), ")"));
  return lines;
}

}  // namespace mainspring
