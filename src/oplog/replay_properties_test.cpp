// Random histories: changes are made to a plain tree and written down as entries at the same time;
// materialising must give the trees back, whatever base, moment, and memory.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "base/rng.hpp"
#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

using test::StoredState;

// A document as a tree: the model, independent of the code under test.
struct Member;
struct Node {
  enum class Kind : std::uint8_t { number, text, flag, object, array } kind = Kind::number;
  std::int64_t number = 0;
  std::vector<Member> members;

  static Node of(std::int64_t number);
  static Node flag(bool value);
  static Node text(std::int64_t length);
  static Node empty(Kind kind);
  Node* find(const std::string& name);
  void add(const std::string& name, Node node);
  void erase(const std::string& name);
};
struct Member {
  std::string name;
  Node node;
};

Node Node::of(std::int64_t number) {
  Node node;
  node.number = number;
  return node;
}
Node Node::flag(bool value) {
  Node node = of(value ? 1 : 0);
  node.kind = Kind::flag;
  return node;
}
Node Node::text(std::int64_t length) {
  Node node = of(length);
  node.kind = Kind::text;
  return node;
}
Node Node::empty(Kind kind) {
  Node node;
  node.kind = kind;
  return node;
}
Node* Node::find(const std::string& name) {
  for (auto& member : members)
    if (member.name == name) return &member.node;
  return nullptr;
}
void Node::add(const std::string& name, Node node) {
  members.push_back({name, std::move(node)});
}
void Node::erase(const std::string& name) {
  std::erase_if(members, [&](const Member& member) { return member.name == name; });
}

void write(const Node& node, const std::string& name, bson::Builder& to);

void write_members(const Node& node, bson::Builder& to) {
  std::size_t at = 0;
  for (const auto& [name, member] : node.members)
    write(member, node.kind == Node::Kind::array ? std::to_string(at++) : name, to);
}

void write(const Node& node, const std::string& name, bson::Builder& to) {
  switch (node.kind) {
    case Node::Kind::number:
      return to.append_int64(name, node.number);
    case Node::Kind::text:
      return to.append_text(name, std::string(static_cast<std::size_t>(node.number), 'x'));
    case Node::Kind::flag:
      return to.append_bool(name, node.number != 0);
    case Node::Kind::object:
      to.begin_document(name);
      break;
    case Node::Kind::array:
      to.begin_array(name);
      break;
  }
  write_members(node, to);
  to.end();
}

Bytes bson_of(const Node& document) {
  bson::Builder builder;
  write_members(document, builder);
  return builder.take();
}

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : rng_(seed) {}
  std::uint64_t below(std::uint64_t bound) { return rng_.below(bound); }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::string name() { return std::string(1, static_cast<char>('a' + below(6))); }

  Node value(int depth) {
    const auto kind = below(depth > 2 ? 2 : 4);
    if (kind == 0) return Node::of(static_cast<std::int64_t>(below(100)));
    if (kind == 1) return Node::text(static_cast<std::int64_t>(below(30)));
    Node node = Node::empty(kind == 2 ? Node::Kind::object : Node::Kind::array);
    for (auto count = below(4); count > 0; --count) {
      const auto member = name();
      const bool is_free = kind == 3 || node.find(member) == nullptr;
      if (is_free) node.add(member, value(depth + 1));
    }
    return node;
  }

 private:
  SeededRng rng_;
};

// Sections in the order of the grammar; empty ones are left out.
Node diff_of(Node removed, Node updated, Node inserted, std::vector<Member> subs) {
  Node diff = Node::empty(Node::Kind::object);
  if (!removed.members.empty()) diff.add("d", std::move(removed));
  if (!updated.members.empty()) diff.add("u", std::move(updated));
  if (!inserted.members.empty()) diff.add("i", std::move(inserted));
  for (auto& [name, sub] : subs) diff.add("s" + name, std::move(sub));
  return diff;
}

Node change(Node& node, Chance& chance);

