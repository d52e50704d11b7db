// `mainspring list`: the downloaded models.
#include "base/str.h"
#include "cli/model_args.h"
#include "cli/output.h"
#include "cli/report.h"

namespace mainspring::cli {
namespace {

Json model_json(const CachedModel& m) {
  Json refs = Json::array();
  for (const std::string& r : m.refs) refs.push_back(r);
  return Json::object({{"model", m.repo}, {"revision", m.revision}, {"refs", std::move(refs)}, {"bytes", m.bytes},
                       {"complete", m.complete}, {"path", m.path}});
}

std::string revision_text(const CachedModel& m) {
  std::string text = m.revision.substr(0, 12);
  for (const std::string& r : m.refs) text += " " + r;
  return printable(text);
}

}  // namespace

int run_list(App& app) {
  const std::vector<CachedModel> models = list_models(HubConfig::from_environment(app.env));
  if (app.settings.flag("json")) {
    Json list = Json::array();
    for (const CachedModel& m : models) list.push_back(model_json(m));
    app.out.write(Json::object({{"models", std::move(list)}}).dump() + "\n");
    return 0;
  }
  if (app.settings.flag("quiet")) {
    for (const CachedModel& m : models) app.out.write(printable(m.repo, 200) + "\n");
    return 0;
  }
  if (models.empty()) {
    print_note("no models are downloaded; mainspring pull org/name downloads one");
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"model", "size", "revision", "path"}};
  for (const CachedModel& m : models)
    rows.push_back({printable(m.repo, 200), cat(human_bytes(m.bytes), m.complete ? "" : " (incomplete)"),
                    revision_text(m), printable(m.path, 300)});
  app.out.write(table_text(rows));
  return 0;
}

}  // namespace mainspring::cli
