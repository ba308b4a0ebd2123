// The index: sorted runs, their cache file, and what a run adds.
#include "repo/index.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "base/rng.hpp"
#include "doubles/recording_log.hpp"
#include "doubles/scratch_directory.hpp"
#include "repo/index_builder.hpp"
#include "repo/index_cache.hpp"
#include "repo/sha256.hpp"

using namespace holdfast;
using namespace holdfast::repo;
using holdfast::test::ScratchDirectory;

namespace {

BlobId blob_id(std::uint64_t number) {
  return BlobId{sha256(ByteView(reinterpret_cast<const std::uint8_t*>(&number), sizeof number))};
}
PackId pack_id(std::uint64_t number) {
  return PackId{blob_id(number ^ 0xabcdef).bytes};
}

// Pack `number` with blobs first, first + 1, ...
IndexedPack make_pack(std::uint64_t number, std::uint64_t first, std::size_t count,
                      PackState state = PackState::live) {
  IndexedPack pack;
  pack.id = pack_id(number);
  pack.state = state;
  std::uint32_t offset = 0;
  for (std::uint64_t at = first; at < first + count; ++at) {
    const auto length = static_cast<std::uint32_t>(40 + at % 50);
    const auto type = at % 5 == 0 ? BlobType::tree : BlobType::data;
    pack.blobs.push_back({blob_id(at), type, offset, length, length * 3});
    offset += length;
  }
  return pack;
}

BlobHandle handle(std::uint64_t number) {
  return {number % 5 == 0 ? BlobType::tree : BlobType::data, blob_id(number)};
}

// Index files kept in memory, as IndexCache wants to load them.
struct Files {
  std::map<IndexId, Bytes> json;
  std::vector<IndexId> read;

  IndexId add(const std::vector<IndexedPack>& packs) {
    IndexEncoder encoder;
    for (const auto& pack : packs) encoder.add(pack);
    auto bytes = encoder.finish();
    const IndexId id{sha256(bytes)};
    json[id] = std::move(bytes);
    return id;
  }
  std::vector<IndexId> ids() const {
    std::vector<IndexId> all;
    for (const auto& [id, bytes] : json) all.push_back(id);
    return all;
  }
  LoadIndexFile loader() {
    return [this](const IndexId& id) -> Result<Bytes> {
      read.push_back(id);
      const auto found = json.find(id);
      if (found == json.end()) return fail(ErrorCode::not_found, "no such index file");
      return found->second;
    };
  }
};

struct World {
  ScratchDirectory directory;
  test::RecordingLog log;
  Files files;
  RepositoryId repository{sha256({})};

  Result<IndexCache::Loaded> try_load(DamagedIndexFiles on_damage = DamagedIndexFiles::fail) {
    files.read.clear();
    IndexCache cache(directory.path(), repository);
    return cache.load(log, files.ids(), files.loader(), on_damage);
  }
  Index load() {
    auto loaded = try_load();
    REQUIRE_MESSAGE(loaded.has_value(), describe(loaded.error()));
    return Index(std::move(loaded->index), directory.path());
  }
  std::filesystem::path cache_file() const { return directory.path() / repository.hex() / "index"; }
};

}  // namespace

TEST_CASE("a record takes 24 bytes, and so does the rest of its id") {
  CHECK(sizeof(IndexRecord) == 24);
  CHECK(sizeof(IdSuffix) == 24);
}

TEST_CASE("every blob is found where its index file says, and others are not") {
  World world;
  for (std::uint64_t at = 0; at < 20; ++at) world.files.add({make_pack(at, at * 100, 100)});
  const auto index = world.load();
  CHECK(index.loaded_count() == 2000);
  CHECK(index.loaded_pack_count() == 20);
  for (std::uint64_t at = 0; at < 2000; ++at) {
    const auto found = index.find_live(handle(at));
    REQUIRE(found.has_value());
    CHECK(index.pack(found->blob.pack).id == pack_id(at / 100));
    CHECK(found->blob.length == 40 + at % 50);
    CHECK(found->blob.plain_length == 3 * found->blob.length);
    CHECK(index.at(found->position.value()) == found->blob);
    auto other = handle(at);
    other.type = other.type == BlobType::data ? BlobType::tree : BlobType::data;
    CHECK(!index.contains(other));
  }
  for (std::uint64_t at = 2000; at < 4000; ++at) CHECK(!index.contains(handle(at)));
}

