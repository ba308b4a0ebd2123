#pragma once
// Replacing and removing documents of a live collection only while they are what they were seen to
// be: read again just before, guarded in the command, and read again after it.
#include <map>

#include "recover/namespace_choice.hpp"
#include "recover/primary_link.hpp"

namespace holdfast::recover {

constexpr std::size_t guarded_documents_max = 100;
constexpr std::size_t guarded_bytes_max = std::size_t{8} << 20;

// Documents by K(_id). Those that are not there are not in it.
using DocumentsByKey = std::map<Bytes, Bytes>;
// `documents`: any documents that have the `_id`s; at most guarded_documents_max.
Result<DocumentsByKey> fetch_same_ids(mongo::Connection& connection, const NamespaceName& name,
                                      const std::vector<ByteView>& documents);

struct GuardedChange {
  Bytes now;   // as it was seen
  Bytes then;  // what is to be there; empty: nothing
};

// One thread.
class GuardedWrites {
 public:
  GuardedWrites(PrimaryLink& link, NamespaceName name) : link_(link), name_(std::move(name)) {}

  // Collects, and writes when there is enough. Errors: those of PrimaryLink.
  Result<void> add(GuardedChange change);
  Result<void> finish();

  std::uint64_t written_count() const { return written_; }
  std::uint64_t left_count() const { return left_; }  // changed meanwhile, or refused
  // What the server said; the first ones.
  const std::vector<std::string>& refusals() const { return refusals_; }

 private:
  // How the command names the document it means. Servers differ in what they can compare.
  enum class Guard : std::uint8_t { unknown, id_only, by_fields, whole };

  Result<void> flush();
  Result<void> find_guard(const GuardedChange& sample);
  Result<bool> finds(bson::Document filter);
  void append_filter(bson::Builder& to, const GuardedChange& change) const;
  Result<void> replace(const std::vector<const GuardedChange*>& changes);
  Result<void> remove(const std::vector<const GuardedChange*>& changes);
  Result<void> send(bson::Document command, std::string_view doing);
  Result<void> count_done(const std::vector<const GuardedChange*>& changes);
  std::vector<ByteView> seen() const;

  PrimaryLink& link_;
  NamespaceName name_;
  Guard guard_ = Guard::unknown;
  std::vector<GuardedChange> changes_;
  std::size_t bytes_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t left_ = 0;
  std::vector<std::string> refusals_;
};

}  // namespace holdfast::recover