Node change_object(Node& object, Chance& chance) {
  Node removed = Node::empty(Node::Kind::object);
  Node updated = removed;
  Node inserted = removed;
  std::vector<Member> subs;
  for (char letter = 'a'; letter < 'g'; ++letter) {
    const std::string name(1, letter);
    if (!chance.one_in(3)) continue;
    Node* field = object.find(name);
    if (field == nullptr) {
      const Node value = chance.value(1);
      object.add(name, value);
      inserted.add(name, value);
    } else if (chance.one_in(4)) {
      object.erase(name);
      removed.add(name, Node::flag(false));
    } else if (field->kind >= Node::Kind::object && !chance.one_in(3)) {
      Node sub = change(*field, chance);
      if (!sub.members.empty()) subs.push_back({name, std::move(sub)});
    } else {
      *field = chance.value(1);
      updated.add(name, *field);
    }
  }
  return diff_of(std::move(removed), std::move(updated), std::move(inserted), std::move(subs));
}

Node change_array(Node& array, Chance& chance) {
  Node diff = Node::empty(Node::Kind::object);
  diff.add("a", Node::flag(true));
  if (!array.members.empty() && chance.one_in(4)) array.members.pop_back();
  const std::size_t kept = array.members.size();
  Node length = Node::empty(Node::Kind::object);
  std::vector<Member> changes;
  for (std::size_t at = 0; at < kept; ++at) {
    if (!chance.one_in(3)) continue;
    Node& item = array.members[at].node;
    if (item.kind >= Node::Kind::object) {
      Node sub = change(item, chance);
      if (!sub.members.empty()) changes.push_back({"s" + std::to_string(at), std::move(sub)});
    } else {
      item = chance.value(2);
      changes.push_back({"u" + std::to_string(at), item});
    }
  }
  if (chance.one_in(2)) {
    array.add("", chance.value(2));
    changes.push_back({"u" + std::to_string(kept), array.members.back().node});
  }
  diff.number = static_cast<std::int64_t>(array.members.size());  // written as `l`
  for (auto& [name, node] : changes) diff.add(name, std::move(node));
  return diff;
}

Node change(Node& node, Chance& chance) {
  return node.kind == Node::Kind::array ? change_array(node, chance) : change_object(node, chance);
}

// Array deltas carry their length as an int32, which the model does not know.
void write_diff(const Node& diff, bson::Builder& to) {
  const bool is_array = !diff.members.empty() && diff.members.front().name == "a" &&
                        diff.members.front().node.kind == Node::Kind::flag;
  for (const auto& [name, member] : diff.members) {
    const bool is_sub = name.starts_with("s") && member.kind == Node::Kind::object;
    if (!is_sub) {
      write(member, name, to);
      if (is_array && name == "a") to.append_int32("l", static_cast<std::int32_t>(diff.number));
      continue;
    }
    to.begin_document(name);
    write_diff(member, to);
    to.end();
  }
}

using State = std::map<std::int64_t, Node>;  // documents by `_id`

// One random history: the state after every entry.
struct History {
  std::vector<Bytes> entries;  // entry k has ts {k + 1, 1}
  std::vector<State> states;   // states[k]: before entry k

  explicit History(std::uint64_t seed, std::size_t length) {
    Chance chance(seed);
    states.emplace_back();
    while (entries.size() < length) {
      State state = states.back();
      add_entry(state, chance);
      states.push_back(std::move(state));
    }
  }

  void add_entry(State& state, Chance& chance) {
    const auto id = static_cast<std::int64_t>(chance.below(8)) - 3;
    const auto found = state.find(id);
    bson::Builder o;
    Node node;
    if (found == state.end()) {
      node = Node::empty(Node::Kind::object);
      node.add("_id", Node::of(id));
      change_object(node, chance);
      state[id] = node;
      return push("i", bson_of(node), id);
    }
    if (chance.one_in(6)) {
      state.erase(found);
      return push("d", test::json("{\"_id\":" + std::to_string(id) + "}"), id);
    }
    if (chance.one_in(6)) {
      node = Node::empty(Node::Kind::object);
      node.add("_id", Node::of(id));
      change_object(node, chance);
      found->second = node;
      return push("u", bson_of(node), id);
    }
    const Node diff = change_object(found->second, chance);
    if (diff.members.empty()) return push("n", test::json("{}"), id);
    o.append_int32("$v", 2);
    o.begin_document("diff");
    write_diff(diff, o);
    o.end();
    push("u", o.take(), id);
  }

