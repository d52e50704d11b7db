// `mainspring pack`: write a model as one file that loads at once.
#include <atomic>
#include <chrono>

#include "base/progress.h"
#include "base/signals.h"
#include "base/str.h"
#include "cli/model_args.h"
#include "cli/output.h"

namespace mainspring::cli {

int run_pack(App& app) {
  const Settings& s = app.settings;
  ModelOptions options = weight_options(s);
  options.model = resolve_model_path(app, true);
  const std::string out = s.text("out");
  const auto start = std::chrono::steady_clock::now();
  std::atomic<int> signal{0};
  // The first Ctrl-C removes what was written; the second does not wait for the disk.
  SignalWatcher::Scope scope(app.signals, [&](int n) {
    if (signal.exchange(n) != 0) SignalWatcher::exit_now(n);
  });
  PackResult result;
  try {
    Progress progress("packing", ProgressUnit::kBytes);
    result = pack_model(options, out, [&](const LoadEvent& e) {
      progress.update(e.done_bytes, e.total_bytes);
      return signal == 0;
    });
  } catch (const Error& e) {
    if (e.code() == Code::kCancelled && signal != 0) throw Interrupted{signal};
    throw;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (s.flag("json")) {
    Json weights = Json::array();
    for (const std::string& line : result.weights) weights.push_back(line);
    app.out.write(Json::object({{"path", out}, {"bytes", result.bytes}, {"packed_for", result.packed_for},
                                {"weights", std::move(weights)}, {"seconds", seconds}})
                      .dump() + "\n");
    return 0;
  }
  app.out.write(cat(printable(out, 300), ": ", human_bytes(result.bytes), " for ", result.packed_for, ", written in ",
                    fixed(seconds, 1), " s\n"));
  for (const std::string& line : result.weights) app.out.write(cat("  ", line, "\n"));
  return 0;
}

}  // namespace mainspring::cli
