#pragma once
// Operations in memory, to be sorted by (collection, key, arrival). One block of fixed size: the
// operations grow from its front, their sort records from its back, so the bound is exact.
#include <span>

#include "oplog/op_record.hpp"

namespace holdfast::oplog {

// One thread.
class OpBuffer {
 public:
  // The block is only touched as it fills. REQUIRES: bytes below 32 GiB.
  explicit OpBuffer(std::size_t bytes);

  // False: full, nothing was added. An operation larger than an empty buffer makes it grow.
  bool add(const OpRecord& op);
  bool is_empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  void clear();

  void sort();
  // After sort(): operations in order. `first` and the result are positions.
  OpRecord at(std::size_t position) const;
  // Operations lie in order of arrival, so reading them sorted misses the cache every time: ask for
  // those that come soon. Beyond the end: nothing happens.
  void prefetch(std::size_t position) const;
  CollectionNumber collection_at(std::size_t position) const {
    return records()[position].collection;
  }
  std::size_t end_of_collection(std::size_t first) const;
  std::size_t first_of_collection(CollectionNumber collection) const;

 private:
  // The first 16 bytes of the key decide almost every comparison without touching the operation.
  struct Record {
    std::uint64_t high;
    std::uint64_t low;
    CollectionNumber collection;
    std::uint32_t place;  // of the operation, in units of 8 bytes; ascends with arrival
  };
  std::span<Record> records();
  std::span<const Record> records() const;
  bool is_before(const Record& left, const Record& right) const;

  Bytes block_;            // a multiple of 8 bytes
  std::size_t used_ = 0;   // bytes at the front, a multiple of 8
  std::size_t count_ = 0;  // records at the back
};

}  // namespace holdfast::oplog
