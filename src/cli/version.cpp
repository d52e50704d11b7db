// `mainspring version`.
#include "base/str.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/settings.h"

namespace mainspring::cli {
namespace {

std::string compiler() {
#if defined(__clang__)
  return cat("clang ", __clang_major__, ".", __clang_minor__, ".", __clang_patchlevel__);
#elif defined(__GNUC__)
  return cat("gcc ", __GNUC__, ".", __GNUC_MINOR__, ".", __GNUC_PATCHLEVEL__);
#else
  return "unknown";
#endif
}

}  // namespace

int run_version(App& app) {
  if (app.settings.flag("json"))
    app.out.write(
        Json::object({{"name", "mainspring"}, {"version", MAINSPRING_VERSION}, {"compiler", compiler()}}).dump() +
        "\n");
  else
    app.out.write(cat("mainspring ", MAINSPRING_VERSION, "\n"));
  return 0;
}

}  // namespace mainspring::cli
