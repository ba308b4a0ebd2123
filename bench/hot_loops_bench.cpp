// MB/s of the loops that every byte of a backup passes, each beside the variant that any processor
// runs. `hot_loops_bench --benchmark_filter=chunk` measures the chunkers only.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/rng.hpp"
#include "repo/chunker.hpp"
#include "repo/cipher.hpp"
#include "repo/sha256.hpp"

namespace holdfast::repo {
namespace {

constexpr std::size_t file_bytes = std::size_t{64} << 20;

const Bytes& random_file() {
  static const Bytes file = [] {
    Bytes bytes(file_bytes);
    SeededRng(1).fill(bytes);
    return bytes;
  }();
  return file;
}

void count_bytes(benchmark::State& state, std::size_t per_iteration) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(per_iteration));
}

void chunk(benchmark::State& state, ChunkSearch search) {
  const auto chunker = Chunker::make(Polynomial{0x3da3358b4dc173}, search);
  if (!chunker.has_value()) return state.SkipWithError("not on this processor");
  for (auto _ : state)
    for (ByteView rest = random_file(); !rest.empty();) {
      const auto cut = chunker->first_cut(rest);
      benchmark::DoNotOptimize(cut);
      rest = rest.subspan(cut);
    }
  count_bytes(state, file_bytes);
}
BENCHMARK_CAPTURE(chunk, one_lane, ChunkSearch::one_lane)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(chunk, four_lanes, ChunkSearch::four_lanes)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(chunk, gfni, ChunkSearch::gfni)->Unit(benchmark::kMillisecond);

// `state.range(0)` messages of `state.range(1)` bytes, a little shorter one by one.
void hash_many(benchmark::State& state, Sha256Engine engine) {
  if (!is_available(engine)) return state.SkipWithError("not on this processor");
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto size = static_cast<std::size_t>(state.range(1));
  std::vector<ByteView> messages;
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    messages.push_back(ByteView(random_file()).subspan(i * size, size - i * size / (2 * count)));
    total += messages.back().size();
  }
  std::vector<Digest> digests(count);
  for (auto _ : state) sha256_many(messages, digests, engine);
  count_bytes(state, total);
}
void batches(benchmark::internal::Benchmark* bench) {
  bench->Args({1, 1 << 20})->Args({2, 1 << 20})->Args({4, 1 << 20})->Args({8, 1 << 20});
  bench->Args({16, 1 << 20})->Args({16, 4096})->Args({64, 4096});
}
BENCHMARK_CAPTURE(hash_many, openssl, Sha256Engine::openssl)->Apply(batches);
BENCHMARK_CAPTURE(hash_many, sha_ni, Sha256Engine::sha_ni)->Apply(batches);
BENCHMARK_CAPTURE(hash_many, avx512, Sha256Engine::avx512)->Apply(batches);

void hash_stream(benchmark::State& state) {
  Sha256Stream stream;
  for (auto _ : state) {
    stream.update(random_file());
    benchmark::DoNotOptimize(stream.finish());
  }
  count_bytes(state, file_bytes);
}
BENCHMARK(hash_stream)->Unit(benchmark::kMillisecond);

void seal(benchmark::State& state) {
  const MasterKey key{.encrypt = {1}, .mac_k = {2}, .mac_r = {3}};
  const SealIv iv = {1};
  const auto plain = ByteView(random_file()).first(static_cast<std::size_t>(state.range(0)));
  Bytes sealed(plain.size() + seal_overhead_bytes);
  for (auto _ : state) benchmark::DoNotOptimize(seal_into(key, iv, plain, sealed).has_value());
  count_bytes(state, plain.size());
}
BENCHMARK(seal)->Arg(200)->Arg(2048)->Arg(16384)->Arg(1 << 20);

void open(benchmark::State& state) {
  const MasterKey key{.encrypt = {1}, .mac_k = {2}, .mac_r = {3}};
  const SealIv iv = {1};
  Bytes plain(static_cast<std::size_t>(state.range(0)));
  Bytes sealed(plain.size() + seal_overhead_bytes);
  if (!seal_into(key, iv, plain, sealed).has_value()) return state.SkipWithError("not sealed");
  for (auto _ : state) benchmark::DoNotOptimize(open_into(key, sealed, plain).has_value());
  count_bytes(state, plain.size());
}
BENCHMARK(open)->Arg(200)->Arg(2048)->Arg(16384)->Arg(1 << 20);

}  // namespace
}  // namespace holdfast::repo

BENCHMARK_MAIN();
