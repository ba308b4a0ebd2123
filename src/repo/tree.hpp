#pragma once
// Tree blobs: directory listings as canonical JSON, byte for byte what restic writes
// (docs/repository_format.md A9), read one node at a time so that memory is bounded by the blob.
#include <memory>
#include <span>

#include "repo/json_text.hpp"
#include "repo/node.hpp"
#include "repo/node_time.hpp"

namespace holdfast::repo {

// Trees above this are refused (limit_exceeded): about three million entries in one directory.
constexpr std::size_t tree_bytes_max = std::size_t{1} << 30;
constexpr std::size_t node_xattrs_max = 65536;

// The blob of the empty directory is the same in every repository.
constexpr std::string_view empty_tree_json = "{\"nodes\":[]}\n";

std::string_view name_of(NodeType type);  // "file", "dir", ...

// Builds one tree blob. Nodes are to be added in ascending order of raw name bytes; `add` refuses
// (malformed) what is not, duplicates, and names that can not be a path component. One thread.
class TreeEncoder {
 public:
  TreeEncoder() { start(); }
  Result<void> add(const Node& node);
  // Without the checks, for writing again what was read from elsewhere.
  void add_unchecked(const Node& node);
  std::size_t bytes() const { return text_.size(); }
  // The blob's plaintext; the encoder is empty again.
  Bytes finish();

 private:
  void start();
  JsonText text_;
  std::string last_name_;
  std::size_t count_ = 0;
};

// Walks the nodes of one tree blob. The blob must outlive it. One thread.
// Unknown keys are ignored, null is absent, the last of equal keys wins, every field but name and
// type may be missing (times are then `unknown_time`). Errors are `malformed`.
class TreeReader {
 public:
  explicit TreeReader(ByteView blob);
  TreeReader(TreeReader&&) noexcept;
  ~TreeReader();

  // The next node into `node` (its strings and vectors are reused); false at the end.
  Result<bool> next(Node& node);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All nodes at once. REQUIRES nothing: foreign bytes are welcome.
Result<std::vector<Node>> decode_tree(ByteView blob);
// Nodes in the given order, unchecked.
Bytes encode_tree(std::span<const Node> nodes);

enum class TreeFlawKind : std::uint8_t {
  unordered,       // not above the name before it
  duplicate_name,  // equal to the name before it
  unsafe_name,     // empty, ".", "..", with a slash or NUL
  file_without_content,
  dir_without_subtree,
  unknown_type,  // "irregular": never stored by anybody
};
struct TreeFlaw {
  TreeFlawKind kind = TreeFlawKind::unordered;
  std::string name;  // raw
  friend bool operator==(const TreeFlaw&, const TreeFlaw&) = default;
};
std::string_view describe(TreeFlawKind kind);

// What is wrong with one node given the name before it (empty for the first). Appends to `flaws`.
void append_flaws(const Node& node, std::string_view previous_name, std::vector<TreeFlaw>& flaws);
std::vector<TreeFlaw> find_flaws(std::span<const Node> nodes);

}  // namespace holdfast::repo