TEST_CASE("positions are in the order of ids, copies side by side") {
  World world;
  world.files.add({make_pack(1, 0, 300)});
  world.files.add({make_pack(2, 200, 300)});
  const auto index = world.load();
  CHECK(index.loaded_count() == 600);
  for (std::uint64_t at = 1; at < index.loaded_count(); ++at)
    CHECK(!(index.at(at).handle.id < index.at(at - 1).handle.id));
  CHECK(index.positions_of(handle(100)).count == 1);
  CHECK(index.positions_of(handle(250)).count == 2);
  CHECK(index.positions_of(handle(999)).count == 0);
  CHECK(index.find_all(handle(250)).size() == 2);
}

TEST_CASE("a pack listed in several index files counts once") {
  World world;
  world.files.add({make_pack(1, 0, 10)});
  world.files.add({make_pack(1, 0, 10), make_pack(2, 10, 10)});
  const auto index = world.load();
  CHECK(index.loaded_count() == 20);
  CHECK(index.loaded_pack_count() == 2);
  CHECK(index.find_all(handle(3)).size() == 1);
}

TEST_CASE("blobs of packs marked for deletion are the last resort and do not count as present") {
  World world;
  world.files.add({make_pack(1, 0, 10, PackState::marked), make_pack(2, 5, 10)});
  const auto index = world.load();
  CHECK(!index.contains(handle(2)));
  CHECK(index.find_all(handle(2)).size() == 1);
  CHECK(index.contains(handle(7)));
  const auto copies = index.find_all(handle(7));
  REQUIRE(copies.size() == 2);
  CHECK(index.pack(copies[0].pack).id == pack_id(2));
  CHECK(index.pack(copies[1].pack).state == PackState::marked);
}

TEST_CASE("a pack that one file marks and another lists is live") {
  World world;
  world.files.add({make_pack(1, 0, 10, PackState::marked)});
  CHECK(!world.load().contains(handle(2)));
  world.files.add({make_pack(1, 0, 10)});
  const auto index = world.load();
  CHECK(index.contains(handle(2)));
  CHECK(index.loaded_count() == 10);
}

TEST_CASE("the cache is used while the set of index files is the same") {
  World world;
  world.files.add({make_pack(1, 0, 100)});
  world.files.add({make_pack(2, 100, 100)});
  CHECK(world.load().loaded_count() == 200);
  CHECK(world.files.read.size() == 2);
  CHECK(world.load().contains(handle(150)));
  CHECK(world.files.read.empty());
}

TEST_CASE("only new index files are read, and all of them again when one vanished") {
  World world;
  const auto first = world.files.add({make_pack(1, 0, 100)});
  world.load();
  const auto second = world.files.add({make_pack(2, 50, 100)});
  {
    const auto index = world.load();
    CHECK(world.files.read == std::vector<IndexId>{second});
    CHECK(index.loaded_count() == 200);
    CHECK(index.contains(handle(120)));
    CHECK(index.pack(0).id == pack_id(1));
  }
  world.files.json.erase(first);
  const auto index = world.load();
  CHECK(world.files.read == std::vector<IndexId>{second});
  CHECK(index.loaded_count() == 100);
  CHECK(!index.contains(handle(20)));
}

TEST_CASE("a damaged cache is made again without a word, wherever the damage is") {
  World world;
  world.files.add({make_pack(1, 0, 40)});
  world.load();
  const auto good = read_file(world.cache_file(), 1 << 20).value();
  constexpr std::size_t padding_begin = 136;  // between header and rows: says nothing
  constexpr std::size_t padding_end = 144;
  for (std::size_t place = 0; place < good.size(); place += 37) {
    if (place >= padding_begin && place < padding_end) continue;
    CAPTURE(place);
    auto bad = good;
    bad[place] ^= 0x10;
    REQUIRE(write_file_atomically(world.cache_file(), bad).has_value());
    CHECK(world.load().contains(handle(12)));
    CHECK(world.files.read.size() == 1);
  }
  for (const std::size_t length : {std::size_t{0}, std::size_t{100}, good.size() - 1}) {
    CAPTURE(length);
    REQUIRE(write_file_atomically(world.cache_file(), ByteView(good).first(length)).has_value());
    CHECK(world.load().contains(handle(12)));
    CHECK(world.files.read.size() == 1);
  }
  CHECK(world.log.count() == 0);
}

