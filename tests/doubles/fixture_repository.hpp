#pragma once
// A small repository written by restic or rustic (tests/data/fixtures), unpacked into a directory
// of its own and opened with as few of our parts as possible: key file, seal, index.
#include <doctest/doctest.h>

#include <map>

#include "base/file.hpp"
#include "base/process.hpp"
#include "doubles/scratch_directory.hpp"
#include "repo/config_file.hpp"
#include "repo/index_file.hpp"
#include "repo/key_file.hpp"
#include "repo/sha256.hpp"

namespace holdfast::test {

constexpr const char* fixture_names[] = {"restic-0.14.0", "restic-0.18.0", "restic-0.19.1",
                                         "restic-v1", "rustic-0.13"};

class FixtureRepository {
 public:
  explicit FixtureRepository(const std::string& name) {
    const std::string archive = std::string(HOLDFAST_TEST_DATA) + "/fixtures/" + name + ".tar.gz";
    const auto unpacked =
        run_process({"tar", "-xzf", archive, "-C", scratch_.path().string()}, Capture::none);
    REQUIRE(unpacked.has_value());
    REQUIRE(unpacked->exit_status == 0);
    root_ = scratch_.path() / name;
    open();
  }

  const std::filesystem::path& root() const { return root_; }
  const repo::MasterKey& master() const { return master_; }
  const repo::ConfigFile& config() const { return config_; }
  const Bytes& config_json() const { return config_json_; }
  const std::vector<repo::IndexedPack>& packs() const { return packs_; }

  // Stored bytes of every file below a folder, by file name.
  std::map<std::string, Bytes> files(const std::string& folder) const {
    std::map<std::string, Bytes> found;
    if (!std::filesystem::exists(root_ / folder)) return found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ / folder))
      if (entry.is_regular_file())
        found[entry.path().filename().string()] = read_file(entry.path(), file_bytes_max).value();
    return found;
  }

  Bytes unseal(ByteView sealed) const {
    Bytes plain(sealed.size() - repo::seal_overhead_bytes);
    REQUIRE(repo::open_into(master_, sealed, plain).has_value());
    return plain;
  }

  // JSON of an index, snapshot or lock file.
  Bytes json_of(ByteView stored) const {
    repo::Decompressor decompressor;
    return repo::decode_unpacked(unseal(stored), config_.version, decompressor).value();
  }

  // Plaintext of a blob, checked against its id.
  Bytes blob(const repo::IndexedPack& pack, const repo::PackedBlob& blob) const {
    const std::string name = pack.id.hex();
    const Bytes bytes =
        read_file(root_ / "data" / name.substr(0, 2) / name, file_bytes_max).value();
    Bytes plain = unseal(ByteView(bytes).subspan(blob.offset, blob.length));
    if (blob.is_compressed()) {
      repo::Decompressor decompressor;
      Bytes decoded(blob.plain_length);
      REQUIRE(decompressor.decompress_into(plain, decoded).has_value());
      plain = std::move(decoded);
    }
    REQUIRE(repo::sha256(plain) == blob.id.bytes);
    return plain;
  }

 private:
  static constexpr std::uint64_t file_bytes_max = std::uint64_t{64} << 20;

  void open() {
    const Secret password{as_bytes("test")};
    bool is_open = false;
    for (const auto& [name, json] : files("keys")) {
      const auto key_file = repo::decode_key_file(json).value();
      const auto master = repo::open_key_file(key_file, password);
      if (!master.has_value()) continue;
      master_ = *master;
      is_open = true;
      break;
    }
    REQUIRE(is_open);
    config_json_ = unseal(read_file(root_ / "config", file_bytes_max).value());
    config_ = repo::decode_config(config_json_).value();
    for (const auto& [name, stored] : files("index")) {
      const auto decoded =
          repo::decode_index(json_of(stored), [&](const repo::IndexedPack& pack) -> Result<void> {
            packs_.push_back(pack);
            return {};
          });
      REQUIRE(decoded.has_value());
    }
  }

  ScratchDirectory scratch_;
  std::filesystem::path root_;
  repo::MasterKey master_;
  repo::ConfigFile config_;
  Bytes config_json_;
  std::vector<repo::IndexedPack> packs_;
};

}  // namespace holdfast::test
