#pragma once
// Short oplogs for tests: entries from a few words and extended JSON, and a base in memory.
#include "bson/builder.hpp"
#include "doubles/corpus.hpp"

namespace holdfast::test {

// A UUID whose 16 bytes are all `letter`.
inline oplog::Uuid uuid_of(char letter) {
  oplog::Uuid uuid;
  uuid.bytes.fill(static_cast<std::uint8_t>(letter));
  return uuid;
}

// The same as extended JSON, to be put into `fields`.
inline std::string uuid_json(char letter) {
  return R"({"$binary":{"base64":")" + to_base64(uuid_of(letter).bytes) + R"(","subType":"04"}})";
}

inline Bytes json(const std::string& text) {
  auto bytes = bson::parse_ext_json(text);
  REQUIRE_MESSAGE(bytes.has_value(), text);
  return std::move(*bytes);
}

// When an entry stands in the stream.
struct At {
  At(std::uint32_t second, std::uint32_t number = 1, std::int64_t of_term = 1)
      : ts{second, number}, term(of_term) {}
  oplog::Timestamp ts;
  std::int64_t term;
};

// The fields that every entry has, then `fields` (JSON members without braces). `uuid` 0: none.
inline Bytes entry(At at, std::string_view op, std::string_view ns, char uuid,
                   const std::string& fields) {
  bson::Builder builder;
  builder.append_timestamp("ts", at.ts);
  builder.append_int64("t", at.term);
  builder.append_int64("v", 2);
  builder.append_text("op", op);
  builder.append_text("ns", ns);
  if (uuid != 0) builder.append_binary("ui", 4, uuid_of(uuid).bytes);
  const auto extra = json("{" + fields + "}");
  for (const auto& element : bson::Document::trusted(extra)) builder.append_raw(element.raw);
  return builder.take();
}

inline Bytes insert(std::uint32_t second, std::string_view ns, char uuid,
                    const std::string& document) {
  return entry({second, 1}, "i", ns, uuid, "\"o\":" + document);
}
inline Bytes update(std::uint32_t second, std::string_view ns, char uuid, const std::string& id,
                    const std::string& o) {
  return entry({second, 1}, "u", ns, uuid, R"("o":)" + o + R"(,"o2":{"_id":)" + id + "}");
}
inline Bytes remove(std::uint32_t second, std::string_view ns, char uuid, const std::string& id) {
  return entry({second, 1}, "d", ns, uuid, R"("o":{"_id":)" + id + "}");
}
inline Bytes command(std::uint32_t second, std::string_view database, char uuid,
                     const std::string& o) {
  return entry({second, 1}, "c", std::string(database) + ".$cmd", uuid, "\"o\":" + o);
}
inline Bytes noop(std::uint32_t second) {
  return entry({second, 1}, "n", "", 0, R"("o":{"msg":"periodic noop"})");
}

// The optime of entry({second, 1}, ...) as JSON.
inline std::string optime_json(std::uint32_t second) {
  return R"({"ts":{"$timestamp":{"t":)" + std::to_string(second) +
         R"(,"i":1}},"t":{"$numberLong":"1"}})";
}

// An entry of a transaction: session `letter`, number, previous piece at `previous` (0: none).
inline Bytes piece(At at, char session, int number, std::uint32_t previous, const std::string& o) {
  const std::string before = previous == 0
                                 ? R"({"ts":{"$timestamp":{"t":0,"i":0}},"t":{"$numberLong":"-1"}})"
                                 : optime_json(previous);
  return entry(at, "c", "admin.$cmd", 0,
               R"("lsid":{"id":)" + uuid_json(session) + R"(},"txnNumber":{"$numberLong":")" +
                   std::to_string(number) + R"("},"prevOpTime":)" + before + R"(,"o":)" + o);
}

// An operation inside applyOps.
inline std::string inner(std::string_view op, std::string_view ns, char uuid,
                         const std::string& fields) {
  return R"({"op":")" + std::string(op) + R"(","ns":")" + std::string(ns) + R"(","ui":)" +
         uuid_json(uuid) + "," + fields + "}";
}

// Adds a collection with documents (extended JSON, in `_id` order).
inline void add_collection(StoredState& state, const std::string& ns, char uuid,
                           const std::vector<std::string>& documents,
                           const std::string& options = "{}") {
  StoredCollection& collection = state.collections[ns];
  collection.facts = {uuid_of(uuid), ns, json(options), {}};
  collection.facts.indexes.push_back(json(R"({"v":2,"key":{"_id":1},"name":"_id_"})"));
  for (const auto& document : documents) collection.documents.push_back(json(document));
}

inline StoredState exact_at(std::uint32_t second) {
  StoredState state;
  state.window = {oplog::BaseKind::exact, {second, 1}, {second, 1}};
  return state;
}
inline StoredState fuzzy_between(std::uint32_t first, std::uint32_t last) {
  StoredState state;
  state.window = {oplog::BaseKind::fuzzy, {first, 1}, {last, 1}};
  return state;
}

// What a materialisation gave: the documents as relaxed JSON, by namespace.
struct Materialised {
  oplog::MaterialiseReport report;
  StateSink sink;
  std::string documents(const std::string& ns) const {
    const auto found = sink.collections.find(ns);
    if (found == sink.collections.end()) return "(no such collection)";
    std::string text;
    for (const auto& document : found->second.documents) {
      if (!text.empty()) text += " ";
      text += bson::to_ext_json(bson::Document::trusted(document), bson::JsonForm::relaxed);
    }
    return text;
  }
};

inline Result<Materialised> materialise(const StoredState& state, const std::vector<Bytes>& entries,
                                        std::uint32_t second,
                                        oplog::MaterialiseOptions options = {}) {
  StoredBase base(state);
  StoredEntries source(entries);
  oplog::MemorySpill spill;
  Materialised result;
  options.at = {second, 1};
  if (options.memory_bytes_max > 1024 * 1024) options.memory_bytes_max = 1024 * 1024;
  result.report = TRY(oplog::materialise(base, source, spill, result.sink, options));
  return result;
}

}  // namespace holdfast::test
