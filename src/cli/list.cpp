// `mainspring list`: the downloaded models, or those of a folder.
#include <algorithm>
#include <filesystem>

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

// What a file or folder holds; null when it is no model. Names that promise one say what is wrong with it.
Json local_json(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  const bool promised = name.ends_with(".gguf") || name.ends_with(".msp");
  try {
    ModelOptions options;
    options.model = path.string();
    const Json j = parse_json(inspect_model(options, {.text = false}), "inspect");
    const Json* packed = j.find("packed");
    std::string kind = j.at("container").as_string();
    if (packed)
      kind += cat(" for ", packed->at("device").as_string(), " ", packed->at("isa").as_string(), ", ",
                  packed->at("dtype").as_string(), ", from ", packed->at("from").as_string());
    const Json::Array& architectures = j.at("architectures").as_array();
    return Json::object({{"model", name},
                         {"kind", kind},
                         {"architecture", architectures.empty() ? Json() : architectures.front()},
                         {"bytes", j.at("file_bytes")},
                         {"path", path.string()}});
  } catch (const Error& e) {
    if (!promised) return {};
    return Json::object({{"model", name}, {"kind", e.message()}, {"architecture", Json()}, {"bytes", Json()},
                         {"path", path.string()}});
  }
}

int list_folder(App& app, const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code problem;
  for (std::filesystem::directory_iterator it(folder, problem), end; !problem && it != end; it.increment(problem))
    paths.push_back(it->path());
  if (problem) fail(Code::kNotFound, printable(folder, 300), ": ", problem.message());
  std::sort(paths.begin(), paths.end());
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {{"model", "size", "architecture", "kind"}};
  for (const auto& path : paths) {
    Json m = local_json(path);
    if (m.is_null()) continue;
    const auto text = [&](const char* key) {
      return m.at(key).is_null() ? "-" : printable(m.at(key).as_string(), 300);
    };
    const Json& bytes = m.at("bytes");
    rows.push_back(
        {text("model"), bytes.is_null() ? "-" : human_bytes(bytes.as_uint()), text("architecture"), text("kind")});
    list.push_back(std::move(m));
  }
  if (app.settings.flag("json")) {
    app.out.write(Json::object({{"models", std::move(list)}}).dump() + "\n");
  } else if (app.settings.flag("quiet")) {
    for (size_t i = 1; i < rows.size(); ++i) app.out.write(rows[i][0] + "\n");
  } else if (rows.size() == 1) {
    print_note(cat("no models in ", printable(folder, 300)));
  } else {
    app.out.write(table_text(rows));
  }
  return 0;
}

}  // namespace

int run_list(App& app) {
  if (app.settings.given("folder")) return list_folder(app, app.settings.text("folder"));
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
