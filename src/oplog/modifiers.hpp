#pragma once
// $v:1 modifiers, {$set, $unset} of dotted paths (docs/oplog_format.md 3.4): one set of path
// actions, visited in byte order of the components whatever their order in the entry.
#include <deque>
#include <span>
#include <vector>

#include "oplog/delta.hpp"

namespace holdfast::oplog {

// BSON can not nest deeper when written by a server; bounds our recursion.
constexpr std::size_t path_components_max = 200;

// One thread; reuse it.
class Modifiers {
 public:
  // Reads the tree of actions; it points into `o`. Errors: malformed (empty component, conflicting
  // paths), unsupported (another modifier), limit_exceeded.
  Result<void> read(bson::Document o);

  // Appends the post-image as a root document. REQUIRES: read() of the same `o` went before and
  // its bytes are still there. Errors: anomaly (STRICT), limit_exceeded.
  Result<void> apply(bson::Document pre, Strictness strictness, DocumentWriter& out,
                     UpdateTally& tally);

 private:
  struct Action {
    std::string_view path;
    bool is_set;
    bson::Value value;
  };
  using Actions = std::span<const Action>;
  // The actions below one component: those of `rest` with the same component at `depth`.
  struct Branch {
    std::string_view component;
    Actions actions;
    std::size_t offset;  // where the components below begin in each path
    bool is_leaf;
    bool is_setting;  // some action below is a $set
  };

  Result<void> add_all(bson::Document paths, bool is_set);
  Result<void> check_conflicts() const;
  Branch next_branch(Actions& rest, std::size_t offset) const;

  Result<void> object_body(bson::Document pre, Actions actions, std::size_t offset);
  Result<void> array_body(bson::Document pre, Actions actions, std::size_t offset);
  Result<void> change_field(const bson::Element& old, const Branch& branch);
  void create(std::string_view name, const Branch& branch);
  Result<void> change_item(std::vector<bson::Value>& items, const Branch& branch);
  Result<bson::Value> changed_container(const bson::Value& old, const Branch& branch);
  bson::Value created_object(const Branch& branch);
  Result<void> skip(const Branch& branch);

  std::vector<Action> actions_;
  std::deque<Bytes> kept_;  // changed array items while their array is rewritten
  Strictness strictness_ = Strictness::strict;
  DocumentWriter* out_ = nullptr;
  UpdateTally* tally_ = nullptr;
};

}  // namespace holdfast::oplog
