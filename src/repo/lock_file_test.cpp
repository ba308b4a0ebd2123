#include "repo/lock_file.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace holdfast::repo;

TEST_CASE("a lock of restic is read and written byte for byte") {
  const std::string_view json =
      R"({"time":"2026-11-24T03:55:16.411421096+05:30","exclusive":false,"hostname":"vm",)"
      R"("username":"root","pid":18290,"uid":5,"gid":6})";
  const auto lock = decode_lock_file(as_bytes(json)).value();
  CHECK(lock.kind == LockKind::shared);
  CHECK(lock.hostname == "vm");
  CHECK(lock.username == "root");
  CHECK(lock.pid == 18290);
  CHECK(lock.uid == 5);
  CHECK(lock.gid == 6);
  CHECK_FALSE(lock.started.has_value());
  CHECK(as_text(encode_lock_file(lock)) == json);
}

TEST_CASE("our own lock says more, and is still one to restic") {
  LockFile lock;
  lock.time = {1500000000, 0, 0};
  lock.kind = LockKind::exclusive;
  lock.pid = 7;
  lock.program = "holdfast 0.1.0 prune";
  lock.boot_id = "b";
  lock.pid_ns = 4026531836;
  lock.started = NodeTime{1400000000, 0, 0};
  const Bytes json = encode_lock_file(lock);
  CHECK(as_text(json) ==
        R"({"time":"2017-07-14T02:40:00Z","exclusive":true,"hostname":"","username":"","pid":7,)"
        R"("program":"holdfast 0.1.0 prune","boot_id":"b","pid_ns":4026531836,)"
        R"("started":"2014-05-13T16:53:20Z"})");
  CHECK(decode_lock_file(json).value() == lock);
}

TEST_CASE("malformed locks are refused") {
  for (const char* json :
       {"", "[]", R"({"exclusive":1})", R"({"pid":1.5})", R"({"time":"x"})", "{}x"})
    CHECK_FALSE(decode_lock_file(as_bytes(json)).has_value());
  CHECK_FALSE(decode_lock_file(Bytes(100000, ' ')).has_value());
  CHECK(decode_lock_file(as_bytes("{}")).has_value());
}
