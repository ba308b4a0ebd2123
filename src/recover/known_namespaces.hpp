#pragma once
// That a person's choice of namespaces can be meant: before anything is written for it.
#include "recover/moment_stream.hpp"

namespace holdfast::recover {

// Error of NamespaceChoice::require_known for what the moment held.
Result<void> require_known(const NamespaceChoice& choice,
                           const std::vector<ExpectedCollection>& expected);
// The same, and no two collections with one new name, none that is too long for a server (usage).
// Asks the moment only when something is chosen.
Result<void> require_meant(MomentStream& moment);

}  // namespace holdfast::recover
