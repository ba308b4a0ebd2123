// The actions are sorted so that '.' comes before every other byte: then all actions below one
// component are neighbours, components are in the order in which the server visits them, and a
// path that is a prefix of another stands right before it. The tree is never built; a node is a
// span of actions and an offset into their paths.
#include "oplog/modifiers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::Value;

constexpr Value null_value{Type::null, {}};

std::uint8_t sort_byte(char byte) {
  return byte == '.' ? 0 : static_cast<std::uint8_t>(byte);
}

bool visits_before(std::string_view left, std::string_view right) {
  return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end(),
                                      [](char a, char b) { return sort_byte(a) < sort_byte(b); });
}

Result<void> check_path(std::string_view path) {
  std::size_t components = 0;
  while (true) {
    const std::size_t dot = path.find('.');
    if (path.substr(0, dot).empty())
      return fail(ErrorCode::malformed, "an update path has an empty component");
    if (++components > path_components_max)
      return fail(ErrorCode::limit_exceeded, "an update path has more than 200 components");
    if (dot == std::string_view::npos) return {};
    path.remove_prefix(dot + 1);
  }
}

}  // namespace

Result<void> Modifiers::read(Document o) {
  actions_.clear();
  for (const Element& element : o) {
    if (element.name == "$v") continue;
    const bool is_set = element.name == "$set";
    if (!is_set && element.name != "$unset")
      return fail(ErrorCode::unsupported, fmt::format("unknown modifier '{}'", element.name));
    if (element.value.type != Type::document)
      return fail(ErrorCode::malformed, fmt::format("'{}' is not a document", element.name));
    TRY(add_all(element.value.as_document(), is_set));
  }
  std::sort(actions_.begin(), actions_.end(), [](const Action& left, const Action& right) {
    return visits_before(left.path, right.path);
  });
  return check_conflicts();
}

Result<void> Modifiers::add_all(Document paths, bool is_set) {
  for (const Element& element : paths) {
    TRY(check_path(element.name));
    actions_.push_back({element.name, is_set, element.value});
  }
  return {};
}

Result<void> Modifiers::check_conflicts() const {
  for (std::size_t at = 1; at < actions_.size(); ++at) {
    const auto before = actions_[at - 1].path;
    const auto path = actions_[at].path;
    const bool conflicts =
        path.starts_with(before) && (path.size() == before.size() || path[before.size()] == '.');
    if (conflicts)
      return fail(ErrorCode::malformed,
                  fmt::format("the update paths '{}' and '{}' conflict", before, path));
  }
  return {};
}

// Takes the first component's actions off the front of `rest`.
Modifiers::Branch Modifiers::next_branch(Actions& rest, std::size_t offset) const {
  const auto tail = rest.front().path.substr(offset);
  const auto component = tail.substr(0, tail.find('.'));
  Branch branch{
      component, {}, offset + component.size() + 1, component.size() == tail.size(), false};
  std::size_t count = 0;
  for (; count < rest.size(); ++count) {
    const auto other = rest[count].path.substr(offset);
    const bool belongs = other.starts_with(component) &&
                         (other.size() == component.size() || other[component.size()] == '.');
    if (!belongs) break;
    branch.is_setting |= rest[count].is_set;
  }
  branch.actions = rest.first(count);
  rest = rest.subspan(count);
  return branch;
}

Result<void> Modifiers::apply(Document pre, Strictness strictness, DocumentWriter& out,
                              UpdateTally& tally) {
  strictness_ = strictness;
  out_ = &out;
  tally_ = &tally;
  kept_.clear();
  const std::size_t start = out.open_root();
  TRY(object_body(pre, actions_, 0));
  out.close(start);
  if (!out.is_too_large()) return {};
  return fail(ErrorCode::limit_exceeded, "a post-image is larger than 64 MiB");
}

Result<void> Modifiers::object_body(Document pre, Actions actions, std::size_t offset) {
  std::vector<Branch> branches;
  while (!actions.empty()) branches.push_back(next_branch(actions, offset));
  std::vector<bool> is_found(branches.size());
  for (const Element& element : pre) {
    const auto found = std::lower_bound(
        branches.begin(), branches.end(), element.name,
        [](const Branch& branch, std::string_view name) { return branch.component < name; });
    const auto at = static_cast<std::size_t>(found - branches.begin());
    const bool is_target =
        found != branches.end() && found->component == element.name && !is_found[at];
    if (!is_target) {
      out_->raw(element.raw);
      continue;
    }
    is_found[at] = true;
    TRY(change_field(element, *found));
  }
  for (std::size_t at = 0; at < branches.size(); ++at) {
    if (!is_found[at] && branches[at].is_setting) create(branches[at].component, branches[at]);
  }
  return {};
}

