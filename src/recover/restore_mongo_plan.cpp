#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "recover/known_namespaces.hpp"
#include "recover/restore_parts.hpp"

namespace holdfast::recover {

namespace {

// What servers took in our measurements (docs/benchmarks.md), on the low side.
constexpr std::uint64_t documents_per_second = 30'000;
constexpr std::uint64_t bytes_per_second = std::uint64_t{20} << 20;

std::chrono::seconds estimate(const RestoreMongoPlan& plan) {
  const std::uint64_t seconds =
      plan.document_count() / documents_per_second + plan.byte_count() / bytes_per_second + 1;
  return std::chrono::seconds(seconds);
}

bool is_same_view(const LiveCollection& live, ByteView options) {
  if (live.type != "view" || options.empty()) return false;
  return describe_options(options, live.options).empty();
}

// One planning, from the catalog at the moment to what stands in the way.
class Planning {
 public:
  Planning(MomentStream& moment, mongo::Deployment& target, PrimaryLink& link,
           RestoreMarker& marker, const RestoreMongoOptions& options)
      : moment_(moment), options_(options), link_(link), marker_(marker) {
    plan_.base = moment.base();
    plan_.at = moment.at();
    plan_.moment = moment.moment();
    plan_.target = target.redacted_uri();
  }

  Result<RestoreMongoPlan> run(mongo::Deployment& target) {
    auto expected = TRY(moment_.expect());
    TRY(require_known(moment_.choice(), expected));
    for (ExpectedCollection& each : expected) TRY(add(std::move(each)));
    if (plan_.collections.empty() && !moment_.choice().takes_all())
      return fail(ErrorCode::not_found, "none of the chosen namespaces existed at that moment");
    plan_.server_version = TRY(target.server_version());
    TRY(marker_.load());
    plan_.continues = marker_.is_begun();
    for (const std::string& db : databases_) TRY(look_at(db));
    TRY(plan_users());
    plan_.estimated_time = estimate(plan_);
    note_versions();
    return std::move(plan_);
  }

 private:
  Result<void> add(ExpectedCollection expected) {
    const MomentCollection& collection = expected.collection;
    const std::string ns = collection.facts.ns();
    const Restorable what = what_of(collection);
    if (what == Restorable::nothing) plan_.left_out.push_back(ns);
    if (what == Restorable::users || what == Restorable::roles) auth_names_.insert(ns);
    const bool is_made = what == Restorable::documents || what == Restorable::view ||
                         what == Restorable::time_series;
    if (!is_made) return {};
    TRY(check_in_place(collection, what));
    const NamespaceName target = moment_.choice().name_of(ns);
    TRY(check_length(ns, target));
    if (what == Restorable::view) rename(expected.collection.facts);
    PlannedCollection planned{.ns = ns,
                              .target_ns = target.ns(),
                              .type = std::string(describe(what)),
                              .count = expected.count,
                              .bytes = expected.bytes,
                              .is_exact = expected.is_exact,
                              .index_count = collection.facts.indexes.size()};
    if (!targets_.emplace(target.ns(), std::move(expected)).second)
      return fail(ErrorCode::usage, fmt::format("two collections would be called {}: give {} "
                                                "another name",
                                                target.ns(), ns));
    databases_.insert(target.db);
    plan_.collections.push_back(std::move(planned));
    return {};
  }

  void rename(dataset::MongoCollection& view) {
    RenamedView renamed = rename_view({view.db, view.name}, view.options, moment_.choice());
    view.options = std::move(renamed.options);
    for (std::string& sentence : renamed.notes) plan_.notes.push_back(std::move(sentence));
  }

  // In place, it has a longer name until it is compared.
  Result<void> check_length(const std::string& ns, const NamespaceName& target) const {
    const std::size_t bytes =
        options_.in_place == InPlace::yes ? unfinished(target).ns().size() : target.ns().size();
    if (bytes <= namespace_bytes_max) return {};
    return fail(
        ErrorCode::usage,
        fmt::format("{} would be called {}{}: a namespace has at most {} bytes", ns, target.ns(),
                    options_.in_place == InPlace::yes ? " and a suffix" : "", namespace_bytes_max));
  }

  Result<void> check_in_place(const MomentCollection& collection, Restorable what) const {
    const bool is_special =
        what == Restorable::time_series || collection.facts.name.starts_with("system.");
    if (options_.in_place == InPlace::no || !is_special) return {};
    return fail(ErrorCode::unsupported,
                fmt::format("{} can not be replaced in place: restore it under another name, or "
                            "leave it out with --only",
                            collection.facts.ns()));
  }

