#pragma once
// Steps of a restore to a live server that restore_mongo() puts together.
#include <set>

#include "recover/restore_writer.hpp"

namespace holdfast::recover {

// What makes two runs the same restore, readable: the marker holds it.
std::string identity_of(const MomentStream& moment, const RestoreMongoOptions& options);
// The plan for a moment that is open already; loads the marker.
Result<RestoreMongoPlan> plan_for(MomentStream& moment, mongo::Deployment& target,
                                  PrimaryLink& link, RestoreMarker& marker,
                                  const RestoreMongoOptions& options);

// Indexes that let nothing expire, several collections at a time.
Result<void> build_all_indexes(std::vector<WrittenCollection>& collections,
                               mongo::Deployment& target, Context& context,
                               const RestoreMongoOptions& options, TargetNotes& notes);

// Reads every collection back, several at a time: count and digest into its result.
Result<void> read_back(std::vector<WrittenCollection>& collections, mongo::Deployment& target,
                       Context& context, unsigned connections);
// A difference is a problem.
void note_differences(const std::vector<WrittenCollection>& collections, TargetNotes& notes);

// Documents of admin.system.users and .roles.
struct AuthDocuments {
  std::vector<Bytes> users;
  std::vector<Bytes> roles;
};
// Those of a moment, out of the collections of these names.
Result<AuthDocuments> read_auth(MomentStream& moment, const std::set<std::string>& names);
// Who is to be written, of these. `existing`: the `_id`s that the target has. Pure.
AuthShare share_of(const std::vector<Bytes>& documents,
                   const std::set<std::string, std::less<>>& existing, InPlace in_place);
// What the target and the options allow; writes nothing.
Result<AuthPlan> plan_auth(const AuthDocuments& documents, PrimaryLink& link,
                           const RestoreMongoOptions& options);
// plan_auth(), and it is done, by the server's own merge.
Result<AuthPlan> merge_auth(const AuthDocuments& documents, PrimaryLink& link,
                            const RestoreMongoOptions& options, TargetNotes& notes);

// Options that the target's collections have not: notes.
Result<void> note_options(const std::vector<WrittenCollection>& collections, PrimaryLink& link,
                          TargetNotes& notes);

}  // namespace holdfast::recover
