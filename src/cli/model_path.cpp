// Which local model --model means: a path, a downloaded hub model, or the default model.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <iostream>

#include "base/progress.h"
#include "base/signals.h"
#include "base/str.h"
#include "base/terminal.h"
#include "cli/model_args.h"
#include "cli/output.h"
#include "hub/hub.h"
#include "hub/pypi_model.h"

namespace mainspring::cli {
namespace {

bool path_exists(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0;
}

// Spelled like a path, so that a missing one is not taken for a hub id.
bool looks_like_path(const std::string& text) {
  if (text.starts_with('/') || text.starts_with('.') || text.starts_with('~')) return true;
  return text.find(':') == std::string::npos && (text.ends_with(".gguf") || text.ends_with(".safetensors"));
}

bool ask(const std::string& question) {
  const std::string text = question + " [Y/n] ";
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
  std::string answer;
  if (!std::getline(std::cin, answer)) return false;
  answer = to_lower_ascii(trim(answer));
  return answer.empty() || answer == "y" || answer == "yes";
}

}  // namespace

std::string resolve_model_path(App& app, bool offer_pull) {
  const std::string model = app.settings.text("model");
  if (model.empty()) {
    const std::string file = packaged_model_path(default_model(), app.env);
    if (file.empty())
      fail(Code::kNotFound, "no --model given, and without HOME there is no place for the default model");
    if (path_exists(file)) return file;
    fail(Code::kNotFound, "the default model is not there yet (", printable(file, 300),
         "): make chat or scripts/fetch_default_model.py fetches it once; or name a model with --model");
  }
  if (path_exists(model)) return model;
  if (looks_like_path(model))
    fail(Code::kNotFound, app.settings.get("model").source, ": no file or folder ", printable(model, 300));
  const ModelRef ref = parse_model_ref(model);
  try {
    return resolve_model(ref, HubConfig::from_environment(app.env));
  } catch (const Error& e) {
    if (e.code() != Code::kNotFound) throw;
  }
  const bool person = offer_pull && is_terminal(STDIN_FILENO) && is_terminal(STDERR_FILENO);
  if (!person || !ask(cat(printable(model), " is not downloaded yet. Download it now?")))
    fail(Code::kNotFound, printable(model), " is neither a local path nor a downloaded model; mainspring pull ",
         printable(model), " downloads it");
  return pull_with_progress(app, ref, false);
}

std::string pull_with_progress(App& app, const ModelRef& ref, bool verify) {
  std::atomic<int> signal{0};
  // What is there stays and is resumed by the next pull; the second Ctrl-C does not wait for the network.
  SignalWatcher::Scope scope(app.signals, [&](int s) {
    if (signal.exchange(s) != 0) SignalWatcher::exit_now(s);
  });
  Progress progress(ref.repo, ProgressUnit::kBytes);
  const auto update = [&](const PullProgress& p) {
    progress.update(p.done, p.total);
    return signal == 0;
  };
  try {
    return pull(ref, HubConfig::from_environment(app.env), update, {.verify = verify});
  } catch (const Error& e) {
    if (e.code() == Code::kCancelled && signal != 0) throw Interrupted{signal};
    throw;
  }
}

}  // namespace mainspring::cli
