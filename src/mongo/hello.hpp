#pragma once
// What members say about themselves, and which of them to read from. Pure.
#include <chrono>
#include <vector>

#include "mongo/connection.hpp"

namespace holdfast::mongo {

// From an answer to `hello` or `isMaster`. What is absent or of another type stays unset.
MemberFacts facts_of(bson::Document hello);

// Of `members`, those fit to be read from, best first: secondaries whose newest entry is at most
// `lag_max` behind the newest known one, then who takes writes. Who does not tell its newest entry
// is taken for fresh.
std::vector<MemberFacts> readable(const std::vector<MemberFacts>& members,
                                  std::chrono::seconds lag_max);

}  // namespace holdfast::mongo
