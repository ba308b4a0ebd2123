#pragma once
// Databases: a segment of a recorded oplog stays as long as a base that stays may need it. What a
// snapshot is, and which entries it needs or holds, is in its tags (docs/mongodump_format.md 3, 4):
// kind=mongodb with from=S.O, kind=segments with to=S.O. Pure.
#include "retain/policy.hpp"

namespace holdfast::retain {

// A transaction may have begun before the base that needs its entries; servers end them after a
// minute unless told otherwise.
constexpr std::uint32_t open_transaction_seconds_max = 24 * 3600;

// Turns removals of needed segments into keeping them, with the reason. Segments whose tags do not
// say what they hold are kept as long as their dataset has a base.
void keep_needed_segments(std::vector<Decision>& decisions);

// Whether a policy may leave nothing of these snapshots: they are no points by themselves
// (repo::is_companion). Counting rules decide about each kind apart, because each has a path of its
// own; segments stay as long as they are needed all the same.
bool is_companion_group(const SnapshotGroup& group);

}  // namespace holdfast::retain
