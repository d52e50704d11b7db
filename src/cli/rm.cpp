// `mainspring rm`: remove a downloaded model.
#include "base/str.h"
#include "cli/model_args.h"
#include "cli/output.h"

namespace mainspring::cli {

int run_rm(App& app) {
  const ModelRef ref = parse_model_ref(app.settings.text("ref"));
  const uint64_t bytes = remove_model(ref, HubConfig::from_environment(app.env));
  app.out.write(cat("removed ", printable(ref.text(), 200), ", ", human_bytes(bytes), " are free again\n"));
  return 0;
}

}  // namespace mainspring::cli
