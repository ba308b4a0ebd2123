#include "recover/target_catalog.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "recover/restorable.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

constexpr std::string_view expiry = "expireAfterSeconds";
constexpr std::uint8_t uuid_subtype = 4;

Bytes without(Document document, std::string_view name) {
  bson::Builder out;
  for (const auto& element : document) {
    if (element.name != name) out.append_raw(element.raw);
  }
  return out.take();
}

void append_all(bson::Builder& to, Document document) {
  for (const auto& element : document) to.append_raw(element.raw);
}

bool has(ByteView document, std::string_view name) {
  return !document.empty() && Document::trusted(document).find(name).has_value();
}

// Made with the collection itself.
bool is_implied(ByteView spec) {
  return oplog::index_name(spec) == "_id_" || has(spec, "clustered");
}

const Bytes* id_index(const std::vector<Bytes>& specs) {
  const auto found = std::find_if(specs.begin(), specs.end(), [](const Bytes& spec) {
    return oplog::index_name(spec) == "_id_" && !has(spec, "clustered");
  });
  return found == specs.end() ? nullptr : &*found;
}

void append_unique(std::vector<std::string>& to, std::string sentence) {
  if (std::find(to.begin(), to.end(), sentence) == to.end()) to.push_back(std::move(sentence));
}

}  // namespace

void TargetNotes::note(std::string sentence) {
  append_unique(notes, std::move(sentence));
}
void TargetNotes::problem(std::string sentence) {
  append_unique(problems, std::move(sentence));
}

Result<TargetCatalog::Attempt> TargetCatalog::attempt(const std::string& db, Document command,
                                                      std::string_view doing) {
  const auto reply = TRY(link_.run(db, command).while_doing(std::string(doing)));
  return judge(reply, doing);
}

Result<TargetCatalog::Attempt> TargetCatalog::judge(const mongo::Reply& reply,
                                                    std::string_view doing) {
  if (reply.is_ok) return Attempt{};
  if (reply.code == mongo::ServerCode::namespace_exists)
    return Attempt{Outcome::was_there, reply.code, reply.message};
  const Error error = mongo::error_of(reply, doing);
  if (error.code != ErrorCode::server_failed) return fail(error);
  return Attempt{Outcome::refused, reply.code, reply.message};
}

Result<void> TargetCatalog::create(const NamespaceName& name,
                                   const dataset::MongoCollection& like) {
  const Bytes all = create_options(like.options);
  const Bytes options = without(Document::trusted(all), expiry);
  if (uuids_ == KeepUuids::where_possible && like.uuid) {
    const bool is_made = TRY(create_with_uuid(name, like, Document::trusted(options)));
    if (is_made) return {};
  }
  const auto made = TRY(create_plainly(name, Document::trusted(options)));
  if (made.outcome == Outcome::made) return {};
  if (made.outcome == Outcome::was_there) {
    notes_.note(
        fmt::format("{} was there already, empty: its options and indexes were kept", name.ns()));
    return {};
  }
  if (Document::trusted(options).is_empty())
    return fail(ErrorCode::server_failed,
                fmt::format("creating {}: the server says {}", name.ns(), made.message));
  notes_.note(fmt::format("{} was made without its options, which the server refuses: {}",
                          name.ns(), made.message));
  const bson::Document nothing = bson::Builder().finish();
  const auto bare = TRY(create_plainly(name, nothing));
  if (bare.outcome != Outcome::refused) return {};
  return fail(ErrorCode::server_failed,
              fmt::format("creating {}: the server says {}", name.ns(), bare.message));
}

