#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>

#include "bson/builder.hpp"
#include "oplog/change_event.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Type;
using bson::Value;

constexpr std::size_t path_depth_max = 200;
constexpr std::int64_t array_index_max = 0x7FFFFFFF;

constexpr std::array<std::uint8_t, 5> empty_document{5, 0, 0, 0, 0};

struct Step {
  std::string name;
  bool is_index = false;
};
using Path = std::vector<Step>;

// A value that changes, as the diff of docs/oplog_format.md 3.3.1 nests it.
struct DiffNode {
  struct Child {
    std::string name;
    std::optional<Value> value;       // set to this
    std::unique_ptr<DiffNode> below;  // or changed inside
    bool is_removed = false;          // or removed
  };
  std::vector<Child> children;                              // in the order of the event
  std::map<std::string, std::size_t, std::less<>> numbers;  // of children, by name
  bool is_array = false;
  std::optional<std::int64_t> length;

  // New, if it is not there yet.
  Child& child(const std::string& name) {
    const auto [found, is_new] = numbers.try_emplace(name, children.size());
    if (is_new) children.push_back({name, {}, {}, false});
    return children[found->second];
  }
};

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return '0' <= c && c <= '9'; });
}

std::int64_t index_of(std::string_view name) {
  std::int64_t index = 0;
  std::from_chars(name.data(), name.data() + name.size(), index);
  return index;
}

tl::unexpected<Error> ambiguous(std::string_view path) {
  return fail(ErrorCode::unsupported,
              fmt::format("the path '{}' of a change event can mean a field or an index, and the "
                          "event does not say which (servers before 6.1 do not)",
                          path));
}

Result<Path> told_path(std::string_view path, Document steps) {
  Path told;
  for (const auto& element : steps) {
    if (told.size() == path_depth_max)
      return fail(ErrorCode::limit_exceeded, "a path of a change event is too deep");
    if (element.value.type == Type::string) {
      told.push_back({std::string(element.value.as_text()), false});
      continue;
    }
    const auto index = element.value.as_integer();
    if (!index || *index < 0 || *index > array_index_max)
      return fail(ErrorCode::malformed, fmt::format("disambiguatedPaths of '{}'", path));
    told.push_back({std::to_string(*index), true});
  }
  if (told.empty())
    return fail(ErrorCode::malformed, fmt::format("disambiguatedPaths of '{}'", path));
  return told;
}

Result<Path> path_of(std::string_view text, const std::optional<Document>& disambiguated) {
  if (disambiguated) {
    const auto told = disambiguated->find(text);
    if (told && told->type == Type::array) return told_path(text, told->as_document());
  }
  Path path;
  std::string_view rest = text;
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    if (is_number(name)) return ambiguous(text);
    path.push_back({std::string(name), false});
    if (path.size() > path_depth_max)
      return fail(ErrorCode::limit_exceeded, "a path of a change event is too deep");
    if (dot == std::string_view::npos) return path;
    rest.remove_prefix(dot + 1);
  }
}

// Builds the nested diff. One thread.
class DiffBuilder {
 public:
  // The child that the path names, new or known.
  Result<DiffNode::Child*> place(const Path& path, std::string_view text) {
    DiffNode* node = &root_;
    for (std::size_t at = 0;; ++at) {
      if (at == 0 ? path[0].is_index : node->is_array != path[at].is_index) {
        if (at == 0 || !node->children.empty() || node->length) return contradiction(text);
        node->is_array = path[at].is_index;
      }
      DiffNode::Child* child = &node->child(path[at].name);
      if (at + 1 == path.size()) return child;
      if (child->value || child->is_removed) return contradiction(text);
      if (!child->below) child->below = std::make_unique<DiffNode>();
      node = child->below.get();
    }
  }

  Result<void> truncate(const Path& path, std::string_view text, std::int64_t length) {
    DiffNode::Child* child = TRY(place(path, text));
    if (child->value || child->is_removed) return contradiction(text);
    if (!child->below) child->below = std::make_unique<DiffNode>();
    child->below->is_array = true;
    child->below->length = length;
    return {};
  }

  bool is_empty() const { return root_.children.empty(); }

  void write(bson::Builder& to) { write_object(root_, to); }

 private:
  static tl::unexpected<Error> contradiction(std::string_view text) {
    return fail(ErrorCode::malformed,
                fmt::format("a change event contradicts itself at the path '{}'", text));
  }

