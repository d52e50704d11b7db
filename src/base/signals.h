// Ctrl-C, SIGTERM and SIGHUP as ordinary function calls on a watcher thread.
#pragma once

#include <functional>
#include <memory>

namespace mainspring {

// Create one at the start of the program, before any other thread: it blocks the signals in the calling thread, and
// threads started later inherit that. SIGPIPE is ignored, so that a closed pipe is a write error. Signals that the
// parent had set to be ignored (nohup) stay ignored.
class SignalWatcher {
 public:
  using Handler = std::function<void(int signal)>;

  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // While a scope lives its handler runs (on the watcher thread, one call at a time) instead of the one before. With no
  // scope the process ends at once with status 128 + signal. Scopes nest; the destructor waits for a running handler.
  class Scope {
   public:
    Scope(SignalWatcher& watcher, Handler handler);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    SignalWatcher& watcher_;
    Handler previous_;
  };

  // Ends the process as an unhandled signal does here: no destructors, status 128 + signal.
  [[noreturn]] static void exit_now(int signal) noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring
