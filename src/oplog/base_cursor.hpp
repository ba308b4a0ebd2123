#pragma once
// The documents of one base collection, ascending by K(_id), whatever order the base has them in.
#include <memory>

#include "oplog/materialise.hpp"
#include "oplog/op_sorter.hpp"

namespace holdfast::oplog {

struct BaseDocument {
  ByteView key;
  ByteView document;
  OrderKey position;  // place in natural order; sorts before every effect
};

// One thread.
class BaseCursor {
 public:
  BaseCursor() = default;
  explicit BaseCursor(UnchangedStretches* stretches) : stretches_(stretches) {}
  virtual ~BaseCursor() = default;
  // Null at the end; valid until the next call. Errors: corrupt (not ascending, an _id twice),
  // malformed (not BSON), and those of the reader.
  virtual Result<const BaseDocument*> next() = 0;

  // The next operation on the collection, or null: passed on to a reader that wants to know it.
  void expect(const OpRecord* op) {
    if (stretches_ != nullptr)
      stretches_->unchanged_below(op == nullptr ? std::nullopt : std::optional(op->key));
  }
  const UnchangedStretches* stretches() const { return stretches_; }

 private:
  UnchangedStretches* stretches_ = nullptr;
};

// Whether a reader may leave unchanged documents out.
enum class LeaveOut : std::uint8_t { nothing, unchanged };

struct CursorTools {
  SpillStore& spill;
  std::size_t memory_bytes;
  Anomalies& anomalies;
  LeaveOut leave_out = LeaveOut::unchanged;
};
// Validates documents. Sorts those in natural order with about `memory_bytes` and `spill`;
// `anomalies` must outlive the cursor.
Result<std::unique_ptr<BaseCursor>> open_cursor(std::unique_ptr<DocumentReader> reader,
                                                std::string ns, const CursorTools& tools);

// Of a collection that is not in the base.
std::unique_ptr<BaseCursor> empty_cursor();

// The place of the n-th base document, and a sort key of places.
OrderKey base_position(std::uint64_t number);
void append_position_key(const OrderKey& position, Bytes& to);

}  // namespace holdfast::oplog
