#pragma once
// The names objects may have: relative paths of [a-z0-9-_.] components, so that every store (a file
// system, an object store, a URL) can hold them unescaped and none leads outside the store.
#include <string_view>

#include "base/result.hpp"

namespace holdfast::store {

constexpr std::size_t object_name_bytes_max = 512;
constexpr std::size_t object_name_depth_max = 8;

// `refused` unless the name is one to eight components, none of them empty, "." or "..".
Result<void> check_object_name(std::string_view name);

// As above, but may be empty or end in '/' or inside a component.
Result<void> check_prefix(std::string_view prefix);

// What a writer appends to a name while the object is not complete. Listings skip such names; the
// format (docs/repository_format.md A12) ignores them as well.
constexpr std::string_view temporary_mark = "-tmp-";
bool is_temporary_name(std::string_view name);

// "data/ab" of "data/ab/abcd…"; "" of "config".
std::string_view directory_of(std::string_view name);

}  // namespace holdfast::store