  void push(std::string_view op, const Bytes& o, std::int64_t id) {
    bson::Builder entry;
    entry.append_timestamp("ts", {static_cast<std::uint32_t>(entries.size() + 1), 1});
    entry.append_int64("v", 2);
    entry.append_text("op", op);
    entry.append_text("ns", "shop.a");
    entry.append_binary("ui", 4, test::uuid_of('A').bytes);
    entry.append_document("o", bson::Document::trusted(o));
    entry.begin_document("o2");
    entry.append_int64("_id", id);
    entry.end();
    entries.push_back(entry.take());
  }
};

std::vector<Bytes> documents_of(const State& state) {
  std::vector<Bytes> documents;
  for (const auto& [id, node] : state) documents.push_back(bson_of(node));
  return documents;
}

StoredState base_of(BaseWindow window, std::vector<Bytes> documents) {
  StoredState base;
  base.window = window;
  test::add_collection(base, "shop.a", 'A', {});
  base.collections["shop.a"].documents = std::move(documents);
  return base;
}

// The documents at T; an error fails the property.
std::vector<Bytes> materialised(const StoredState& base, const History& history,
                                std::size_t entry_count, std::size_t memory_bytes) {
  MaterialiseOptions options;
  options.memory_bytes_max = memory_bytes;
  const auto result =
      test::materialise(base, history.entries, static_cast<std::uint32_t>(entry_count), options);
  if (!result) RC_FAIL(describe(result.error()));
  return result->sink.collections.at("shop.a").documents;
}

constexpr std::size_t roomy = 1024 * 1024;
constexpr std::size_t tiny = 1024;

TEST_CASE("From any exact base to any later moment the model's documents come out") {
  CHECK(rc::check([](std::uint64_t seed) {
    const History history(seed, 60);
    Chance chance(seed + 1);
    const auto from = chance.below(history.entries.size());
    const auto to = from + chance.below(history.entries.size() - from) + 1;
    const Timestamp moment{static_cast<std::uint32_t>(from), 1};
    const auto base =
        base_of({BaseKind::exact, moment, moment}, documents_of(history.states[from]));
    const auto wanted = documents_of(history.states[to]);
    RC_ASSERT(materialised(base, history, to, roomy) == wanted);
    RC_ASSERT(materialised(base, history, to, tiny) == wanted);
  }));
}

TEST_CASE("A base copied during writes converges, byte for byte, from the end of its window on") {
  CHECK(rc::check([](std::uint64_t seed) {
    const History history(seed, 60);
    Chance chance(seed + 1);
    const auto first = chance.below(40);
    const auto last = first + chance.below(20);
    const auto to = last + chance.below(history.entries.size() - last) + 1;
    std::vector<Bytes> copied;
    for (std::int64_t id = -3; id < 5; ++id) {  // each document at a moment of its own
      const auto& state = history.states[first + chance.below(last - first + 1)];
      const auto found = state.find(id);
      if (found != state.end()) copied.push_back(bson_of(found->second));
    }
    const auto base = base_of({BaseKind::fuzzy,
                               {static_cast<std::uint32_t>(first), 1},
                               {static_cast<std::uint32_t>(last), 1}},
                              copied);
    const auto wanted = documents_of(history.states[to]);
    RC_ASSERT(materialised(base, history, to, roomy) == wanted);
    RC_ASSERT(materialised(base, history, to, tiny) == wanted);
  }));
}

TEST_CASE("With a lost entry, spilling or not gives the same documents or refuses both") {
  CHECK(rc::check([](std::uint64_t seed) {
    History history(seed, 60);
    Chance chance(seed + 1);
    const auto dropped = chance.below(history.entries.size() - 1);
    history.entries.erase(history.entries.begin() + static_cast<std::ptrdiff_t>(dropped));
    const auto base = base_of({BaseKind::exact, {0, 1}, {0, 1}}, {});
    const auto full = test::materialise(base, history.entries, 60);
    const auto spilled = test::materialise(base, history.entries, 60, [] {
      MaterialiseOptions options;
      options.memory_bytes_max = tiny;
      return options;
    }());
    RC_ASSERT(full.has_value() == spilled.has_value());
    if (!full) return RC_ASSERT(full.error().code == spilled.error().code);
    RC_ASSERT(full->sink.collections.at("shop.a").documents ==
              spilled->sink.collections.at("shop.a").documents);
  }));
}

}  // namespace
}  // namespace holdfast::oplog
