#pragma once
// A view where collections have other names: what it is made from is named anew. Pure.
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "recover/namespace_choice.hpp"

namespace holdfast::recover {

struct RenamedView {
  Bytes options;                   // `viewOn` has the new name
  std::vector<std::string> notes;  // sentences: what it names that is not there under that name
};

// `view`: as it was; `options`: its viewOn, pipeline and so on, empty if unknown. Stages that read
// other collections ($lookup, $graphLookup, $unionWith) stay as they are, with a note.
RenamedView rename_view(const NamespaceName& view, ByteView options, const NamespaceChoice& choice);

}  // namespace holdfast::recover
