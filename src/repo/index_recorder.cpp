#include "repo/index_recorder.hpp"

namespace holdfast::repo {

IndexRecorder::IndexRecorder(const Repository& repository) : repository_(repository) {
  MutexLock lock(mutex_);
  last_write_ = repository.context().clock.monotonic();
}

bool IndexRecorder::is_due() const {
  return encoder_.blob_count() >= checkpoint_blobs ||
         encoder_.json_bytes() >= checkpoint_json_bytes || pack_bytes_ >= checkpoint_pack_bytes ||
         repository_.context().clock.monotonic() - last_write_ >= checkpoint_interval;
}

Bytes IndexRecorder::take_json() {
  last_write_ = repository_.context().clock.monotonic();
  pack_bytes_ = 0;
  return encoder_.finish();
}

// The packs that the file lists were put before; the barrier makes them durable first.
Result<void> IndexRecorder::write(ByteView json) {
  TRY(repository_.store().sync());
  const auto id = TRY(repository_.save_index(json, store::Durability::immediate));
  MutexLock lock(mutex_);
  files_.push_back(id);
  return {};
}

Result<void> IndexRecorder::add(const PackId& id, const std::vector<PackedBlob>& blobs) {
  IndexedPack pack;
  pack.id = id;
  pack.blobs = blobs;
  Bytes json;
  {
    MutexLock lock(mutex_);
    encoder_.add(pack);
    pack_bytes_ += std::uint64_t{blobs.back().offset} + blobs.back().length;
    if (!is_due()) return {};
    json = take_json();
  }
  return write(json);
}

Result<void> IndexRecorder::finish() {
  Bytes json;
  {
    MutexLock lock(mutex_);
    if (encoder_.pack_count() != 0) json = take_json();
  }
  if (json.empty()) return repository_.store().sync();
  return write(json);
}

std::vector<IndexId> IndexRecorder::files() const {
  MutexLock lock(mutex_);
  return files_;
}

}  // namespace holdfast::repo
