#pragma once
// The documents of a live collection in the order of K(_id), read ahead on a thread of their own.
#include "dataset/mongo_sorter.hpp"
#include "mongo/deployment.hpp"
#include "oplog/spill.hpp"

namespace holdfast::recover {

constexpr std::size_t read_ahead_bytes = std::size_t{1} << 20;  // one piece
constexpr std::size_t pieces_waiting_max = 4;

enum class LiveFields : std::uint8_t { whole, id_only };
// Who sorts: the server, by its index, or we, in bounded memory: where its order is another one
// (collations, other products).
enum class LiveOrder : std::uint8_t { by_server, by_us };

struct LiveRequest {
  std::string db;
  std::string collection;
  Bytes filter;  // empty: all
  LiveFields fields = LiveFields::whole;
  LiveOrder order = LiveOrder::by_server;
};

struct LiveDocument {
  ByteView key;  // K(_id); empty without `_id`
  ByteView document;
};

// One thread. Valid documents only.
class LiveDocuments {
 public:
  // The arguments must outlive it. Connects on the first next().
  LiveDocuments(mongo::Deployment& live, oplog::SpillStore& spill, LiveRequest request,
                Context& context);
  ~LiveDocuments();
  LiveDocuments(const LiveDocuments&) = delete;
  LiveDocuments& operator=(const LiveDocuments&) = delete;

  // Null at the end; valid until the next call. Goes on behind the last document after a cut.
  // Errors: those of mongo::Cursor; anomaly when the
  // server's order is not ours (is_out_of_order() tells): read again with LiveOrder::by_us.
  Result<const LiveDocument*> next();
  bool is_out_of_order() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::recover
