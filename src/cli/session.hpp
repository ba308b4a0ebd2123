#pragma once
// One run of one command: its options, clock, chance, log, and the store and repository it works
// on.
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/context.hpp"
#include "cli/password.hpp"
#include "cli/terminal_log.hpp"
#include "repo/lock.hpp"
#include "repo/repository.hpp"
#include "store/store.hpp"

namespace holdfast::cli {

enum class OutputFormat : std::uint8_t { text, json };

// Options that every command takes.
struct GlobalOptions {
  std::optional<std::string> repository;
  PasswordSource password;
  bool json = false;
  bool quiet = false;
  bool no_cache = false;
  std::optional<std::filesystem::path> cache_directory;
  std::optional<std::string> progress;  // none, plain, tty, json
  // Longer than a lock of ours outlives its holder: a crash on another machine blocks nobody.
  std::string wait_lease = "2m";
  std::optional<std::string> limit_upload;  // bytes a second
  std::optional<std::string> limit_download;
};

// Owns everything the command uses; one thread. Opened parts live until the session ends; the lock
// is released last but one, before the repository.
class Session {
 public:
  static Result<std::unique_ptr<Session>> make(GlobalOptions options);

  Context& context() { return context_; }
  const GlobalOptions& options() const { return options_; }
  OutputFormat format() const { return options_.json ? OutputFormat::json : OutputFormat::text; }

  // The directory of -r or HOLDFAST_REPOSITORY; usage when neither is given.
  Result<std::string> repository_place() const;

  // The store of an existing repository, with retries and limits around it.
  Result<store::Store*> open_store();
  // The same, making the directory first: for init.
  Result<store::Store*> create_store();

  // Store and password, then the repository; no lock, no index.
  Result<repo::Repository*> open_repository();
  // The same under a lock that lives as long as the session, with the index loaded.
  Result<repo::Repository*> open_locked(repo::LockRole role, std::string_view verb);
  // What open_locked() asks for, for commands that take their lock another way; hold() it then.
  Result<repo::LockOptions> lock_options(repo::LockRole role, std::string_view verb) const;
  const repo::Lock& hold(repo::Lock lock);

  // Through make() only.
  Session(GlobalOptions options, LogOptions log_options);

 private:
  Result<store::Store*> adopt(std::unique_ptr<store::Store> inner);

  GlobalOptions options_;
  SystemClock clock_;
  SystemRng rng_;
  std::unique_ptr<TerminalLog> log_;
  Context context_;
  std::unique_ptr<store::Store> store_;
  std::optional<repo::Repository> repository_;
  std::optional<repo::Lock> lock_;
};

// Who makes keys, locks and snapshots here.
std::string host_name();
std::string user_name();
repo::KeyAuthor key_author(Clock& clock);

}  // namespace holdfast::cli
