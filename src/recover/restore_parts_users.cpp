#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "mongo/cursor.hpp"
#include "recover/restore_parts.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;
using Names = std::set<std::string, std::less<>>;

constexpr std::string_view users_name = "holdfast_users";
constexpr std::string_view roles_name = "holdfast_roles";
constexpr std::size_t names_told_max = 10;

// Users and roles are documents of the engine's moment like others.
class AuthSink final : public MomentSink {
 public:
  explicit AuthSink(AuthDocuments& out) : out_(out) {}
  Result<void> begin(const MomentCollection& collection) override {
    const Restorable what = what_of(collection);
    to_ = what == Restorable::users ? &out_.users : nullptr;
    if (what == Restorable::roles) to_ = &out_.roles;
    return {};
  }
  Result<void> document(ByteView document) override {
    if (to_ == nullptr) return {};
    if (to_->size() == user_documents_max)
      return fail(ErrorCode::limit_exceeded, "too many users or roles");
    to_->push_back(to_bytes(document));
    return {};
  }
  Result<void> end(const oplog::CollectionTotals&) override { return {}; }

 private:
  AuthDocuments& out_;
  std::vector<Bytes>* to_ = nullptr;
};

std::string id_of(ByteView document) {
  const auto id = Document::trusted(document).find("_id");
  return id && id->type == bson::Type::string ? std::string(id->as_text()) : std::string();
}

Result<mongo::Reply> merge(PrimaryLink& link, bool has_users, bool has_roles) {
  bson::Builder command;
  command.append_int32("_mergeAuthzCollections", 1);
  command.append_text("tempUsersCollection",
                      has_users ? "admin." + std::string(users_name) : std::string());
  command.append_text("tempRolesCollection",
                      has_roles ? "admin." + std::string(roles_name) : std::string());
  command.append_text("db", "");
  command.append_bool("drop", false);
  return link.run("admin", command.finish());
}

Result<void> fill(PrimaryLink& link, std::string_view name, const std::vector<Bytes>& documents) {
  for (std::size_t at = 0; at < documents.size();) {
    InsertBatch batch("admin", std::string(name), TakenIds::accept, BatchOrder::any);
    while (at < documents.size() && batch.has_room_for(documents[at].size()))
      batch.add(documents[at++]);
    const auto outcome = TRY(link.write("admin", batch.command(), "copying users and roles"));
    for (const WriteFailure& failure : outcome.failures) {
      if (!failure.is_duplicate_key())
        return fail(ErrorCode::server_failed, "copying users and roles: " + failure.message);
    }
  }
  return {};
}

Result<void> read_ids(mongo::Connection& connection, std::string_view collection, Names& ids) {
  bson::Builder projection;
  projection.append_int32("_id", 1);
  mongo::FindRequest request;
  request.db = "admin";
  request.collection = collection;
  request.projection = projection.take();
  auto cursor = TRY(mongo::Cursor::open(connection, request));
  while (true) {
    const auto next = TRY(cursor.next());
    if (!next) return {};
    ids.insert(id_of(*next));
  }
}

struct ExistingAuth {
  Names users;
  Names roles;
};

Result<ExistingAuth> read_existing(PrimaryLink& link) {
  ExistingAuth existing;
  const auto reading = [&](mongo::Connection& connection) -> Result<void> {
    existing = {};
    TRY(read_ids(connection, "system.users", existing.users));
    return read_ids(connection, "system.roles", existing.roles);
  };
  TRY(link.read(reading));
  return existing;
}

// Not a server that is gone: one that does not let us.
bool is_answer(const Error& error) {
  return error.code == ErrorCode::denied || error.code == ErrorCode::server_failed;
}

void append_names(const std::vector<Bytes>& documents, std::vector<std::string>& names) {
  for (const Bytes& document : documents) names.push_back(id_of(document));
}

std::string count_text(std::size_t users, std::size_t roles) {
  return fmt::format("{} users and {} roles", users, roles);
}

AuthPlan leave_all(const AuthDocuments& documents, std::string_view why) {
  AuthPlan plan;
  append_names(documents.users, plan.users.left);
  append_names(documents.roles, plan.roles.left);
  plan.why_left = fmt::format("{} are not restored: {}",
                              count_text(documents.users.size(), documents.roles.size()), why);
  return plan;
}

