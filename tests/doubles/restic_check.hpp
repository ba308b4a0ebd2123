#pragma once
// Asks restic, a program we did not write, whether a repository is sound. Where it is not
// installed there is no answer.
#include <doctest/doctest.h>

#include "base/process.hpp"
#include "doubles/scratch_directory.hpp"
#include "store/local_store.hpp"

namespace holdfast::test {

inline bool has_restic() {
  const auto found = run_process({"restic", "version"}, Capture::standard_output);
  return found.has_value() && found->exit_status == 0;
}

// Copies everything in `store` to a directory and runs `restic check --read-data` on it.
inline void check_with_restic(store::Store& store, const std::string& password) {
  ScratchDirectory scratch;
  const auto copy = store::LocalStore::create(scratch.path() / "copy").value();
  const auto copied = store.list("", [&](const store::ObjectInfo& object) -> Result<void> {
    const auto bytes = TRY(store.get(object.name));
    return copy->put(object.name, bytes, store::Durability::at_sync);
  });
  REQUIRE(copied.has_value());
  REQUIRE(copy->sync().has_value());
  const auto checked =
      run_process({"restic", "-r", (scratch.path() / "copy").string(), "--no-cache", "--no-lock",
                   "--password-command", "echo " + password, "check", "--read-data"},
                  Capture::standard_output);
  REQUIRE(checked.has_value());
  CHECK_MESSAGE(checked->exit_status == 0, as_text(checked->output));
}

}  // namespace holdfast::test
