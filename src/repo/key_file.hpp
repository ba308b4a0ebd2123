#pragma once
// Key files: the master key, sealed by a key derived from one password
// (docs/repository_format.md A3). Stored as plain JSON, named by the SHA-256 of that JSON.
#include "base/rng.hpp"
#include "base/secret.hpp"
#include "repo/cipher.hpp"
#include "repo/node_time.hpp"

namespace holdfast::repo {

constexpr std::size_t key_file_bytes_max = 65536;
constexpr std::size_t key_salt_bytes = 64;
constexpr std::size_t password_bytes_max = 65536;

// Cost of one guess. Memory is 128*n*r bytes, time is proportional to n*r*p.
struct ScryptCost {
  std::uint64_t n = 32768;
  std::uint32_t r = 8;
  std::uint32_t p = 3;
  friend bool operator==(const ScryptCost&, const ScryptCost&) = default;
};
// What new key files get: 32 MiB and about 0.2 s. It is OWASP's minimum for scrypt in its 32 MiB
// form, what restic's calibration gives on such machines, and every reader of the format takes it.
constexpr ScryptCost scrypt_cost_default{};
// What a key file of somebody else may ask of this machine: 1 GiB, and 170 times the default's
// time (half a minute). Beyond that it is an attack, or not openable in practice.
constexpr std::uint64_t scrypt_memory_bytes_max = std::uint64_t{1} << 30;
constexpr std::uint64_t scrypt_work_max = std::uint64_t{1} << 27;  // n * r * p

Result<void> check_scrypt_cost(const ScryptCost& cost);

// Plain value; holds nothing secret that is not sealed.
struct KeyFile {
  std::optional<NodeTime> created;  // information only, like the two names
  std::string username, hostname;
  ScryptCost cost;
  Bytes salt;           // key_salt_bytes
  Bytes sealed_master;  // "data"
  friend bool operator==(const KeyFile&, const KeyFile&) = default;
};

Bytes encode_key_file(const KeyFile& key_file);
// Errors: malformed, unsupported (another kdf), limit_exceeded (a cost above the limits).
Result<KeyFile> decode_key_file(ByteView json);

// scrypt: password and salt to a key bundle. Slow on purpose.
Result<MasterKey> derive_key(const Secret& password, ByteView salt, const ScryptCost& cost);

// The master key, or wrong_key when the password is not this file's. One scrypt.
Result<MasterKey> open_key_file(const KeyFile& key_file, const Secret& password);

// Who and when, for people who list the keys.
struct KeyAuthor {
  NodeTime created = unknown_time;
  std::string username, hostname;
};
// A new key file for this password. One scrypt.
Result<KeyFile> make_key_file(const MasterKey& master, const Secret& password,
                              const KeyAuthor& author, Rng& rng,
                              const ScryptCost& cost = scrypt_cost_default);

// Random, none of its parts zero.
Result<MasterKey> make_master_key(Rng& rng);

// The 128 bytes of JSON under the seal. Decoding refuses keys that are all zero.
Secret encode_master_key(const MasterKey& key);
Result<MasterKey> decode_master_key(const Secret& json);

// Passwords from files and commands lose white space at both ends and a byte order mark; those
// from the environment are taken as they are.
Secret trim_password(const Secret& password);

}  // namespace holdfast::repo
