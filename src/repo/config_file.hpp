#pragma once
// The config: what makes a repository exist (docs/repository_format.md A4). Its plaintext is bare
// JSON in both formats; the seal is added by the caller.
#include "base/rng.hpp"
#include "repo/json_text.hpp"
#include "repo/polynomial.hpp"
#include "repo/unpacked.hpp"

namespace holdfast::repo {

using RepositoryId = Id<struct RepositoryIdTag>;  // random, not a hash

constexpr std::size_t config_json_bytes_max = 65536;

// Plain value.
struct ConfigFile {
  FormatVersion version = FormatVersion::v2;
  RepositoryId id;
  Polynomial chunker_polynomial;
  bool append_only = false;  // rustic: this repository must not lose anything
  bool is_hot = false;       // rustic: the hot half of a hot/cold pair, its packs are elsewhere
  std::optional<int> compression;  // rustic: level, 0 means none
  std::vector<RawMember> other;    // rustic's chunk and pack sizes and what comes later, kept
  friend bool operator==(const ConfigFile&, const ConfigFile&) = default;
};

// Format 2, a random id and a random irreducible polynomial.
Result<ConfigFile> make_config(Rng& rng);

Bytes encode_config(const ConfigFile& config);
// Errors: malformed; unsupported (a version above 2); corrupt (a reducible polynomial).
Result<ConfigFile> decode_config(ByteView json);

}  // namespace holdfast::repo