TEST_CASE("rows of any contents never lead outside of memory") {
  World world;
  world.files.add({make_pack(1, 0, 64)});
  auto loaded = world.try_load();
  REQUIRE(loaded.has_value());
  SeededRng rng(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<IndexRecord> records;
    std::vector<IdSuffix> suffixes;
    for (std::uint64_t at = 0; at < 64; ++at) {
      records.push_back(loaded->index.run.record(at));
      suffixes.push_back(loaded->index.run.row(at).suffix);
    }
    const MutableByteView bytes(reinterpret_cast<std::uint8_t*>(records.data()), 64 * 24);
    for (int flip = 0; flip < 20; ++flip)
      bytes[rng.below(bytes.size())] ^= static_cast<std::uint8_t>(1 + rng.below(255));
    LoadedIndex damaged;
    damaged.run = IndexRun(records, suffixes);
    damaged.packs = loaded->index.packs;
    damaged.states = loaded->index.states;
    const Index index(std::move(damaged), world.directory.path());
    for (std::uint64_t at = 0; at < 64; ++at) {
      for (const auto& copy : index.find_all(handle(at))) index.pack(copy.pack);
      index.contains(handle(at));
      const auto blob = index.at(at);
      CHECK(blob.plain_bytes() <= std::max(blob.length, blob.plain_length));
    }
  }
}

TEST_CASE("a cache of another repository is not used") {
  World world;
  world.files.add({make_pack(1, 0, 10)});
  world.load();
  const auto foreign = world.cache_file();
  world.repository = RepositoryId{sha256(as_bytes("other"))};
  std::filesystem::create_directories(world.cache_file().parent_path());
  std::filesystem::copy_file(foreign, world.cache_file());
  world.load();
  CHECK(world.files.read.size() == 1);
}

TEST_CASE("without a cache directory, or with one that can not be made, all is read each time") {
  World world;
  world.files.add({make_pack(1, 0, 10)});
  for (const std::optional<std::filesystem::path>& directory :
       {std::optional<std::filesystem::path>(),
        std::optional<std::filesystem::path>("/dev/null/impossible")}) {
    IndexCache cache(directory, world.repository);
    const auto loaded =
        cache.load(world.log, world.files.ids(), world.files.loader(), DamagedIndexFiles::fail);
    REQUIRE(loaded.has_value());
    CHECK(loaded->index.run.size() == 10);
  }
  CHECK(world.files.read.size() == 2);
}

TEST_CASE("a damaged index file is an error, or left out with a warning and not cached") {
  World world;
  world.files.add({make_pack(1, 0, 10)});
  const auto bad = world.files.add({make_pack(2, 10, 10)});
  world.files.json[bad] = to_bytes(as_bytes("{\"packs\":[{"));
  const auto failed = world.try_load();
  REQUIRE(!failed.has_value());
  CHECK(describe(failed.error()).find(bad.short_hex()) != std::string::npos);

  const auto loaded = world.try_load(DamagedIndexFiles::skip);
  REQUIRE(loaded.has_value());
  CHECK(loaded->skipped == std::vector<IndexId>{bad});
  CHECK(loaded->index.run.size() == 10);
  CHECK(world.log.mentions(bad.short_hex()));
  CHECK(!std::filesystem::exists(world.cache_file()));
}

TEST_CASE("an index that vanished since the listing is not_found, so that one can list again") {
  World world;
  const auto id = world.files.add({make_pack(1, 0, 10)});
  world.files.json.clear();
  IndexCache cache(std::nullopt, world.repository);
  const auto loaded = cache.load(world.log, {id}, world.files.loader(), DamagedIndexFiles::skip);
  REQUIRE(!loaded.has_value());
  CHECK(loaded.error().code == ErrorCode::not_found);
}

