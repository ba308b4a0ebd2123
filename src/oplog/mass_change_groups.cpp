#include "oplog/mass_change_groups.hpp"

#include <algorithm>
#include <functional>

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "bson/ext_json.hpp"
#include "bson/key.hpp"

namespace holdfast::oplog {

namespace {

// The TTL monitor runs every 60 s; a pass takes a moment.
constexpr std::uint32_t pass_pause_min_seconds = 20;
constexpr std::uint32_t monitor_seconds_min = 40;
constexpr std::uint32_t monitor_seconds_max = 80;
constexpr std::uint64_t monitor_passes_min = 3;
// A pass so much larger than the others is not the monitor's.
constexpr std::uint64_t pass_ratio_max = 5;
// Changes remembered at a time that are no burst yet; beyond, all are forgotten.
constexpr std::size_t waiting_max = 500'000;
// Applications update single documents all day.
constexpr std::uint64_t single_update_factor = 10;

Bytes id_document(const bson::Value& id) {
  bson::Builder builder;
  builder.append("", id);
  return builder.take();
}

std::uint64_t hash_of_bytes(ByteView bytes) {
  return std::hash<std::string_view>()(as_text(bytes));
}

bool may_be_expiry(MassKind kind, Statement statement) {
  return kind == MassKind::deletes &&
         (statement == Statement::many || statement == Statement::apply_ops);
}

}  // namespace

void ChangeRun::add(const SingleChange& change, ByteView key) {
  const Bytes id = id_document(change.id);
  const bool is_first = count_ == 0;
  ++count_;
  last_ = change.time;
  last_wall_ms_ = change.wall_ms;
  last_id_ = id;
  if (is_first) {
    first_ = change.time;
    first_wall_ms_ = change.wall_ms;
    before_ = change.before;
    first_id_ = id;
    sessions_.clear();
    session_.clear();
  }
  if (is_first || bson::compare_bytes(key, lowest_.key) < 0) lowest_ = {to_bytes(key), id};
  if (is_first || bson::compare_bytes(key, highest_.key) > 0) highest_ = {to_bytes(key), id};
  if (change.session.empty()) return;
  if (session_.empty()) session_ = to_bytes(change.session);
  const std::uint64_t hash = hash_of_bytes(change.session);
  const bool is_known = std::find(sessions_.begin(), sessions_.end(), hash) != sessions_.end();
  if (!is_known && sessions_.size() < sessions_max) sessions_.push_back(hash);
}

void ChangeRun::write_to(MassChange& out) const {
  out.first = first_;
  out.last = last_;
  out.first_wall_ms = first_wall_ms_;
  out.last_wall_ms = last_wall_ms_;
  out.before = before_;
  out.count = count_;
  out.session_count = sessions_.size();
  if (!session_.empty())
    out.session = bson::to_ext_json(bson::Document::trusted(session_), bson::JsonForm::relaxed);
  out.first_id = first_id_;
  out.last_id = last_id_;
  out.lowest_id = lowest_.document;
  out.highest_id = highest_.document;
}

std::uint64_t MassChangeGroups::count_min(const Group& group) const {
  const bool is_everyday = group.kind != MassKind::deletes && group.statement == Statement::single;
  return options_.count_min * (is_everyday ? single_update_factor : 1);
}

std::uint32_t MassChangeGroups::span_seconds() const {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(options_.span.count(), 1, UINT32_MAX));
}

std::uint32_t MassChangeGroups::pause_max(const Group& group) const {
  const std::uint32_t span = span_seconds();
  return may_be_expiry(group.kind, group.statement) ? std::max(span, monitor_seconds_max) : span;
}

void MassChangeGroups::add(const SingleChange& change,
                           const std::function<std::string()>& describe) {
  name_.assign(change.ns);
  name_ += '\0';
  name_ += static_cast<char>(change.kind);
  name_ += static_cast<char>(change.statement);
  for (std::uint64_t rest = change.shape; rest != 0; rest >>= 8U)
    name_ += static_cast<char>(rest & 0xFFU);
  auto found = groups_.find(name_);
  if (found == groups_.end()) {
    if (groups_.size() >= open_groups_max) forget_quiet(change.time.ts.seconds);
    found = groups_.try_emplace(name_).first;
    Group& group = found->second;
    group.kind = change.kind;
    group.statement = change.statement;
    group.ns = change.ns;
    group.shape = describe();
  }
  Group& group = found->second;
  group.uuid = change.uuid;
  const std::uint32_t now = change.time.ts.seconds;
  if (group.is_burst && now - group.last_seconds > pause_max(group)) close(group);
  if (group.is_burst)
    count(group, change);
  else
    wait(group, change);
  group.last_seconds = now;
}

