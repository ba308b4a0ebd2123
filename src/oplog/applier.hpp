#pragma once
// Turns a stream of entries into ordered effects on documents, and applies commands to a catalog:
// classification (docs/oplog_format.md 2.9), transactions (4), exclusions (2.11), refusals (5.4).
#include <functional>
#include <map>

#include "oplog/catalog.hpp"
#include "oplog/entry_check.hpp"
#include "oplog/transactions.hpp"

namespace holdfast::oplog {

constexpr std::size_t notes_max = 100;

enum class EffectKind : std::uint8_t { insert, replace, delta, modifiers, remove };

// Views point into the entry's bytes: valid during the call.
struct Effect {
  CollectionNumber collection = 0;
  EffectKind kind = EffectKind::insert;
  Strictness strictness = Strictness::strict;
  bool is_upsert = false;  // of a user's applyOps: an update of a missing document inserts
  OrderKey order;
  bson::Value id;                                     // the `_id` addressed
  bson::Document body = bson::Document::trusted({});  // `o`
  std::int64_t wall_ms = 0;
};

class EffectSink {
 public:
  virtual ~EffectSink() = default;
  virtual Result<void> on_effect(const Effect& effect) = 0;
  // The catalog has just applied this command.
  virtual Result<void> on_command(const Entry& entry, const OrderKey& order) = 0;
};

// For a pass that only follows the catalog.
class NoEffects final : public EffectSink {
 public:
  Result<void> on_effect(const Effect&) override { return {}; }
  Result<void> on_command(const Entry&, const OrderKey&) override { return {}; }
};

// Raw entries in ascending ts order, from the start point (docs/oplog_format.md 4.4) or earlier.
// The view is valid until the next call. Entries beyond T are pulled only until an entry >= T was
// seen and the transactions prepared at or before T are resolved.
class EntrySource {
 public:
  virtual ~EntrySource() = default;
  virtual Result<std::optional<ByteView>> next() = 0;
  virtual Result<void> rewind() = 0;  // next() starts over
};

struct ApplierOptions {
  Timestamp at;
  BaseWindow window;
  EntryRules rules;
  std::function<bool(std::string_view ns)> covers;
};

struct ApplierTally {
  std::uint64_t entry_count = 0;
  std::uint64_t effect_count = 0;
  std::uint64_t outside_base_count = 0;
  std::uint64_t ignored_count = 0;
  std::uint64_t transactions_committed = 0;
  std::map<std::string, std::uint64_t, std::less<>> unknown_collections;  // RELAXED, by namespace
  std::vector<std::string> notes;
};

enum class Progress : std::uint8_t { more, done };

// One thread. Holds references to what it is made of.
class Applier {
 public:
  Applier(Catalog& catalog, SpillStore& spill, EffectSink& sink, ApplierOptions options);

  // The next raw entry. `done`: entries beyond T are not needed any more. Errors: see materialise.
  Result<Progress> accept(ByteView bytes);

  const ApplierTally& tally() const { return tally_; }
  const Transactions& transactions() const { return transactions_; }
  Timestamp newest() const { return order_.last().ts; }

 private:
  // How an operation came: what of it is not in the operation itself.
  struct Origin {
    OrderKey order;
    bool is_upsert = false;
    int depth = 0;
  };

  Result<Progress> pass_over(ByteView bytes, Error error);
  Result<Progress> look_ahead(const Entry& entry);
  Result<void> apply_committed(Transactions::Committed committed, const Entry& entry);
  Result<void> apply_list(const Entry& entry, Origin origin);
  Result<void> apply_operation(const Entry& entry, const Origin& origin);
  Result<void> apply_document(const Entry& entry, const Origin& origin);
  Result<void> apply_command(const Entry& entry, const Origin& origin);
  Result<Effect> effect_of(const Entry& entry, const Origin& origin);
  Result<std::optional<CollectionNumber>> target_of(const Entry& entry, Strictness strictness);
  Result<void> unknown_target(const Entry& entry, Strictness strictness);
  bool is_outside_base(const Entry& entry) const;
  bool is_in_range(const OrderKey& order) const;
  bool begins_window(Timestamp ts) const;
  Strictness strictness_at(const OrderKey& order) const;
  void note(std::string sentence);

  Catalog& catalog_;
  EffectSink& sink_;
  ApplierOptions options_;
  Transactions transactions_;
  OrderCheck order_;
  UpdateCheck update_check_;
  ApplierTally tally_;
  std::uint32_t next_index_ = 0;
  Uuid cached_uuid_;
  CollectionNumber cached_number_ = 0;
  bool is_cached_ = false;
};

// Pulls entries until the applier needs no more.
Result<void> feed(EntrySource& entries, Applier& applier);

}  // namespace holdfast::oplog
