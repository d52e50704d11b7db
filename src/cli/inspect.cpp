// `mainspring inspect`: what a model is and needs.
#include "cli/model_args.h"
#include "cli/output.h"
#include "cli/report.h"

namespace mainspring::cli {

int run_inspect(App& app) {
  const Settings& s = app.settings;
  const std::string path = resolve_model_path(app);
  const int64_t sequences = s.integer("concurrency") > 0 ? s.integer("concurrency") : 1;
  const std::string report =
      inspect_model(path, s.integer("context"), sequences, s.text("kv-dtype"), s.flag("tensors"));
  const Json json = parse_json(report, "inspect");
  app.out.write(s.flag("json") ? json.dump(2) + "\n" : report_text(json));
  return 0;
}

}  // namespace mainspring::cli
