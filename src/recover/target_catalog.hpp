#pragma once
// Making collections, views and indexes on a target as a snapshot describes them, with what each
// server can do: what it refuses is told, not hidden.
#include "recover/live_catalog.hpp"
#include "recover/namespace_choice.hpp"
#include "recover/primary_link.hpp"
#include "recover/restore_mongo.hpp"

namespace holdfast::recover {

// What one target did not do, for a person. Sentences are told once.
class TargetNotes {
 public:
  void note(std::string sentence);     // it can not; the restore goes on and may pass
  void problem(std::string sentence);  // the restore is not what was asked for
  std::vector<std::string> notes;
  std::vector<std::string> problems;
};

// One thread.
class TargetCatalog {
 public:
  TargetCatalog(PrimaryLink& link, KeepUuids uuids, TargetNotes& notes)
      : link_(link), uuids_(uuids), notes_(notes) {}

  // With options and, if the server can, the UUID. Expiry is left out: see set_expiry(). A
  // collection that is there already stays as it is.
  Result<void> create(const NamespaceName& name, const dataset::MongoCollection& like);
  Result<void> create_time_series(const NamespaceName& name, ByteView options);
  // Replaces a view of the name. A server without views gets none.
  Result<void> create_view(const NamespaceName& name, ByteView options);
  Result<void> drop(const NamespaceName& name);
  // Over what has the name `to`. False, and a problem: the server can not; both are as they were.
  Result<bool> rename_over(const NamespaceName& from, const NamespaceName& to);

  // All but `_id_`; how many were built. Which: those that make the server delete documents, or
  // the others.
  enum class Which : std::uint8_t { without_expiry, with_expiry };
  Result<std::uint64_t> build_indexes(const NamespaceName& name, const std::vector<Bytes>& specs,
                                      Which which);
  // `expireAfterSeconds` of clustered collections and time series.
  Result<void> set_expiry(const NamespaceName& name, ByteView options);

 private:
  enum class Outcome : std::uint8_t { made, was_there, refused };
  struct Attempt {
    Outcome outcome = Outcome::made;
    mongo::ServerCode code = mongo::ServerCode::none;
    std::string message;
  };

  Result<bool> create_with_uuid(const NamespaceName& name, const dataset::MongoCollection& like,
                                bson::Document options);
  Result<Attempt> create_plainly(const NamespaceName& name, bson::Document options);
  enum class Over : std::uint8_t { nothing, what_is_there };
  Result<Attempt> rename(const NamespaceName& from, const NamespaceName& to, Over over);
  Result<Attempt> attempt(const std::string& db, bson::Document command, std::string_view doing);
  static Result<Attempt> judge(const mongo::Reply& reply, std::string_view doing);
  Result<Attempt> attempt_index(const NamespaceName& name, const std::vector<Bytes>& specs);

  PrimaryLink& link_;
  KeepUuids uuids_;
  TargetNotes& notes_;
};

}  // namespace holdfast::recover
