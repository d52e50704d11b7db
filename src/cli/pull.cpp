// `mainspring pull`: download a model.
#include "cli/model_args.h"
#include "cli/output.h"

namespace mainspring::cli {

int run_pull(App& app) {
  const ModelRef ref = parse_model_ref(app.settings.text("ref"));
  const std::string path = pull_with_progress(app, ref, app.settings.flag("verify"));
  if (app.settings.flag("json"))
    app.out.write(Json::object({{"model", ref.text()}, {"path", path}}).dump() + "\n");
  else
    app.out.write(path + "\n");
  return 0;
}

}  // namespace mainspring::cli
