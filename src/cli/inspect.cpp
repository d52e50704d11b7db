// `mainspring inspect`: what a model is and needs.
#include "cli/model_args.h"
#include "cli/output.h"
#include "cli/report.h"

namespace mainspring::cli {

int run_inspect(App& app) {
  const Settings& s = app.settings;
  ModelOptions options;
  options.model = resolve_model_path(app);
  options.context = s.integer("context");
  options.max_sequences = s.integer("concurrency");
  options.kv_dtype = s.text("kv-dtype");
  options.quantize = s.text("quantize");
  options.quantize_group = s.integer("quantize-group");
  options.activations = s.text("activations");
  const std::string report =
      inspect_model(options, {.list_tensors = s.flag("tensors"), .verify = s.flag("verify")});
  const Json json = parse_json(report, "inspect");
  app.out.write(s.flag("json") ? json.dump(2) + "\n" : report_text(json));
  return 0;
}

}  // namespace mainspring::cli