  static void write_below(DiffNode& node, bson::Builder& to) {
    if (node.is_array)
      write_array(node, to);
    else
      write_object(node, to);
  }

  static void write_object(DiffNode& node, bson::Builder& to) {
    const auto any = [&](auto test) {
      return std::any_of(node.children.begin(), node.children.end(), test);
    };
    if (any([](const DiffNode::Child& child) { return child.is_removed; })) {
      to.begin_document("d");
      for (const auto& child : node.children)
        if (child.is_removed) to.append_bool(child.name, false);
      to.end();
    }
    // A field that is not there yet is appended, in the order of the event.
    if (any([](const DiffNode::Child& child) { return child.value.has_value(); })) {
      to.begin_document("u");
      for (const auto& child : node.children)
        if (child.value) to.append(child.name, *child.value);
      to.end();
    }
    for (const auto& child : node.children) {
      if (!child.below) continue;
      to.begin_document("s" + child.name);
      write_below(*child.below, to);
      to.end();
    }
  }

  static void write_array(DiffNode& node, bson::Builder& to) {
    to.append_bool("a", true);
    if (node.length) to.append_int32("l", static_cast<std::int32_t>(*node.length));
    std::stable_sort(node.children.begin(), node.children.end(),
                     [](const DiffNode::Child& left, const DiffNode::Child& right) {
                       return index_of(left.name) < index_of(right.name);
                     });
    for (const auto& child : node.children) {
      if (child.value) {
        to.append("u" + child.name, *child.value);
      } else if (child.below) {
        to.begin_document("s" + child.name);
        write_below(*child.below, to);
        to.end();
      }
    }
  }

  DiffNode root_;
};

Result<std::optional<Document>> member(Document description, std::string_view name, Type type) {
  const auto value = description.find(name);
  if (!value || value->type == Type::null) return std::optional<Document>();
  if (value->type != type)
    return fail(ErrorCode::malformed, fmt::format("a change event's {} has another type", name));
  return std::optional(value->as_document());
}

Result<void> add_truncations(Document list, const std::optional<Document>& disambiguated,
                             DiffBuilder& diff) {
  for (const auto& element : list) {
    if (element.value.type != Type::document)
      return fail(ErrorCode::malformed, "truncatedArrays holds something else");
    const Document truncation = element.value.as_document();
    const auto field = truncation.find("field");
    const auto size = truncation.find("newSize");
    const auto length = size ? size->as_integer() : std::nullopt;
    if (!field || field->type != Type::string || !length || *length < 0 ||
        *length > array_index_max)
      return fail(ErrorCode::malformed, "truncatedArrays holds something else");
    const Path path = TRY(path_of(field->as_text(), disambiguated));
    TRY(diff.truncate(path, field->as_text(), *length));
  }
  return {};
}

}  // namespace

Result<Bytes> update_of(bson::Document description) {
  const auto disambiguated = TRY(member(description, "disambiguatedPaths", Type::document));
  const auto updated = TRY(member(description, "updatedFields", Type::document));
  const auto removed = TRY(member(description, "removedFields", Type::array));
  const auto truncated = TRY(member(description, "truncatedArrays", Type::array));
  DiffBuilder diff;
  if (truncated) TRY(add_truncations(*truncated, disambiguated, diff));
  for (const auto& element : removed.value_or(Document::trusted(empty_document))) {
    if (element.value.type != Type::string)
      return fail(ErrorCode::malformed, "removedFields holds something else");
    const Path path = TRY(path_of(element.value.as_text(), disambiguated));
    if (path.back().is_index) return ambiguous(element.value.as_text());
    DiffNode::Child* child = TRY(diff.place(path, element.value.as_text()));
    if (child->is_removed || child->below)
      return fail(ErrorCode::malformed,
                  fmt::format("a change event removes the path '{}' and changes it",
                              element.value.as_text()));
    child->is_removed = true;
  }
  for (const auto& element : updated.value_or(Document::trusted(empty_document))) {
    const Path path = TRY(path_of(element.name, disambiguated));
    DiffNode::Child* child = TRY(diff.place(path, element.name));
    if (child->is_removed || child->below || child->value)
      return fail(ErrorCode::malformed,
                  fmt::format("a change event sets the path '{}' twice", element.name));
    child->value = element.value;
  }
  if (diff.is_empty()) return Bytes();
  bson::Builder update;
  update.append_int32("$v", 2);
  update.begin_document("diff");
  diff.write(update);
  update.end();
  return update.take();
}

}  // namespace holdfast::oplog