Result<void> Modifiers::change_field(const Element& old, const Branch& branch) {
  if (branch.is_leaf) {
    const Action& action = branch.actions.front();
    if (action.is_set) out_->element(old.name, action.value);
    return {};
  }
  const Type type = old.value.type;
  if (type != Type::document && type != Type::array) {
    TRY(skip(branch));
    out_->raw(old.raw);
    return {};
  }
  const std::size_t start = out_->open(type, old.name);
  if (type == Type::document) {
    TRY(object_body(old.value.as_document(), branch.actions, branch.offset));
  } else {
    TRY(array_body(old.value.as_document(), branch.actions, branch.offset));
  }
  out_->close(start);
  return {};
}

// REQUIRES: branch.is_setting. Missing parents become objects, never arrays.
void Modifiers::create(std::string_view name, const Branch& branch) {
  if (branch.is_leaf) return out_->element(name, branch.actions.front().value);
  const std::size_t start = out_->open(Type::document, name);
  Actions rest = branch.actions;
  while (!rest.empty()) {
    const Branch below = next_branch(rest, branch.offset);
    if (below.is_setting) create(below.component, below);
  }
  out_->close(start);
}

// Items are changed one after the other, as the server does: with $set of "a.10" and "a.9" the
// first pads with a null that the second replaces.
Result<void> Modifiers::array_body(Document pre, Actions actions, std::size_t offset) {
  std::vector<Value> items;
  for (const Element& element : pre) items.push_back(element.value);
  while (!actions.empty()) TRY(change_item(items, next_branch(actions, offset)));
  ArrayNames names;
  for (const Value& item : items) {
    out_->element(names.text(), item);
    names.advance();
  }
  return {};
}

Result<void> Modifiers::change_item(std::vector<Value>& items, const Branch& branch) {
  const auto index = parse_array_index(branch.component);
  if (!index) return skip(branch);
  if (*index >= items.size()) {
    if (!branch.is_setting) return {};
    if (*index - items.size() > array_padding_max)
      return fail(ErrorCode::limit_exceeded,
                  fmt::format("$set '{}' pads an array with more than {} nulls",
                              branch.actions.front().path, array_padding_max));
    items.resize(*index, null_value);
    items.push_back(branch.is_leaf ? branch.actions.front().value : created_object(branch));
    return {};
  }
  Value& item = items[*index];
  if (branch.is_leaf) {
    item = branch.actions.front().is_set ? branch.actions.front().value : null_value;
    return {};
  }
  if (item.type != Type::document && item.type != Type::array) return skip(branch);
  item = TRY(changed_container(item, branch));
  return {};
}

// Writes into a buffer of its own, because the array around it is not written yet.
Result<Value> Modifiers::changed_container(const Value& old, const Branch& branch) {
  DocumentWriter inner;
  DocumentWriter* const outer = std::exchange(out_, &inner);
  const std::size_t start = inner.open_root();
  const auto body = old.type == Type::document
                        ? object_body(old.as_document(), branch.actions, branch.offset)
                        : array_body(old.as_document(), branch.actions, branch.offset);
  out_ = outer;
  TRY(body);
  inner.close(start);
  kept_.push_back(to_bytes(inner.document().bytes()));
  return Value{old.type, kept_.back()};
}

Value Modifiers::created_object(const Branch& branch) {
  DocumentWriter inner;
  DocumentWriter* const outer = std::exchange(out_, &inner);
  const std::size_t start = inner.open_root();
  Actions rest = branch.actions;
  while (!rest.empty()) {
    const Branch below = next_branch(rest, branch.offset);
    if (below.is_setting) create(below.component, below);
  }
  out_ = outer;
  inner.close(start);
  kept_.push_back(to_bytes(inner.document().bytes()));
  return Value{Type::document, kept_.back()};
}

Result<void> Modifiers::skip(const Branch& branch) {
  if (strictness_ == Strictness::strict)
    return fail(ErrorCode::anomaly,
                fmt::format("path '{}' does not fit the document", branch.actions.front().path));
  ++tally_->mismatches;
  return {};
}

}  // namespace holdfast::oplog