std::string describe_left(const AuthPlan& plan) {
  std::vector<std::string> names = plan.users.left;
  names.insert(names.end(), plan.roles.left.begin(), plan.roles.left.end());
  if (names.empty()) return {};
  const std::size_t told = std::min(names.size(), names_told_max);
  const std::string more =
      names.size() > told ? fmt::format(" and {} more", names.size() - told) : "";
  names.resize(told);
  return fmt::format("{} are on the target already and stay as they are there: {}{}",
                     count_text(plan.users.left.size(), plan.roles.left.size()),
                     fmt::join(names, ", "), more);
}

// Those of them that are to be written.
std::vector<Bytes> chosen(const std::vector<Bytes>& documents, const AuthShare& share) {
  const Names left(share.left.begin(), share.left.end());
  std::vector<Bytes> out;
  std::copy_if(documents.begin(), documents.end(), std::back_inserter(out),
               [&](const Bytes& document) { return !left.contains(id_of(document)); });
  return out;
}

}  // namespace

Result<AuthDocuments> read_auth(MomentStream& moment, const std::set<std::string>& names) {
  AuthDocuments documents;
  if (names.empty()) return documents;
  AuthSink sink(documents);
  TRY(moment.push(sink, [&](std::string_view ns) { return names.contains(std::string(ns)); }));
  return documents;
}

AuthShare share_of(const std::vector<Bytes>& documents, const Names& existing, InPlace in_place) {
  AuthShare share;
  for (const Bytes& document : documents) {
    std::string id = id_of(document);
    if (!existing.contains(id))
      share.written.push_back(std::move(id));
    else if (in_place == InPlace::yes)
      share.replaced.push_back(std::move(id));
    else
      share.left.push_back(std::move(id));
  }
  return share;
}

Result<AuthPlan> plan_auth(const AuthDocuments& documents, PrimaryLink& link,
                           const RestoreMongoOptions& options) {
  const bool has_none = documents.users.empty() && documents.roles.empty();
  if (has_none || options.users == UsersAndRoles::leave_out) return AuthPlan{};
  if (!options.moment.renames.empty())
    return leave_all(documents, "with --rename their grants would be on the wrong databases");
  // Asked with nothing: no password hash goes to a server that does not know the command.
  const auto probe = TRY(merge(link, false, false));
  const bool is_unknown = probe.code == mongo::ServerCode::command_not_found ||
                          probe.message.find("no such c") != std::string::npos;
  const bool is_denied = probe.code == mongo::ServerCode::unauthorized;
  if (is_unknown || is_denied) return leave_all(documents, "the server says " + probe.message);
  const auto existing = read_existing(link);
  if (!existing.has_value() && is_answer(existing.error()))
    return leave_all(documents,
                     "whom the target has already can not be read: " + existing.error().message);
  if (!existing.has_value()) return fail(existing.error());
  AuthPlan plan;
  plan.users = share_of(documents.users, existing->users, options.in_place);
  plan.roles = share_of(documents.roles, existing->roles, options.in_place);
  plan.why_left = describe_left(plan);
  return plan;
}

// The server takes them from collections of other names, and checks them.
Result<AuthPlan> merge_auth(const AuthDocuments& documents, PrimaryLink& link,
                            const RestoreMongoOptions& options, TargetNotes& notes) {
  AuthPlan plan = TRY(plan_auth(documents, link, options));
  if (!plan.why_left.empty()) notes.note(plan.why_left);
  const auto users = chosen(documents.users, plan.users);
  const auto roles = chosen(documents.roles, plan.roles);
  if (options.users == UsersAndRoles::leave_out || (users.empty() && roles.empty())) return plan;
  TargetCatalog catalog(link, KeepUuids::no, notes);
  const NamespaceName users_at{"admin", std::string(users_name)};
  const NamespaceName roles_at{"admin", std::string(roles_name)};
  TRY(catalog.drop(users_at));
  TRY(catalog.drop(roles_at));
  TRY(fill(link, users_name, users));
  TRY(fill(link, roles_name, roles));
  const auto merged = TRY(merge(link, !users.empty(), !roles.empty()));
  TRY(catalog.drop(users_at));
  TRY(catalog.drop(roles_at));
  if (merged.is_ok) return plan;
  notes.problem(
      fmt::format("users and roles were not restored: the server says {}", merged.message));
  return leave_all(documents, "the server says " + merged.message);
}

}  // namespace holdfast::recover
