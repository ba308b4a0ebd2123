#include <fmt/format.h>

#include "repo/json_cursor.hpp"
#include "repo/names.hpp"
#include "repo/tree.hpp"

namespace holdfast::repo {
namespace {

// A node while its members come in, in any order.
struct Draft {
  Node* node = nullptr;
  Bytes raw_target;  // wins over linktarget
};

bool read_name(JsonCursor& in, Draft& draft) {
  std::string_view quoted;
  if (!in.string_view(quoted)) return false;
  if (quoted.find('\\') == std::string_view::npos) {
    draft.node->name.assign(quoted);
    return true;
  }
  auto raw = unquote_name(quoted);
  if (!raw.has_value()) return in.fail_here("bad escape in a name");
  draft.node->name = std::move(*raw);
  return true;
}

// Types nobody stores are taken as irregular: one odd entry must not hide a whole directory.
bool read_type(JsonCursor& in, Draft& draft) {
  std::string_view text;
  if (!in.string_view(text)) return false;
  for (const auto type : {NodeType::file, NodeType::dir, NodeType::symlink, NodeType::dev,
                          NodeType::chardev, NodeType::fifo, NodeType::socket}) {
    if (text != name_of(type)) continue;
    draft.node->type = type;
    return true;
  }
  draft.node->type = NodeType::irregular;
  return true;
}

constexpr JsonField<ExtendedAttribute> attribute_fields[] = {
    {"name", [](JsonCursor& in, ExtendedAttribute& into) { return in.string(into.name); }},
    {"value", [](JsonCursor& in, ExtendedAttribute& into) { return read_base64(in, into.value); }},
};

bool read_attributes(JsonCursor& in, Draft& draft) {
  auto& attributes = draft.node->extended_attributes;
  attributes.clear();
  if (!in.enter_array()) return false;
  while (in.next_item()) {
    if (attributes.size() == node_xattrs_max) return in.fail_here("too many attributes");
    attributes.emplace_back();
    if (!read_object(in, attributes.back(), attribute_fields)) return false;
  }
  return !in.failed();
}

bool read_generic_attributes(JsonCursor& in, Draft& draft) {
  std::string_view json;
  if (!in.raw(json)) return false;
  if (json.front() != '{') return in.fail_here("expected an object");
  draft.node->generic_attributes = compact_json(json);
  return true;
}

bool read_content(JsonCursor& in, Draft& draft) {
  auto& content = draft.node->content;
  content.clear();
  draft.node->has_content = true;
  if (!in.enter_array()) return false;
  while (in.next_item()) {
    content.emplace_back();
    if (!read_id(in, content.back())) return false;
  }
  return !in.failed();
}

bool read_subtree(JsonCursor& in, Draft& draft) {
  draft.node->subtree.emplace();
  return read_id(in, *draft.node->subtree);
}

template <auto member>
bool read_text(JsonCursor& in, Draft& draft) {
  return in.string(draft.node->*member);
}
template <auto member>
bool read_whole(JsonCursor& in, Draft& draft) {
  return in.number(draft.node->*member);
}
template <auto member>
bool read_node_time(JsonCursor& in, Draft& draft) {
  return read_time(in, draft.node->*member);
}

constexpr JsonField<Draft> node_fields[] = {
    {"name", read_name},
    {"type", read_type},
    {"mode", read_whole<&Node::mode>},
    {"mtime", read_node_time<&Node::mtime>},
    {"atime", read_node_time<&Node::atime>},
    {"ctime", read_node_time<&Node::ctime>},
    {"uid", read_whole<&Node::uid>},
    {"gid", read_whole<&Node::gid>},
    {"user", read_text<&Node::user>},
    {"group", read_text<&Node::group>},
    {"inode", read_whole<&Node::inode>},
    {"device_id", read_whole<&Node::device_id>},
    {"size", read_whole<&Node::size>},
    {"links", read_whole<&Node::links>},
    {"linktarget", read_text<&Node::link_target>},
    {"linktarget_raw",
     [](JsonCursor& in, Draft& draft) { return read_base64(in, draft.raw_target); }},
    {"extended_attributes", read_attributes},
    {"generic_attributes", read_generic_attributes},
    {"device", read_whole<&Node::device>},
    {"content", read_content},
    {"subtree", read_subtree},
    {"error", read_text<&Node::error>},
};

// As freshly made, but strings and vectors keep their memory.
void reset(Node& node) {
  for (auto* text : {&node.name, &node.user, &node.group, &node.link_target,
                     &node.generic_attributes, &node.error})
    text->clear();
  node.extended_attributes.clear();
  node.content.clear();
  node.subtree.reset();
  node.type = NodeType::irregular;  // until the member says what it is
  node.mtime = node.atime = node.ctime = unknown_time;
  node.mode = node.uid = node.gid = 0;
  node.inode = node.device_id = node.size = node.links = node.device = 0;
  node.has_content = false;
}

// Only a file's content means anything; rustic may write an empty list for other types.
void settle(Draft& draft) {
  Node& node = *draft.node;
  if (!draft.raw_target.empty()) node.link_target.assign(as_text(draft.raw_target));
  if (node.type == NodeType::file) return;
  node.has_content = true;
  node.content.clear();
}

}  // namespace

struct TreeReader::State {
  explicit State(std::string_view text) : in(text) {}

  // Goes on to the next node, over the edges of the list; false behind the last.
  bool advance() {
    if (!is_inside && !enter()) return false;
    if (in.next_item()) return true;
    is_inside = false;
    is_done = true;
    leave();
    return false;
  }

  // Up to the list of nodes.
  bool enter() {
    if (is_done || !in.enter_object()) return false;
    std::string_view key;
    while (in.next_key(key)) {
      if (key == "nodes" && !in.take_null()) {
        is_inside = in.enter_array();
        return is_inside;
      }
      if (key != "nodes" && !in.skip()) return false;
    }
    is_done = true;
    check_end();
    return false;
  }

  // A second list could not be told apart from a first that has been handed out already.
  void leave() {
    std::string_view key;
    while (in.next_key(key)) {
      if (key == "nodes" && !in.take_null()) {
        in.fail_here("a second list of nodes");
        return;
      }
      if (key != "nodes" && !in.skip()) return;
    }
    check_end();
  }

  void check_end() {
    if (!in.failed() && !in.at_end()) in.fail_here("text after the tree");
  }

  JsonCursor in;
  Draft draft;
  bool is_inside = false;
  bool is_done = false;
};

TreeReader::TreeReader(ByteView blob) : state_(std::make_unique<State>(as_text(blob))) {
  if (blob.size() > tree_bytes_max) state_->in.fail_here("tree above the limit of 1 GiB");
}
TreeReader::TreeReader(TreeReader&&) noexcept = default;
TreeReader::~TreeReader() = default;

Result<bool> TreeReader::next(Node& node) {
  State& state = *state_;
  reset(node);
  bool is_there = state.advance();
  if (is_there) {
    state.draft.node = &node;
    state.draft.raw_target.clear();
    is_there = read_object(state.in, state.draft, node_fields);
    settle(state.draft);
  }
  TRY(state.in.status("tree"));
  return is_there;
}

Result<std::vector<Node>> decode_tree(ByteView blob) {
  TreeReader reader(blob);
  std::vector<Node> nodes;
  for (;;) {
    nodes.emplace_back();
    const bool is_there = TRY(reader.next(nodes.back()));
    if (is_there) continue;
    nodes.pop_back();
    return nodes;
  }
}

}  // namespace holdfast::repo
