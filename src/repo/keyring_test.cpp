#include "repo/keyring.hpp"

#include "doubles/memory_repository.hpp"
#include "repo/layout.hpp"

using namespace holdfast;
using namespace holdfast::repo;
using holdfast::test::MemoryRepository;
using holdfast::test::test_scrypt_cost;

namespace {

Secret secret(std::string_view text) {
  return Secret(as_bytes(text));
}

Result<OpenedKey> open_with(MemoryRepository& world, std::string_view password) {
  return open_with_password(world.context, world.store, secret(password));
}

ErrorCode code_of(const auto& result) {
  REQUIRE(!result.has_value());
  return result.error().code;
}

KeyId add(MemoryRepository& world, std::string_view password, KeyAuthor author = {}) {
  const auto master = open_with(world, "test").value().master;
  return add_key(world.context, world.store, master, secret(password), {author, test_scrypt_cost})
      .value();
}

}  // namespace

TEST_CASE("every added password opens the same master key") {
  MemoryRepository world;
  const auto first = open_with(world, "test").value();
  const auto added = add(world, "second");
  const auto second = open_with(world, "second").value();
  CHECK(second.id == added);
  CHECK(second.master.encrypt == first.master.encrypt);
  CHECK(second.master.mac_k == first.master.mac_k);
  CHECK(code_of(open_with(world, "third")) == ErrorCode::wrong_key);
}

TEST_CASE("keys are listed without a password, oldest first") {
  MemoryRepository world;
  KeyAuthor author{{1'800'000'000, 0, 0}, "root", "shop"};
  const auto added = add(world, "second", author);
  const auto keys = list_keys(world.store).value();
  REQUIRE(keys.size() == 2);
  CHECK(keys[1].id == added);
  CHECK(keys[1].file.hostname == "shop");
  CHECK(!keys[1].flaw);
  CHECK(find_key(world.store, added.hex().substr(0, 10)).value() == added);
  CHECK(code_of(find_key(world.store, "xyz")) == ErrorCode::not_found);
  CHECK(code_of(find_key(world.store, "")) == ErrorCode::not_found);
}

TEST_CASE("the key in use can not be removed, another one can") {
  MemoryRepository world;
  const auto used = open_with(world, "test").value().id;
  const auto added = add(world, "second");
  CHECK(code_of(remove_key(world.store, used, used)) == ErrorCode::refused);
  REQUIRE(remove_key(world.store, added, used).has_value());
  CHECK(code_of(open_with(world, "second")) == ErrorCode::wrong_key);
  CHECK(code_of(remove_key(world.store, added, used)) == ErrorCode::not_found);
}

TEST_CASE("changing the password retires the old one and keeps the master key") {
  MemoryRepository world;
  const auto before = open_with(world, "test").value();
  const auto changed =
      change_password(world.context, world.store, before, secret("better"), {{}, test_scrypt_cost});
  REQUIRE(changed.has_value());
  CHECK(code_of(open_with(world, "test")) == ErrorCode::wrong_key);
  const auto after = open_with(world, "better").value();
  CHECK(after.id == *changed);
  CHECK(after.master.encrypt == before.master.encrypt);
  CHECK(world.names(keys_prefix).size() == 1);
}

TEST_CASE("a password change that is cut off anywhere leaves a password that opens") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    MemoryRepository world;
    const auto before = open_with(world, "test").value();
    store::FaultScript script;
    script.crash_at_call = call;
    REQUIRE(world.store.reopen(script).has_value());
    const auto changed = change_password(world.context, world.store, before, secret("better"),
                                         {{}, test_scrypt_cost});
    REQUIRE(world.store.reopen().has_value());
    const bool old_opens = open_with(world, "test").has_value();
    const bool new_opens = open_with(world, "better").has_value();
    CHECK((old_opens || new_opens));
    if (!changed.has_value()) continue;
    CHECK(new_opens);
    CHECK(!old_opens);
    break;
  }
}

TEST_CASE("a damaged key file is named, and the others still open") {
  MemoryRepository world;
  const auto bad = open_with(world, "test").value().id;
  add(world, "second");
  auto bytes = world.store.get(object_name(bad)).value();
  bytes[bytes.size() / 2] ^= 1;
  REQUIRE(world.store.put(object_name(bad), bytes, store::Durability::immediate).has_value());

  REQUIRE(open_with(world, "second").has_value());
  const auto refused = open_with(world, "test");
  CHECK(code_of(refused) == ErrorCode::wrong_key);
  CHECK(refused.error().message.find(bad.short_hex()) != std::string::npos);
  CHECK(world.log.mentions(bad.short_hex()));
  const auto keys = list_keys(world.store).value();
  CHECK(std::count_if(keys.begin(), keys.end(),
                      [](const ListedKey& key) { return key.flaw.has_value(); }) == 1);
}

TEST_CASE("when every key file is damaged that is what is said") {
  MemoryRepository world;
  const auto name = world.names(keys_prefix).front();
  REQUIRE(world.store.put(name, as_bytes("{}"), store::Durability::immediate).has_value());
  CHECK(code_of(open_with(world, "test")) == ErrorCode::corrupt);
}

TEST_CASE("a store with absurdly many key files is refused") {
  MemoryRepository world;
  for (std::size_t at = 0; at < key_files_max; ++at) {
    const KeyId id{sha256(as_bytes(std::to_string(at)))};
    REQUIRE(
        world.store.put(object_name(id), as_bytes("x"), store::Durability::immediate).has_value());
  }
  CHECK(code_of(open_with(world, "test")) == ErrorCode::limit_exceeded);
}
