#include "cli/session.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/units.hpp"
#include "cli/environment.hpp"
#include "cli/signals.hpp"
#include "cli/version.hpp"
#include "repo/node_time.hpp"
#include "store/local_store.hpp"
#include "store/retrying_store.hpp"
#include "store/throttled_store.hpp"

namespace holdfast::cli {
namespace {

Result<ProgressStyle> progress_style(const std::optional<std::string>& name) {
  if (!name) return default_progress_style();
  if (*name == "none") return ProgressStyle::none;
  if (*name == "plain") return ProgressStyle::plain;
  if (*name == "tty") return ProgressStyle::tty;
  if (*name == "json") return ProgressStyle::json;
  return fail(ErrorCode::usage,
              fmt::format("--progress is none, plain, tty or json, not \"{}\"", *name));
}

Result<std::uint64_t> rate_of(const std::optional<std::string>& text) {
  if (!text) return 0;
  return parse_size(*text);
}

}  // namespace

Session::Session(GlobalOptions options, LogOptions log_options)
    : options_(std::move(options)),
      log_(std::make_unique<TerminalLog>(clock_, log_options)),
      context_{clock_, rng_, *log_, stop_on_signal()} {}

Result<std::unique_ptr<Session>> Session::make(GlobalOptions options) {
  const auto style = TRY(progress_style(options.progress));
  const LogOptions log_options{style, options.quiet};
  auto session = std::make_unique<Session>(std::move(options), log_options);
  return session;
}

Result<std::string> Session::repository_place() const {
  if (options_.repository) return *options_.repository;
  if (auto named = environment("HOLDFAST_REPOSITORY")) return *named;
  return fail(ErrorCode::usage, "no repository: give -r DIR or set HOLDFAST_REPOSITORY");
}

Result<store::Store*> Session::adopt(std::unique_ptr<store::Store> inner) {
  store::ThrottleLimits limits;
  limits.upload_bytes_per_second = TRY(rate_of(options_.limit_upload));
  limits.download_bytes_per_second = TRY(rate_of(options_.limit_download));
  if (limits.upload_bytes_per_second != 0 || limits.download_bytes_per_second != 0)
    inner = std::make_unique<store::ThrottledStore>(std::move(inner), clock_, limits);
  store_ = std::make_unique<store::RetryingStore>(std::move(inner), context_);
  return store_.get();
}

Result<store::Store*> Session::open_store() {
  const auto place = TRY(repository_place());
  std::error_code ignored;
  if (!std::filesystem::exists(place, ignored))
    return fail(ErrorCode::no_repository, fmt::format("there is no repository at {}", place));
  auto local = TRY(store::LocalStore::open(place));
  return adopt(std::move(local));
}

Result<store::Store*> Session::create_store() {
  const auto place = TRY(repository_place());
  auto local = TRY(store::LocalStore::create(place));
  return adopt(std::move(local));
}

Result<repo::Repository*> Session::open_repository() {
  if (repository_) return &*repository_;
  auto* store = TRY(open_store());
  const auto password = TRY(read_password(options_.password));
  repo::OpenOptions open_options;
  if (!options_.no_cache)
    open_options.cache_directory =
        options_.cache_directory ? options_.cache_directory : default_cache_directory();
  repository_ = TRY(repo::Repository::open(context_, *store, password, open_options));
  return &*repository_;
}

Result<repo::Repository*> Session::open_locked(repo::LockRole role, std::string_view verb) {
  auto* repository = TRY(open_repository());
  auto options = TRY(lock_options(role, verb));
  lock_ = TRY(repo::Lock::take(*repository, std::move(options)));
  TRY(repository->load_index());
  return repository;
}

Result<repo::LockOptions> Session::lock_options(repo::LockRole role, std::string_view verb) const {
  repo::LockOptions options;
  options.role = role;
  options.program = fmt::format("{} {}", program_name_and_version, verb);
  options.wait = TRY(parse_span(options_.wait_lease));
  return options;
}

const repo::Lock& Session::hold(repo::Lock lock) {
  lock_ = std::move(lock);
  return *lock_;
}

std::string host_name() {
  utsname name{};
  return uname(&name) == 0 ? name.nodename : "unknown";
}

std::string user_name() {
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(geteuid());
}

repo::KeyAuthor key_author(Clock& clock) {
  return {repo::make_node_time(clock.now()), user_name(), host_name()};
}

}  // namespace holdfast::cli
