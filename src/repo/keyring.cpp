#include "repo/keyring.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/layout.hpp"
#include "repo/sha256.hpp"

namespace holdfast::repo {
namespace {

Result<KeyFile> load_key_file(store::Store& store, const KeyId& id) {
  auto bytes = TRY(store.get(object_name(id)));
  if (bytes.size() > key_file_bytes_max)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("key file {} has {} bytes", id.short_hex(), bytes.size()));
  if (sha256(bytes) != id.bytes)
    return fail(ErrorCode::corrupt,
                fmt::format("key file {} is damaged: its name is not the hash of its bytes",
                            id.short_hex()));
  return decode_key_file(bytes).while_doing(fmt::format("reading key file {}", id.short_hex()));
}

bool is_flaw_of_the_file(const Error& error) {
  return error.code == ErrorCode::corrupt || error.code == ErrorCode::malformed ||
         error.code == ErrorCode::limit_exceeded || error.code == ErrorCode::unsupported;
}

Result<std::vector<KeyId>> list_key_ids(store::Store& store) {
  auto ids = TRY(list_ids<KeyId>(store, keys_prefix));
  if (ids.size() > key_files_max)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{} has {} key files, at most {} are tried", store.describe(),
                            ids.size(), key_files_max));
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Why no key opened: all damaged, or the password fits none of those that are not.
Error refusal(store::Store& store, std::size_t key_count, const std::vector<std::string>& damaged) {
  if (damaged.size() == key_count)
    return Error{ErrorCode::corrupt,
                 fmt::format("every key file of {} is damaged: {}", store.describe(),
                             fmt::join(damaged, "; ")),
                 {},
                 std::source_location::current()};
  std::string message = fmt::format("the password opens none of the {} key(s) of {}",
                                    key_count - damaged.size(), store.describe());
  if (!damaged.empty()) message += fmt::format(" ({})", fmt::join(damaged, "; "));
  return Error{ErrorCode::wrong_key, std::move(message), {}, std::source_location::current()};
}

}  // namespace

Result<OpenedKey> open_with_password(Context& context, store::Store& store,
                                     const Secret& password) {
  const auto ids = TRY(list_key_ids(store));
  if (ids.empty())
    return fail(ErrorCode::no_repository, fmt::format("{} has no key file", store.describe()));
  std::vector<std::string> damaged;
  for (const auto& id : ids) {
    auto opened = load_key_file(store, id);
    if (opened.has_value()) {
      auto master = open_key_file(*opened, password);
      if (master.has_value()) return OpenedKey{id, *master};
      if (master.error().code == ErrorCode::wrong_key) continue;
      opened = fail(std::move(master.error()));
    }
    if (opened.error().code == ErrorCode::not_found) continue;  // removed since it was listed
    if (!is_flaw_of_the_file(opened.error())) return fail(std::move(opened.error()));
    damaged.push_back(describe(opened.error()));
    context.log.warn(damaged.back());
  }
  return fail(refusal(store, ids.size(), damaged));
}

Result<KeyId> add_key(Context& context, store::Store& store, const MasterKey& master,
                      const Secret& password, const KeyOptions& options) {
  const auto file = TRY(make_key_file(master, password, options.author, context.rng, options.cost));
  const auto json = encode_key_file(file);
  const KeyId id{sha256(json)};
  TRY(store.put(object_name(id), json, store::Durability::immediate));
  return id;
}

Result<std::vector<ListedKey>> list_keys(store::Store& store) {
  const auto ids = TRY(list_key_ids(store));
  std::vector<ListedKey> keys;
  for (const auto& id : ids) {
    auto file = load_key_file(store, id);
    if (file.has_value()) {
      keys.push_back({id, std::move(*file), std::nullopt});
      continue;
    }
    if (!is_flaw_of_the_file(file.error())) return fail(std::move(file.error()));
    keys.push_back({id, {}, std::move(file.error())});
  }
  const auto created = [](const ListedKey& key) {
    return key.file.created ? key.file.created->seconds : unknown_time_seconds;
  };
  std::stable_sort(keys.begin(), keys.end(), [&](const ListedKey& left, const ListedKey& right) {
    return created(left) < created(right);
  });
  return keys;
}

Result<KeyId> find_key(store::Store& store, std::string_view prefix) {
  const auto ids = TRY(list_key_ids(store));
  std::vector<KeyId> matches;
  for (const auto& id : ids)
    if (!prefix.empty() && id.hex().starts_with(prefix)) matches.push_back(id);
  if (matches.size() == 1) return matches.front();
  if (matches.empty())
    return fail(ErrorCode::not_found, fmt::format("no key begins with {}", prefix));
  std::vector<std::string> names;
  for (const auto& id : matches) names.push_back(id.hex().substr(0, 16));
  return fail(ErrorCode::conflict,
              fmt::format("{} could be any of the keys {}", prefix, fmt::join(names, ", ")));
}

Result<void> remove_key(store::Store& store, const KeyId& id, const KeyId& in_use) {
  if (id == in_use)
    return fail(ErrorCode::refused,
                fmt::format("key {} is the one in use: open with another password to remove it",
                            id.short_hex()));
  const auto name = object_name(id);
  TRY(store.stat(name).while_doing(fmt::format("removing key {}", id.short_hex())));
  TRY(store.remove(name));
  return store.sync();
}

Result<KeyId> change_password(Context& context, store::Store& store, const OpenedKey& opened,
                              const Secret& new_password, const KeyOptions& options) {
  const auto added = TRY(add_key(context, store, opened.master, new_password, options));
  TRY(store.remove(object_name(opened.id)));
  TRY(store.sync());
  return added;
}

}  // namespace holdfast::repo
