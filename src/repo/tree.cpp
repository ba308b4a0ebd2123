#include "repo/tree.hpp"

#include <fmt/format.h>

#include "repo/names.hpp"

namespace holdfast::repo {
namespace {

constexpr std::string_view type_names[] = {"file",    "dir",  "symlink", "dev",
                                           "chardev", "fifo", "socket",  "irregular"};

void put_text(JsonText& out, std::string_view key, std::string_view text) {
  if (text.empty()) return;
  out.key(key);
  out.string(text);
}

void put_number(JsonText& out, std::string_view key, std::uint64_t value) {
  if (value == 0) return;
  out.key(key);
  out.number(value);
}

void put_time(JsonText& out, std::string_view key, const NodeTime& time) {
  out.key(key);
  out.time(time);
}

void put_link_target(JsonText& out, const Node& node) {
  put_text(out, "linktarget", node.link_target);  // lossy when it is not UTF-8
  if (is_valid_utf8(node.link_target)) return;
  out.key("linktarget_raw");
  out.base64(as_bytes(node.link_target));
}

void put_attributes(JsonText& out, const Node& node) {
  if (!node.extended_attributes.empty()) {
    out.key("extended_attributes");
    out.begin_array();
    for (const auto& attribute : node.extended_attributes) {
      out.begin_object();
      out.key("name");
      out.string(attribute.name);
      out.key("value");
      out.base64(attribute.value);
      out.end_object();
    }
    out.end_array();
  }
  if (node.generic_attributes.empty()) return;
  out.key("generic_attributes");
  out.raw(node.generic_attributes);
}

void put_content(JsonText& out, const Node& node) {
  out.key("content");
  if (node.type != NodeType::file || !node.has_content) {
    out.null();
  } else {
    out.begin_array();
    for (const auto& id : node.content) out.hex(id.view());
    out.end_array();
  }
  if (!node.subtree) return;
  out.key("subtree");
  out.hex(node.subtree->view());
}

void put_node(JsonText& out, const Node& node) {
  out.begin_object();
  out.key("name");
  out.name(node.name);
  out.key("type");
  out.string_unescaped(name_of(node.type));
  put_number(out, "mode", node.mode);
  put_time(out, "mtime", node.mtime);
  put_time(out, "atime", node.atime);
  put_time(out, "ctime", node.ctime);
  out.key("uid");
  out.number(node.uid);
  out.key("gid");
  out.number(node.gid);
  put_text(out, "user", node.user);
  put_text(out, "group", node.group);
  put_number(out, "inode", node.inode);
  put_number(out, "device_id", node.device_id);
  put_number(out, "size", node.size);
  put_number(out, "links", node.links);
  put_link_target(out, node);
  put_attributes(out, node);
  put_number(out, "device", node.device);
  put_content(out, node);
  put_text(out, "error", node.error);
  out.end_object();
}

}  // namespace

std::string_view name_of(NodeType type) {
  return type_names[static_cast<std::size_t>(type)];
}

void TreeEncoder::start() {
  text_.begin_object();
  text_.key("nodes");
  text_.begin_array();
  last_name_.clear();
  count_ = 0;
}

Result<void> TreeEncoder::add(const Node& node) {
  const NameFlaw flaw = name_flaw(node.name);
  if (flaw != NameFlaw::none)
    return fail(ErrorCode::malformed, fmt::format("a tree can not hold {}", describe(flaw)));
  if (count_ > 0 && node.name <= last_name_)
    return fail(ErrorCode::malformed, fmt::format("tree: \"{}\" does not come after \"{}\"",
                                                  quote_name(node.name), quote_name(last_name_)));
  add_unchecked(node);
  return {};
}

void TreeEncoder::add_unchecked(const Node& node) {
  put_node(text_, node);
  last_name_ = node.name;
  ++count_;
}

Bytes TreeEncoder::finish() {
  text_.end_array();
  text_.end_object();
  text_.line_end();
  Bytes blob = text_.take();
  start();
  return blob;
}

Bytes encode_tree(std::span<const Node> nodes) {
  TreeEncoder encoder;
  for (const auto& node : nodes) encoder.add_unchecked(node);
  return encoder.finish();
}

std::string_view describe(TreeFlawKind kind) {
  switch (kind) {
    case TreeFlawKind::unordered:
      return "name out of order";
    case TreeFlawKind::duplicate_name:
      return "name stands twice";
    case TreeFlawKind::unsafe_name:
      return "name can not be restored safely";
    case TreeFlawKind::file_without_content:
      return "file without content";
    case TreeFlawKind::dir_without_subtree:
      return "directory without subtree";
    case TreeFlawKind::unknown_type:
      return "unknown type of node";
  }
  return "unknown flaw";
}

void append_flaws(const Node& node, std::string_view previous_name, std::vector<TreeFlaw>& flaws) {
  const auto add = [&](TreeFlawKind kind) { flaws.push_back({kind, node.name}); };
  if (name_flaw(node.name) != NameFlaw::none) add(TreeFlawKind::unsafe_name);
  if (!previous_name.empty() && node.name < previous_name) add(TreeFlawKind::unordered);
  if (!previous_name.empty() && node.name == previous_name) add(TreeFlawKind::duplicate_name);
  if (node.type == NodeType::file && !node.has_content) add(TreeFlawKind::file_without_content);
  if (node.type == NodeType::dir && !node.subtree) add(TreeFlawKind::dir_without_subtree);
  if (node.type == NodeType::irregular) add(TreeFlawKind::unknown_type);
}

std::vector<TreeFlaw> find_flaws(std::span<const Node> nodes) {
  std::vector<TreeFlaw> flaws;
  std::string_view previous;
  for (const auto& node : nodes) {
    append_flaws(node, previous, flaws);
    previous = node.name;
  }
  return flaws;
}

}  // namespace holdfast::repo
