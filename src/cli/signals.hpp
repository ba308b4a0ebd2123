#pragma once
// Ctrl-C: once asks the run to stop at a safe place, twice leaves at once. SIGUSR1 asks for a line
// of progress.
#include <stop_token>

namespace holdfast::cli {

// Installs the handlers and starts the thread that serves them; call once, before other threads
// start, so that they inherit the signal mask.
void install_signal_handlers();
std::stop_token stop_on_signal();

// True once after each SIGUSR1.
bool take_progress_request();

}  // namespace holdfast::cli
