#include <fmt/format.h>
#include <sys/statvfs.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/environment.hpp"
#include "cli/output.hpp"
#include "cli/version.hpp"
#include "repo/keyring.hpp"
#include "repo/lock_survey.hpp"
#include "repo/node_time.hpp"

namespace holdfast::cli {
namespace {

constexpr std::uint64_t free_bytes_low = std::uint64_t{1} << 30;
constexpr std::chrono::seconds clock_skew_max{120};
constexpr std::chrono::hours newest_point_age_max{26};

enum class Health : std::uint8_t { good, attention, bad };

struct Diagnosis {
  Health health = Health::good;
  std::string subject;
  std::string message;
};

std::string_view word_of(Health health) {
  switch (health) {
    case Health::good:
      return "ok";
    case Health::attention:
      return "attention";
    case Health::bad:
      return "bad";
  }
  return "";
}

Diagnosis of_free_space(const std::string& place) {
  struct statvfs space{};
  if (statvfs(place.c_str(), &space) != 0)
    return {Health::attention, "space", "the free space of the store can not be read"};
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  return {free_bytes < free_bytes_low ? Health::attention : Health::good, "space",
          fmt::format("{} free in the store", format_bytes(free_bytes))};
}

Result<Diagnosis> of_keys(store::Store& store) {
  const auto keys = TRY(repo::list_keys(store));
  std::size_t damaged = 0;
  for (const auto& key : keys) damaged += key.flaw ? 1 : 0;
  if (damaged > 0)
    return Diagnosis{Health::bad, "keys",
                     fmt::format("{} of {} key files are damaged; see `holdfast key list`", damaged,
                                 keys.size())};
  if (keys.size() == 1)
    return Diagnosis{Health::good, "keys",
                     "one key; a second one kept elsewhere saves you when this one is lost"};
  return Diagnosis{Health::good, "keys", fmt::format("{} keys, all intact", keys.size())};
}

Result<std::vector<Diagnosis>> of_locks(const repo::Repository& repository) {
  const repo::LockOptions options;
  repo::LockSurvey survey(repository, options);
  const auto locks = TRY(survey.look(std::nullopt));
  std::vector<Diagnosis> found;
  found.reserve(locks.size() + 1);
  for (const auto& seen : locks)
    found.push_back({seen.state == repo::LockState::live ? Health::good : Health::attention, "lock",
                     seen.lock.describe()});
  if (found.empty()) found.push_back({Health::good, "locks", "nobody works with it now"});
  return found;
}

Diagnosis of_points(const repo::SnapshotListing& listing, WallTime now) {
  if (!listing.unreadable.empty())
    return {Health::bad, "points",
            fmt::format("{} snapshots can not be read; run `holdfast verify`",
                        listing.unreadable.size())};
  if (listing.snapshots.empty()) return {Health::attention, "points", "no backup yet"};
  const auto newest = repo::to_wall_time(listing.snapshots.back().snapshot.time);
  const auto age = now - newest;
  const auto text = fmt::format("{} points, the newest {} old", listing.snapshots.size(),
                                format_span(std::max(age, Duration::zero())));
  if (age < -clock_skew_max)
    return {Health::attention, "clock", "the newest point is from the future: check the clocks"};
  return {age > newest_point_age_max ? Health::attention : Health::good, "points", text};
}

Diagnosis of_cache(const GlobalOptions& options) {
  if (options.no_cache) return {Health::good, "cache", "off"};
  const auto directory =
      options.cache_directory ? options.cache_directory : default_cache_directory();
  if (!directory)
    return {Health::attention, "cache", "no place for an index cache: set HOME or --cache-dir"};
  return {Health::good, "cache", directory->string()};
}

Result<std::vector<Diagnosis>> examine(Session& session) {
  std::vector<Diagnosis> all;
  all.push_back({Health::good, "version", std::string(program_name_and_version)});
  const auto place = TRY(session.repository_place());
  auto* store = TRY(session.open_store());
  all.push_back({Health::good, "store", store->describe()});
  all.push_back(of_free_space(place));
  auto keys = TRY(of_keys(*store));
  all.push_back(std::move(keys));
  auto* repository = TRY(session.open_repository());
  all.push_back({Health::good, "repository",
                 fmt::format("{}, opened with key {}", repository->config().id.short_hex(),
                             repository->key().id.short_hex())});
  const auto locks = TRY(of_locks(*repository));
  all.insert(all.end(), locks.begin(), locks.end());
  const auto listing = TRY(repository->list_snapshots());
  all.push_back(of_points(listing, session.context().clock.now()));
  all.push_back(of_cache(session.options()));
  return all;
}

Result<int> run_doctor(Session& session) {
  const auto all = TRY(examine(session));
  Table table({"STATE", "SUBJECT", "FOUND"});
  auto rows = nlohmann::ordered_json::array();
  bool bad = false;
  for (const auto& each : all) {
    bad = bad || each.health == Health::bad;
    table.add({std::string(word_of(each.health)), each.subject, each.message});
    rows.push_back(
        {{"state", word_of(each.health)}, {"subject", each.subject}, {"message", each.message}});
  }
  if (session.format() == OutputFormat::json)
    print_json("doctor", {{"diagnoses", rows}});
  else
    print(table.text());
  return bad ? exit_status_of(ErrorCode::failed) : 0;
}

}  // namespace

void add_doctor(CommandLine& line) {
  auto* verb = line.app.add_subcommand(
      "doctor", "look at everything around the repository; prints no secret");
  line.choose(verb, run_doctor);
}

}  // namespace holdfast::cli
