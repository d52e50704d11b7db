// The watcher thread: blocked signals are read from a signalfd.
#include "base/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "base/str.h"

namespace mainspring {

struct SignalWatcher::Impl {
  int signals = -1, stop = -1;
  sigset_t watched{}, before{};
  std::mutex mutex;   // guards handler, and is held while it runs
  Handler handler;
  std::thread thread;

  void watch() {
    pollfd fds[2] = {{signals, POLLIN, 0}, {stop, POLLIN, 0}};
    for (;;) {
      if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
      if (fds[1].revents) return;
      signalfd_siginfo info{};
      if (!(fds[0].revents & POLLIN) || read(signals, &info, sizeof info) != sizeof info) continue;
      std::lock_guard lock(mutex);
      if (!handler) exit_now(static_cast<int>(info.ssi_signo));
      handler(static_cast<int>(info.ssi_signo));
    }
  }
};

SignalWatcher::SignalWatcher() : impl_(std::make_unique<Impl>()) {
  sigemptyset(&impl_->watched);
  for (int s : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action{};
    if (sigaction(s, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&impl_->watched, s);
  }
  signal(SIGPIPE, SIG_IGN);
  pthread_sigmask(SIG_BLOCK, &impl_->watched, &impl_->before);
  impl_->signals = signalfd(-1, &impl_->watched, SFD_CLOEXEC | SFD_NONBLOCK);
  impl_->stop = eventfd(0, EFD_CLOEXEC);
  if (impl_->signals < 0 || impl_->stop < 0) fail(Code::kIo, "cannot watch signals: ", std::strerror(errno));
  impl_->thread = std::thread([this] { impl_->watch(); });
}

SignalWatcher::~SignalWatcher() {
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = write(impl_->stop, &one, sizeof one);
  impl_->thread.join();
  close(impl_->signals);
  close(impl_->stop);
  pthread_sigmask(SIG_SETMASK, &impl_->before, nullptr);
}

void SignalWatcher::exit_now(int signal) noexcept { _exit(128 + signal); }

SignalWatcher::Scope::Scope(SignalWatcher& watcher, Handler handler) : watcher_(watcher) {
  std::lock_guard lock(watcher_.impl_->mutex);
  previous_ = std::exchange(watcher_.impl_->handler, std::move(handler));
}

SignalWatcher::Scope::~Scope() {
  std::lock_guard lock(watcher_.impl_->mutex);
  watcher_.impl_->handler = std::move(previous_);
}

}  // namespace mainspring