// As the server's own tools do: an operation that carries the UUID. False: it can not, or the UUID
// is taken (by the collection that is to be replaced).
Result<bool> TargetCatalog::create_with_uuid(const NamespaceName& name,
                                             const dataset::MongoCollection& like,
                                             Document options) {
  bson::Builder command;
  command.begin_array("applyOps");
  command.begin_document("0");
  command.append_text("op", "c");
  command.append_text("ns", name.db + ".$cmd");
  command.append_binary("ui", uuid_subtype, like.uuid->bytes);
  command.begin_document("o");
  command.append_text("create", name.collection);
  append_all(command, options);
  if (const Bytes* spec = id_index(like.indexes)) {
    const Bytes id_spec = without(Document::trusted(*spec), "ns");
    command.append_document("idIndex", Document::trusted(id_spec));
  }
  command.end();
  command.end();
  command.end();
  const auto reply = TRY(link_.run("admin", command.finish()));
  if (reply.is_ok) return true;
  if (reply.code == mongo::ServerCode::namespace_exists) return false;
  const Error error = mongo::error_of(reply, "creating " + name.ns());
  if (error.code == ErrorCode::server_unreachable) return fail(error);
  const bool is_taken = reply.message.find("UUID") != std::string::npos ||
                        reply.message.find("uuid") != std::string::npos;
  if (is_taken) {
    notes_.note(fmt::format("{} has a new UUID: {}", name.ns(), reply.message));
    return false;
  }
  uuids_ = KeepUuids::no;
  notes_.note(fmt::format("collections have new UUIDs: the server does not let us choose them ({})",
                          reply.message));
  return false;
}

Result<TargetCatalog::Attempt> TargetCatalog::create_plainly(const NamespaceName& name,
                                                             Document options) {
  bson::Builder command;
  command.append_text("create", name.collection);
  append_all(command, options);
  return attempt(name.db, command.finish(), "creating " + name.ns());
}

Result<void> TargetCatalog::create_time_series(const NamespaceName& name, ByteView options) {
  bson::Builder chosen;
  if (!options.empty()) {
    for (const auto& element : Document::trusted(options)) {
      if (element.name == "timeseries" || element.name == "collation")
        chosen.append_raw(element.raw);
    }
  }
  const auto made = TRY(create_plainly(name, chosen.finish()));
  if (made.outcome == Outcome::refused)
    notes_.note(fmt::format("{} is no time series: the server says {}", name.ns(), made.message));
  return {};
}

Result<void> TargetCatalog::create_view(const NamespaceName& name, ByteView options) {
  auto* connection = TRY(link_.connection());
  const auto old = TRY(find_collection(*connection, name.db, name.collection));
  const Bytes definition = create_options(options);
  const bool is_view = old && old->type == "view";
  if (is_view && describe_options(definition, old->options).empty()) return {};
  if (is_view) TRY(drop(name));
  const auto made = TRY(create_plainly(name, Document::trusted(definition)));
  if (made.outcome == Outcome::refused) {
    notes_.note(
        fmt::format("the view {} was not made: the server says {}", name.ns(), made.message));
    return {};
  }
  if (made.outcome == Outcome::was_there) {
    notes_.problem(fmt::format("the view {} was not made: something else has its name", name.ns()));
    return {};
  }
  connection = TRY(link_.connection());
  const auto now = TRY(find_collection(*connection, name.db, name.collection));
  if (now && now->type == "view") return {};
  notes_.note(fmt::format("the view {} was not made: the server has no views", name.ns()));
  return now ? drop(name) : Result<void>();
}

Result<void> TargetCatalog::drop(const NamespaceName& name) {
  bson::Builder command;
  command.append_text("drop", name.collection);
  append_majority(command);
  const auto done = TRY(attempt(name.db, command.finish(), "dropping " + name.ns()));
  if (done.outcome == Outcome::made) return {};
  // Not by the error's number: servers differ in what they say of one that is not there.
  auto* connection = TRY(link_.connection());
  const auto still = TRY(find_collection(*connection, name.db, name.collection));
  if (!still) return {};
  return fail(ErrorCode::server_failed,
              fmt::format("dropping {}: the server says {}", name.ns(), done.message));
}