TEST_CASE("more blobs than fit into the sorting buffer are merged from files") {
  ScratchDirectory scratch;
  IndexRowSorter sorter(scratch.path());
  SeededRng rng(3);
  const std::size_t count = index_rows_buffered_max * 2 + 1000;
  for (std::size_t at = 0; at < count; ++at) {
    IndexedBlob blob;
    store_be64(blob.handle.id.bytes.data(), rng.next());
    blob.pack = static_cast<std::uint32_t>(at % 100);
    REQUIRE(sorter.add(IndexRow::make(blob)).has_value());
    if (at % 1000 == 0) REQUIRE(sorter.add(IndexRow::make(blob)).has_value());  // the same place
  }
  std::optional<IndexRow> last;
  std::size_t seen = 0;
  REQUIRE(sorter
              .merge({},
                     [&](const IndexRow& row) -> Result<void> {
                       if (last) CHECK(*last < row);
                       last = row;
                       ++seen;
                       return {};
                     })
              .has_value());
  CHECK(seen == count);
}

// Bytes of mapped files in this process's memory.
std::uint64_t resident_file_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word)
    if (word == "RssFile:") {
      std::uint64_t kilobytes = 0;
      status >> kilobytes;
      return kilobytes * 1024;
    }
  return 0;
}

TEST_CASE("the index takes at most 24 bytes of memory a blob, also when every blob was found") {
  ScratchDirectory scratch;
  constexpr std::uint64_t count = 300'000;
  constexpr std::uint64_t slack_bytes = 2 << 20;
  auto file = make_unnamed_file(scratch.path()).value();
  IndexBuilder builder(scratch.path(), nullptr);
  SeededRng rng(11);
  IndexedPack pack;
  for (std::uint64_t at = 0; at < count; at += 100) {
    rng.fill(pack.id.bytes);
    pack.blobs.assign(100, {});
    for (auto& blob : pack.blobs) {
      rng.fill(blob.id.bytes);
      blob.length = 1000;
    }
    REQUIRE(builder.add(pack).has_value());
  }
  REQUIRE(builder.finish(file, {}, {}).has_value());
  const auto before = resident_file_bytes();
  const Index index(map_index_image(std::move(file), {}).value(), scratch.path());
  SeededRng again(11);
  PackId ignored;
  for (std::uint64_t at = 0; at < count; ++at) {
    if (at % 100 == 0) again.fill(ignored.bytes);
    BlobHandle wanted;
    again.fill(wanted.id.bytes);
    REQUIRE(index.contains(wanted));
  }
  CHECK(resident_file_bytes() - before <= 24 * count + slack_bytes);
  for (std::uint64_t at = 0; at < count; ++at) REQUIRE(index.at(at).length == 1000);
  CHECK(resident_file_bytes() - before <= 24 * count + slack_bytes);
}

TEST_CASE("blobs added since loading are found, through all merges of runs") {
  World world;
  world.files.add({make_pack(1, 0, 100)});
  auto loaded = world.try_load();
  REQUIRE(loaded.has_value());
  Index index(std::move(loaded->index), world.directory.path());
  constexpr std::uint64_t packs = 40;
  constexpr std::uint64_t blobs = 3000;
  for (std::uint64_t at = 0; at < packs; ++at) {
    const auto pack = make_pack(100 + at, 1000 + at * blobs, blobs);
    REQUIRE(index.add_pack(pack.id, pack.blobs).has_value());
  }
  CHECK(index.pack_count() == 1 + packs);
  CHECK(index.loaded_count() == 100);
  for (std::uint64_t at = 1000; at < 1000 + packs * blobs; at += 97) {
    const auto found = index.find_live(handle(at));
    REQUIRE(found.has_value());
    CHECK(!found->position.has_value());
    CHECK(index.pack(found->blob.pack).id == pack_id(100 + (at - 1000) / blobs));
    CHECK(index.find_all(handle(at)).size() == 1);
  }
  std::set<BlobHandle> visited;
  REQUIRE(index
              .visit_added([&](const IndexedBlob& blob) -> Result<void> {
                visited.insert(blob.handle);
                return {};
              })
              .has_value());
  CHECK(visited.size() == packs * blobs);
}
