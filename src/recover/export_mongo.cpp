#include "recover/export_mongo.hpp"

#include "recover/export_sink.hpp"
#include "recover/moment_stream.hpp"

namespace holdfast::recover {

namespace {

MomentRequest request_of(const MongoExportOptions& options) {
  return {.dataset = options.dataset,
          .at = options.at,
          .snapshot = options.snapshot,
          .only = options.only,
          .renames = options.renames,
          .memory_bytes_max = options.memory_bytes_max,
          .temp_directory = options.temp_directory,
          .in_doubt = options.in_doubt,
          .rules = options.rules};
}

}  // namespace

std::uint64_t MongoExportResult::document_count() const {
  std::uint64_t count = 0;
  for (const ExportedCollection& collection : collections) count += collection.count;
  return count;
}

Result<MongoExportResult> export_mongo(repo::Repository& repository,
                                       const MongoExportOptions& options) {
  MomentStream moment = TRY(MomentStream::open(repository, request_of(options)));
  auto writer = TRY(dataset::make_dump_writer(options.target, moment.server_version()));
  MongoExportResult result;
  ExportSink sink(*writer, moment.choice(), options, result);
  auto report = TRY(moment.push(sink));
  if (result.collections.empty() && !moment.choice().takes_all())
    return fail(ErrorCode::not_found, "none of the chosen namespaces existed at that moment");
  TRY(writer->finish());
  result.base = moment.base();
  result.moment = moment.moment();
  result.at = moment.at();
  result.computed = std::move(report.computed);
  for (std::string& sentence : report.notes) result.notes.push_back(std::move(sentence));
  return result;
}

}  // namespace holdfast::recover
