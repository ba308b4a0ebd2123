#pragma once
// The keys of a repository: every key file holds the same master key under another password
// (docs/repository_format.md A3). Key files are plain JSON, so listing them needs no password.
#include "base/context.hpp"
#include "repo/key_file.hpp"
#include "store/store.hpp"

namespace holdfast::repo {

// A repository with more key files than this is refused: each costs one scrypt at opening.
constexpr std::size_t key_files_max = 256;

// What a new key file says and costs.
struct KeyOptions {
  // Implicit: an author is all that most callers have to say.
  KeyOptions(KeyAuthor by = {}, ScryptCost scrypt = scrypt_cost_default)
      : author(std::move(by)), cost(scrypt) {}

  KeyAuthor author;
  ScryptCost cost;
};

struct OpenedKey {
  KeyId id;  // the key file that the password opened
  MasterKey master;
};

// Tries the password on each key file in turn. Damaged key files (their name is not the hash of
// their bytes, or they can not be decoded) are passed over with a warning that names them.
// Errors: no_repository (no key file at all), wrong_key (none opens; names the damaged ones),
// corrupt (every one is damaged).
Result<OpenedKey> open_with_password(Context& context, store::Store& store, const Secret& password);

// Stores a new key file, durable when this returns.
Result<KeyId> add_key(Context& context, store::Store& store, const MasterKey& master,
                      const Secret& password, const KeyOptions& options);

// One key file, or what is wrong with it.
struct ListedKey {
  KeyId id;
  KeyFile file;               // empty when damaged
  std::optional<Error> flaw;  // corrupt or malformed
};
// Sorted by time of creation, then id.
Result<std::vector<ListedKey>> list_keys(store::Store& store);

// The key whose id starts with `prefix`. Errors: not_found, conflict (names the candidates).
Result<KeyId> find_key(store::Store& store, std::string_view prefix);

// Errors: refused for the key in use (`in_use`), so that nobody locks himself out; not_found.
// The master key stays what it is: whoever saved it can still read (docs/repository_format.md A3).
Result<void> remove_key(store::Store& store, const KeyId& id, const KeyId& in_use);

// The new key file is durable before the old one goes: a crash leaves two that open, never none.
Result<KeyId> change_password(Context& context, store::Store& store, const OpenedKey& opened,
                              const Secret& new_password, const KeyOptions& options);

}  // namespace holdfast::repo
