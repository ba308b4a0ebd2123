#pragma once
// Steps of a restore to a live server that restore_mongo() puts together.
#include "recover/restore_writer.hpp"

namespace holdfast::recover {

// What makes two runs the same restore, readable: the marker holds it.
std::string identity_of(const MomentStream& moment, const RestoreMongoOptions& options);
// The plan for a moment that is open already.
Result<RestoreMongoPlan> plan_for(MomentStream& moment, mongo::Deployment& target, Context& context,
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

// Users and roles as documents of admin.system.users and .roles, merged by the server itself.
Result<void> merge_users(const std::vector<Bytes>& users, const std::vector<Bytes>& roles,
                         PrimaryLink& link, TargetNotes& notes);

// Options that the target's collections have not: notes.
Result<void> note_options(const std::vector<WrittenCollection>& collections, PrimaryLink& link,
                          TargetNotes& notes);

}  // namespace holdfast::recover
