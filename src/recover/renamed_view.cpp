#include "recover/renamed_view.hpp"

#include <fmt/format.h>

#include <set>

#include "bson/builder.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

// Servers nest 100 deep.
constexpr unsigned depth_max = 200;

// Collections that stages of a pipeline read: `from` of $lookup and $graphLookup, $unionWith.
void find_sources(Document document, unsigned depth, std::set<std::string>& names) {
  if (depth > depth_max) return;
  for (const auto& element : document) {
    const bool is_name =
        element.name == "from" || element.name == "coll" || element.name == "$unionWith";
    if (is_name && element.value.type == bson::Type::string) names.emplace(element.value.as_text());
    const bool is_nested =
        element.value.type == bson::Type::document || element.value.type == bson::Type::array;
    if (is_nested) find_sources(element.value.as_document(), depth + 1, names);
  }
}

// What a view in `db` can say to reach that collection; none: it is in another database.
std::optional<std::string> reach(const std::string& db, const NamespaceName& source) {
  return source.db == db ? std::optional(source.collection) : std::nullopt;
}

void note_pipeline(const NamespaceName& view, const NamespaceName& target, Document options,
                   const NamespaceChoice& choice, std::vector<std::string>& notes) {
  const auto pipeline = options.find("pipeline");
  if (!pipeline || pipeline->type != bson::Type::array) return;
  std::set<std::string> names;
  find_sources(pipeline->as_document(), 0, names);
  for (const std::string& name : names) {
    const std::string ns = view.db + "." + name;
    const NamespaceName source = choice.name_of(ns);
    if (!choice.takes(ns))
      notes.push_back(fmt::format("the pipeline of the view {} reads {}, which is not restored",
                                  target.ns(), ns));
    else if (reach(target.db, source) != name)
      notes.push_back(
          fmt::format("the pipeline of the view {} still reads {}, which is called {} "
                      "now",
                      target.ns(), name, source.ns()));
  }
}

}  // namespace

RenamedView rename_view(const NamespaceName& view, ByteView options,
                        const NamespaceChoice& choice) {
  RenamedView renamed{to_bytes(options), {}};
  if (options.empty()) return renamed;
  const auto document = Document::trusted(options);
  const NamespaceName target = choice.name_of(view.ns());
  note_pipeline(view, target, document, choice, renamed.notes);
  const auto on = document.find("viewOn");
  if (!on || on->type != bson::Type::string) return renamed;
  const std::string ns = view.db + "." + std::string(on->as_text());
  if (!choice.takes(ns)) {
    renamed.notes.push_back(
        fmt::format("the view {} is on {}, which is not restored", target.ns(), ns));
    return renamed;
  }
  const NamespaceName source = choice.name_of(ns);
  const auto name = reach(target.db, source);
  if (!name) {
    renamed.notes.push_back(
        fmt::format("the view {} is on {}, which is called {} now: a view does "
                    "not reach into another database",
                    target.ns(), ns, source.ns()));
    return renamed;
  }
  bson::Builder out;
  for (const auto& element : document) {
    if (element.name == "viewOn")
      out.append_text("viewOn", *name);
    else
      out.append_raw(element.raw);
  }
  renamed.options = out.take();
  return renamed;
}

}  // namespace holdfast::recover
