#pragma once
// A small database that writes its oplog while it is changed, and that can be dumped at any moment
// in the layout of recorded histories: what a backup from the server would read.
#include <fstream>
#include <map>

#include "bson/key.hpp"
#include "doubles/oplog_story.hpp"

namespace holdfast::test {

inline const std::string id_index = R"({"v":2,"key":{"_id":1},"name":"_id_"})";

struct ModelCollection {
  char uuid = 0;
  std::string options = "{}";
  std::vector<std::string> indexes{id_index};
  std::map<Bytes, Bytes> documents;  // by K(_id)
  std::vector<Bytes> natural;        // of a capped collection, instead
  bool is_capped() const { return options.find("capped") != std::string::npos; }
};

// Entry number n has the timestamp {n, 1}; the first is a no-op.
class DatabaseModel {
 public:
  DatabaseModel() { noop(); }

  std::vector<Bytes> entries;
  std::map<std::string, ModelCollection> collections;
  std::map<std::string, std::string> views;  // options by namespace
  // While set, changes are collected for one applyOps instead of becoming entries.
  std::vector<std::string>* transaction = nullptr;

  std::uint32_t now() const { return static_cast<std::uint32_t>(entries.size()); }
  void noop() { entries.push_back(test::noop(next())); }

  static std::string document(std::int64_t id, std::int64_t value, std::size_t pad) {
    const char letter = static_cast<char>('a' + (id % 26 + 26) % 26);
    return R"({"_id":{"$numberLong":")" + std::to_string(id) + R"("},"v":{"$numberLong":")" +
           std::to_string(value) + R"("},"pad":")" + std::string(pad, letter) + "\"}";
  }

  void create(const std::string& ns, char uuid, const std::string& options = "{}") {
    ModelCollection collection;
    collection.uuid = uuid;
    collection.options = options;
    collections[ns] = collection;
    const std::string rest = options == "{}" ? "" : "," + options.substr(1, options.size() - 2);
    command(ns, uuid,
            R"({"create":")" + name_of(ns) + "\"" + rest + R"(,"idIndex":)" + id_index + "}");
  }
  void insert(const std::string& ns, const std::string& document) {
    ModelCollection& collection = collections.at(ns);
    const Bytes bytes = json(document);
    if (collection.is_capped())
      collection.natural.push_back(bytes);
    else
      collection.documents[key_of(bytes)] = bytes;
    add("i", ns, R"("o":)" + document);
  }
  // Changes the field `v`.
  void update(const std::string& ns, std::int64_t id, std::int64_t value) {
    Bytes& old = collections.at(ns).documents.at(key_of_number(id));
    bson::Builder changed;
    for (const auto& element : bson::Document::trusted(old)) {
      if (element.name == "v")
        changed.append_int64("v", value);
      else
        changed.append_raw(element.raw);
    }
    old = changed.take();
    add("u", ns,
        R"("o":{"$v":2,"diff":{"u":{"v":{"$numberLong":")" + std::to_string(value) +
            R"("}}}},"o2":)" + id_json(id));
  }
  void replace(const std::string& ns, std::int64_t id, const std::string& document) {
    collections.at(ns).documents.at(key_of_number(id)) = json(document);
    add("u", ns, R"("o":)" + document + R"(,"o2":)" + id_json(id));
  }
  void remove(const std::string& ns, std::int64_t id) {
    REQUIRE(collections.at(ns).documents.erase(key_of_number(id)) == 1);
    add("d", ns, R"("o":)" + id_json(id));
  }
  void drop(const std::string& ns) {
    command(ns, collections.at(ns).uuid, R"({"drop":")" + name_of(ns) + "\"}");
    collections.erase(ns);
  }
  void rename(const std::string& from, const std::string& to) {
    const char uuid = collections.at(from).uuid;
    std::string target;
    if (collections.contains(to)) target = R"(,"dropTarget":)" + uuid_json(collections.at(to).uuid);
    command(from, uuid,
            R"({"renameCollection":")" + from + R"(","to":")" + to + "\"" + target + "}");
    collections[to] = collections.at(from);
    collections.erase(from);
  }
  void create_index(const std::string& ns, const std::string& field) {
    const std::string spec = R"({"v":2,"key":{")" + field + R"(":1},"name":")" + field + R"(_1"})";
    collections.at(ns).indexes.push_back(spec);
    command(ns, collections.at(ns).uuid,
            R"({"createIndexes":")" + name_of(ns) + R"(",)" + spec.substr(1));
  }
  // REQUIRES: the database has a collection system.views.
  void create_view(const std::string& ns, const std::string& on) {
    views[ns] = R"({"viewOn":")" + on + R"(","pipeline":[]})";
    insert(database_of(ns) + ".system.views",
           R"({"_id":")" + ns + R"(","viewOn":")" + on + R"(","pipeline":[]})");
  }
  // The changes that `work` makes become one transaction.
  template <class Work>
  void in_transaction(Work&& work) {
    std::vector<std::string> operations;
    transaction = &operations;
    work();
    transaction = nullptr;
    std::string list;
    for (const std::string& each : operations) list += (list.empty() ? "" : ",") + each;
    entries.push_back(
        piece({next()}, 'S', static_cast<int>(next()), 0, R"({"applyOps":[)" + list + "]}"));
  }

  static void write(const std::filesystem::path& file, const std::vector<Bytes>& documents) {
    std::ofstream out(file, std::ios::binary);
    for (const Bytes& each : documents) out << as_text(each);
  }
  void write_oplog(const std::filesystem::path& file) const { write(file, entries); }

  // The state now, as a copy with the window {now, now} would show it.
  void write_dump(const std::filesystem::path& directory) const {
    std::filesystem::create_directories(directory);
    const std::string moment = R"({"t":)" + std::to_string(now()) + R"(,"i":1})";
    write_text(directory / "manifest.json",
               R"({"first":)" + moment + R"(,"last":)" + moment + R"(,"exact":true})");
    for (const auto& [ns, collection] : collections) {
      const auto stem = directory / database_of(ns) / name_of(ns);
      std::filesystem::create_directories(stem.parent_path());
      write_text(stem.string() + ".metadata.json", metadata_of(ns, collection));
      std::vector<Bytes> documents = collection.natural;
      for (const auto& [key, document] : collection.documents) documents.push_back(document);
      write(stem.string() + ".bson", documents);
    }
    for (const auto& [ns, options] : views) {
      const auto stem = directory / database_of(ns) / name_of(ns);
      write_text(stem.string() + ".metadata.json", R"({"options":)" + options +
                                                       R"(,"indexes":[],"collectionName":")" +
                                                       name_of(ns) + R"(","type":"view"})");
    }
  }

 private:
  std::uint32_t next() const { return now() + 1; }
  static std::string database_of(const std::string& ns) { return ns.substr(0, ns.find('.')); }
  static std::string name_of(const std::string& ns) { return ns.substr(ns.find('.') + 1); }
  static std::string id_json(std::int64_t id) {
    return R"({"_id":{"$numberLong":")" + std::to_string(id) + "\"}}";
  }
  static Bytes key_of(const Bytes& document) {
    return bson::key_of(*bson::Document::trusted(document).find("_id"));
  }
  static Bytes key_of_number(std::int64_t id) { return key_of(json(id_json(id))); }

  void add(std::string_view op, const std::string& ns, const std::string& fields) {
    const char uuid = collections.at(ns).uuid;
    if (transaction != nullptr)
      transaction->push_back(inner(op, ns, uuid, fields));
    else
      entries.push_back(entry({next()}, op, ns, uuid, fields));
  }
  void command(const std::string& ns, char uuid, const std::string& o) {
    entries.push_back(test::command(next(), database_of(ns), uuid, o));
  }
  static std::string metadata_of(const std::string& ns, const ModelCollection& collection) {
    std::string indexes;
    for (const std::string& each : collection.indexes)
      indexes += (indexes.empty() ? "" : ",") + each;
    const std::string options =
        collection.options == "{}" ? "" : R"("options":)" + collection.options + ",";
    return "{" + options + R"("indexes":[)" + indexes + R"(],"uuid":")" +
           uuid_of(collection.uuid).hex() + R"(","collectionName":")" + name_of(ns) +
           R"(","type":"collection"})";
  }
  static void write_text(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
  }
};

}  // namespace holdfast::test
