#pragma once
// What of a moment is somebody's data, and what a server makes by itself. Pure.
#include "recover/moment_stream.hpp"

namespace holdfast::recover {

enum class Restorable : std::uint8_t {
  documents,    // a collection, also time-series buckets and system.js
  view,         // made from its definition
  time_series,  // its documents are in the buckets
  view_list,    // system.views: its documents are definitions of views
  users,
  roles,
  nothing  // each server has its own: local, config, profiles, temporary collections
};

Restorable what_of(const MomentCollection& collection);
std::string_view describe(Restorable what);

// "system.buckets.X" -> "X"; empty: no buckets.
std::string_view time_series_of(std::string_view collection);

// The view that a document of `db`.system.views defines: {_id: "db.view", viewOn, pipeline,
// collation?}; nothing: no view of that database that somebody made.
std::optional<MomentCollection> view_of(std::string_view db, ByteView definition);

// Options for `create`: without what is no option of that command.
Bytes create_options(ByteView options);

}  // namespace holdfast::recover