  Result<void> look_at(const std::string& db) {
    auto* connection = TRY(link_.connection());
    const auto collections = TRY(list_collections(*connection, db));
    for (const LiveCollection& live : collections) {
      const auto wanted = targets_.find(live.ns());
      if (wanted == targets_.end() || marker_.find(live.ns()) != nullptr) continue;
      if (is_same_view(live, wanted->second.collection.facts.options)) continue;
      if (live.type == "view") {
        plan_.occupied.push_back({live.ns(), 0});
        continue;
      }
      const bool is_free = TRY(is_empty(*connection, db, live.name));
      if (is_free) continue;
      const auto count = TRY(count_documents(*connection, db, live.name));
      plan_.occupied.push_back({live.ns(), count});
    }
    return {};
  }

  Result<void> plan_users() {
    if (options_.users == UsersAndRoles::leave_out) return {};
    const AuthDocuments documents = TRY(read_auth(moment_, auth_names_));
    plan_.auth = TRY(plan_auth(documents, link_, options_));
    if (!plan_.auth.why_left.empty()) plan_.notes.push_back(plan_.auth.why_left);
    return {};
  }

  void note_versions() {
    const std::string& from = moment_.server_version();
    if (!from.empty() && !plan_.server_version.empty() && from != plan_.server_version)
      plan_.notes.push_back(fmt::format("the backup is of a server {}, the target is {}", from,
                                        plan_.server_version));
  }

  MomentStream& moment_;
  const RestoreMongoOptions& options_;
  PrimaryLink& link_;
  RestoreMarker& marker_;
  RestoreMongoPlan plan_;
  std::map<std::string, ExpectedCollection> targets_;
  std::set<std::string> databases_;
  std::set<std::string> auth_names_;  // of users and roles, as they were
};

}  // namespace

std::uint64_t RestoreMongoPlan::document_count() const {
  std::uint64_t count = 0;
  for (const PlannedCollection& each : collections) count += each.count;
  return count;
}

std::uint64_t RestoreMongoPlan::byte_count() const {
  std::uint64_t bytes = 0;
  for (const PlannedCollection& each : collections) bytes += each.bytes;
  return bytes;
}

std::string identity_of(const MomentStream& moment, const RestoreMongoOptions& options) {
  std::string text = fmt::format("dataset {} at {} from base {}", options.moment.dataset,
                                 moment.at() ? oplog::to_text(*moment.at()) : "its own moment",
                                 moment.base().short_hex());
  if (!options.moment.only.empty())
    text += fmt::format(", only {}", fmt::join(options.moment.only, " "));
  if (!options.moment.renames.empty())
    text += fmt::format(", renamed {}", fmt::join(options.moment.renames, " "));
  if (options.in_place == InPlace::yes) text += ", in place";
  return text;
}

Result<RestoreMongoPlan> plan_for(MomentStream& moment, mongo::Deployment& target,
                                  PrimaryLink& link, RestoreMarker& marker,
                                  const RestoreMongoOptions& options) {
  Planning planning(moment, target, link, marker, options);
  return planning.run(target);
}

Result<RestoreMongoPlan> plan_restore(repo::Repository& repository, mongo::Deployment& target,
                                      const RestoreMongoOptions& options) {
  Context& context = repository.context();
  MomentStream moment = TRY(MomentStream::open(repository, options.moment));
  PrimaryLink link(target, context);
  RestoreMarker marker(link, target, context, identity_of(moment, options));
  return plan_for(moment, target, link, marker, options);
}

Result<void> require_allowed(const RestoreMongoPlan& plan, const RestoreMongoOptions& options) {
  if (options.in_place == InPlace::yes && options.confirm != options.moment.dataset)
    return fail(ErrorCode::refused,
                fmt::format("restoring in place replaces {} namespaces of {}: confirm it with the "
                            "name of the dataset",
                            plan.occupied.size(), plan.target));
  if (options.in_place == InPlace::yes || plan.occupied.empty()) return {};
  const OccupiedNamespace& first = plan.occupied.front();
  return fail(ErrorCode::refused,
              fmt::format("the target is not empty: {} has {} documents{}; restore to other names "
                          "(--rename), or replace it (--in-place --confirm {})",
                          first.ns, first.count,
                          plan.occupied.size() > 1
                              ? fmt::format(", and {} more namespaces", plan.occupied.size() - 1)
                              : "",
                          options.moment.dataset));
}

}  // namespace holdfast::recover
