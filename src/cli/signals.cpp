#include "cli/signals.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string_view>
#include <thread>

namespace holdfast::cli {
namespace {

std::stop_source& stop_source() {
  static std::stop_source source;
  return source;
}
std::atomic<bool> progress_requested{false};

void say(std::string_view text) {
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

// Signals are taken by one thread in ordinary code: no handler, no async-signal-safety to think of.
[[noreturn]] void serve(const sigset_t waited) {
  while (true) {
    int received = 0;
    if (sigwait(&waited, &received) != 0) continue;
    if (received == SIGUSR1) {
      progress_requested = true;
    } else if (stop_source().stop_requested()) {
      _exit(130);
    } else {
      say("\nholdfast: stopping at the next safe place; interrupt again to leave at once\n");
      stop_source().request_stop();
    }
  }
}

}  // namespace

void install_signal_handlers() {
  sigset_t waited;
  sigemptyset(&waited);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&waited, number);
  pthread_sigmask(SIG_BLOCK, &waited, nullptr);
  signal(SIGPIPE, SIG_IGN);
  std::thread(serve, waited).detach();  // lives as long as the process
}

std::stop_token stop_on_signal() {
  return stop_source().get_token();
}
bool take_progress_request() {
  return progress_requested.exchange(false);
}

}  // namespace holdfast::cli