Result<TargetCatalog::Attempt> TargetCatalog::rename(const NamespaceName& from,
                                                     const NamespaceName& to, Over over) {
  bson::Builder command;
  command.append_text("renameCollection", from.ns());
  command.append_text("to", to.ns());
  if (over == Over::what_is_there) command.append_bool("dropTarget", true);
  append_majority(command);
  return attempt("admin", command.finish(), fmt::format("renaming {} to {}", from.ns(), to.ns()));
}

// Where the server can not drop and rename at once, the old one is moved aside first: it is never
// gone before the new one has its name.
Result<bool> TargetCatalog::rename_over(const NamespaceName& from, const NamespaceName& to) {
  const auto at_once = TRY(rename(from, to, Over::what_is_there));
  if (at_once.outcome == Outcome::made) return true;
  auto* connection = TRY(link_.connection());
  const auto old = TRY(find_collection(*connection, to.db, to.collection));
  if (old && old->type == "view") TRY(drop(to));
  const bool is_in_the_way = old && old->type != "view";
  const NamespaceName aside{to.db, to.collection + "_holdfast_old"};
  Attempt moved;
  if (is_in_the_way) moved = TRY(rename(to, aside, Over::nothing));
  if (moved.outcome == Outcome::made) moved = TRY(rename(from, to, Over::nothing));
  if (moved.outcome == Outcome::made) {
    if (is_in_the_way) TRY(drop(aside));
    return true;
  }
  notes_.problem(fmt::format("{} is whole and compared, but the server can not rename it to {}: {}",
                             from.ns(), to.ns(), moved.message));
  return false;
}

// Asked again when the answer did not come in time: the server joins a build that is going on.
Result<TargetCatalog::Attempt> TargetCatalog::attempt_index(const NamespaceName& name,
                                                            const std::vector<Bytes>& specs) {
  bson::Builder command;
  command.append_text("createIndexes", name.collection);
  command.begin_array("indexes");
  for (std::size_t number = 0; number < specs.size(); ++number) {
    const Bytes spec = without(Document::trusted(specs[number]), "ns");
    command.append_document(std::to_string(number), Document::trusted(spec));
  }
  command.end();
  append_majority(command);
  const Bytes bytes = command.take();
  const std::string doing = "building indexes of " + name.ns();
  const auto reply = TRY(link_.run_again(name.db, Document::trusted(bytes), doing));
  return judge(reply, doing);
}

Result<std::uint64_t> TargetCatalog::build_indexes(const NamespaceName& name,
                                                   const std::vector<Bytes>& specs, Which which) {
  std::vector<Bytes> chosen;
  for (const Bytes& spec : specs) {
    const bool expires = has(spec, expiry);
    if (!is_implied(spec) && expires == (which == Which::with_expiry)) chosen.push_back(spec);
  }
  if (chosen.empty()) return std::uint64_t{0};
  const auto all = TRY(attempt_index(name, chosen));
  if (all.outcome == Outcome::made) return chosen.size();
  std::uint64_t built = 0;
  for (const Bytes& spec : chosen) {
    const auto one = TRY(attempt_index(name, {spec}));
    if (one.outcome == Outcome::made) {
      ++built;
      continue;
    }
    std::string sentence = fmt::format("the index {} of {} was not built: the server says {}",
                                       oplog::index_name(spec), name.ns(), one.message);
    if (one.code == mongo::ServerCode::duplicate_key)
      notes_.problem(std::move(sentence));
    else
      notes_.note(std::move(sentence));
  }
  return built;
}

Result<void> TargetCatalog::set_expiry(const NamespaceName& name, ByteView options) {
  if (!has(options, expiry)) return {};
  bson::Builder command;
  command.append_text("collMod", name.collection);
  command.append(expiry, *Document::trusted(options).find(expiry));
  const auto done = TRY(attempt(name.db, command.finish(), "setting the expiry of " + name.ns()));
  if (done.outcome != Outcome::made)
    notes_.note(fmt::format("{} does not expire: the server says {}", name.ns(), done.message));
  return {};
}

}  // namespace holdfast::recover
