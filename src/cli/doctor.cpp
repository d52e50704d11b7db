// `mainspring doctor`: this machine as the program sees it.
#include <unistd.h>

#include "base/terminal.h"
#include "cli/model_args.h"
#include "cli/output.h"
#include "cli/report.h"

namespace mainspring::cli {

int run_doctor(App& app) {
  const bool json = app.settings.flag("json");
  if (app.settings.flag("self-test") && is_terminal(STDERR_FILENO))
    print_note("comparing the kernels with plain arithmetic (--no-self-test leaves it out) ...");
  const Json report = parse_json(doctor_report(app.settings.flag("self-test")), "doctor");
  app.out.write(json ? report.dump(2) + "\n" : report_text(report));
  const Json* ok = report.find("ok");
  return ok && ok->is_bool() && !ok->as_bool() ? 1 : 0;
}

}  // namespace mainspring::cli
