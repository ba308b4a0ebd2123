#include "catalog/server_identity.hpp"

#include <doctest/doctest.h>

namespace holdfast::catalog {
namespace {

const ServerIdentity first{"rs0", std::string(24, '1')};

repo::StoredSnapshot snapshot_at(int seconds, const ServerIdentity& identity,
                                 std::string_view dataset = "shop") {
  repo::StoredSnapshot stored;
  stored.snapshot.time =
      repo::make_node_time(WallTime(std::chrono::seconds(1'700'000'000 + seconds)));
  stored.snapshot.tags = identity_tags(identity);
  stored.snapshot.tags.push_back("dataset=" + std::string(dataset));
  return stored;
}

TEST_CASE("the newest snapshot of a dataset that names its server counts") {
  const ServerIdentity second{"rs1", std::string(24, '2')};
  const std::vector<repo::StoredSnapshot> snapshots{snapshot_at(3, second), snapshot_at(1, first),
                                                    snapshot_at(5, {}),
                                                    snapshot_at(9, first, "other")};
  CHECK(recorded_identity(snapshots, "shop") == second);
  CHECK(recorded_identity(snapshots, "other") == first);
  CHECK(recorded_identity(snapshots, "none") == ServerIdentity{});
}

TEST_CASE("another name or another id is another server, what is not known is none") {
  const auto refused = [](const ServerIdentity& recorded, const ServerIdentity& given) {
    const auto checked = check_identity(recorded, given, "shop", OtherServer::refuse);
    if (!checked.has_value()) CHECK(checked.error().code == ErrorCode::refused);
    return !checked.has_value();
  };
  CHECK_FALSE(refused(first, first));
  CHECK_FALSE(refused({}, first));
  CHECK_FALSE(refused(first, {"rs0", ""}));
  CHECK_FALSE(refused(first, {}));
  CHECK(refused(first, {"rs1", ""}));
  CHECK(refused(first, {"rs0", std::string(24, '2')}));
  CHECK(check_identity(first, {"rs1", ""}, "shop", OtherServer::accept).has_value());
}

TEST_CASE("a name that a list of tags can not hold is left out") {
  CHECK(identity_tags({"a,b", std::string(24, '1')}) ==
        std::vector<std::string>{"set-id=" + std::string(24, '1')});
}

}  // namespace
}  // namespace holdfast::catalog
