// `mainspring doctor`: this machine as the program sees it.
#include "cli/model_args.h"
#include "cli/output.h"
#include "cli/report.h"

namespace mainspring::cli {

int run_doctor(App& app) {
  const bool json = app.settings.flag("json");
  const Json report = parse_json(doctor_report(app.settings.flag("self-test")), "doctor");
  app.out.write(json ? report.dump(2) + "\n" : report_text(report));
  const Json* ok = report.find("ok");
  return ok && ok->is_bool() && !ok->as_bool() ? 1 : 0;
}

}  // namespace mainspring::cli