// Keeps the newest changes until there are enough of them close together.
void MassChangeGroups::wait(Group& group, const SingleChange& change) {
  group.waiting.push_back({id_document(change.id), change.time, change.before, change.wall_ms,
                           to_bytes(change.session)});
  if (++waiting_count_ > waiting_max) forget_waiting();
  const std::uint32_t span = span_seconds();
  auto& waiting = group.waiting;
  const auto seconds = [&](std::size_t at) { return waiting[at].time.ts.seconds; };
  // A change long before the others has nothing to do with them.
  const auto is_stray = [&] {
    if (seconds(waiting.size() - 1) - seconds(0) > span) return true;
    return waiting.size() > 1 && seconds(1) - seconds(0) > span / 4;
  };
  const auto drop_first = [&] {
    waiting.pop_front();
    --waiting_count_;
  };
  while (is_stray()) drop_first();
  if (waiting.size() < count_min(group)) return;
  const Bytes newest = waiting.back().session;
  const auto of_newest = std::count_if(waiting.begin(), waiting.end(),
                                       [&](const Waiting& each) { return each.session == newest; });
  const bool is_one_session = static_cast<std::size_t>(of_newest) * 5 >= waiting.size() * 4;
  while (is_one_session && waiting.front().session != newest) drop_first();
  if (waiting.size() < count_min(group)) return;

  group.is_burst = true;
  std::deque<Waiting> first = std::move(waiting);
  waiting.clear();
  waiting_count_ -= first.size();
  for (const Waiting& each : first) {
    SingleChange one = change;
    one.id = bson::Document::trusted(each.id).begin()->value;
    one.time = each.time;
    one.before = each.before;
    one.wall_ms = each.wall_ms;
    one.session = each.session;
    count(group, one);
    group.last_seconds = each.time.ts.seconds;
  }
}

void MassChangeGroups::count(Group& group, const SingleChange& change) {
  const std::uint32_t now = change.time.ts.seconds;
  if (group.pass.count() > 0 && now - group.pass.last().seconds >= pass_pause_min_seconds) {
    const std::uint32_t pause = now - group.pass.last().seconds;
    group.is_regular = group.is_regular && pause >= monitor_seconds_min;
    end_pass(group);
  }
  key_.clear();
  bson::append_key(change.id, key_);
  group.all.add(change, key_);
  if (may_be_expiry(group.kind, group.statement)) group.pass.add(change, key_);
}

void MassChangeGroups::end_pass(Group& group) {
  ++group.pass_count;
  if (group.pass.count() > group.largest.count()) group.largest = group.pass;
  group.pass.clear();
}

void MassChangeGroups::close(Group& group) {
  if (group.is_burst) {
    if (group.pass.count() > 0) end_pass(group);
    MassChange out;
    out.kind = group.kind;
    out.statement = group.statement;
    out.ns = group.ns;
    out.uuid = group.uuid;
    out.shape = group.shape;
    MassChange unusual = out;
    group.all.write_to(out);
    const bool is_expiry = group.pass_count >= monitor_passes_min && group.is_regular;
    if (is_expiry) {
      out.statement = Statement::expiry;
      out.pass_count = group.pass_count;
      const std::uint64_t others = (out.count - group.largest.count()) / (group.pass_count - 1);
      const bool is_unusual = group.largest.count() >= options_.count_min &&
                              group.largest.count() > pass_ratio_max * others;
      if (is_unusual) {
        group.largest.write_to(unusual);
        unusual.detail = "far more than expiry removed before and after";
        emit_(std::move(unusual));
      }
    }
    emit_(std::move(out));
  }
  waiting_count_ -= group.waiting.size();
  group.waiting.clear();
  group.is_burst = false;
  group.all.clear();
  group.pass.clear();
  group.largest.clear();
  group.pass_count = 0;
  group.is_regular = true;
}

// Keeps the change that was added last.
void MassChangeGroups::forget_waiting() {
  for (auto& [name, group] : groups_) {
    while (group.waiting.size() > 1) group.waiting.pop_front();
  }
  waiting_count_ = 0;
  for (const auto& [name, group] : groups_) waiting_count_ += group.waiting.size();
}

// Makes room: first what is over anyway, then the quietest.
void MassChangeGroups::forget_quiet(std::uint32_t now) {
  for (auto item = groups_.begin(); item != groups_.end();) {
    Group& group = item->second;
    const bool is_over = now - group.last_seconds > pause_max(group);
    if (is_over) close(group);
    item = is_over ? groups_.erase(item) : std::next(item);
  }
  if (groups_.size() < open_groups_max) return;
  const auto weight = [](const Group& group) { return group.all.count() + group.waiting.size(); };
  std::vector<std::uint64_t> weights;
  for (const auto& [name, group] : groups_) weights.push_back(weight(group));
  const auto middle = weights.begin() + static_cast<std::ptrdiff_t>(weights.size() / 2);
  std::nth_element(weights.begin(), middle, weights.end());
  const std::uint64_t limit = *middle;
  std::size_t left = groups_.size() / 2;
  for (auto item = groups_.begin(); item != groups_.end() && left > 0;) {
    const bool is_quiet = weight(item->second) <= limit;
    if (is_quiet) close(item->second);
    item = is_quiet ? groups_.erase(item) : std::next(item);
    left -= is_quiet ? 1 : 0;
  }
}

void MassChangeGroups::finish() {
  for (auto& [name, group] : groups_) close(group);
  groups_.clear();
}

}  // namespace holdfast::oplog
