#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "base/channel.hpp"
#include "base/clock.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/rng.hpp"
#include "base/task_group.hpp"
#include "base/time_text.hpp"
#include "base/units.hpp"

using namespace holdfast;

TEST_CASE("hex and base64 go both ways and name the offset of a bad digit") {
  const Bytes bytes = to_bytes(as_bytes("\x00\xffholdfast"));
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const auto part = ByteView(bytes).first(length);
    CHECK(from_hex(to_hex(part)).value() == to_bytes(part));
    CHECK(from_base64(to_base64(part)).value() == to_bytes(part));
  }
  CHECK(from_hex("0g").error().message == "not a hex digit at offset 0");
  CHECK(from_base64("ab*d").error().message == "not a base64 digit at offset 2");
}

TEST_CASE("times are written as the repository format wants them and read back") {
  CHECK(format_time(1500000000, 120000000) == "2017-07-14T02:40:00.12Z");
  CHECK(format_time(-1, 999999999) == "1969-12-31T23:59:59.999999999Z");
  const auto parsed = parse_time("2026-11-24T03:55:16.411421096+05:30").value();
  CHECK(parsed.seconds == 1795472716);
  CHECK(parsed.nanoseconds == 411421096);
  CHECK(parse_time("0001-01-01t00:00:00z").value().seconds == -62135596800);
  for (const auto* bad : {"", "2026-11-24", "2026-02-30T00:00:00Z", "2026-11-24T00:00:00",
                          "2026-11-24T00:00:00.Z", "2026-11-24T00:00:00+5:30"})
    CHECK_FALSE(parse_time(bad).has_value());
}

TEST_CASE("the first error of a task group stops the others and is the one returned") {
  TaskGroup group;
  Channel<int> channel(2);
  group.start([&](std::stop_token) -> Result<void> {
    while (channel.pop()) {
    }
    return {};
  });
  group.start([&](std::stop_token) -> Result<void> {
    for (int item = 0; item < 10; ++item) channel.push(item);
    channel.close();
    return fail(ErrorCode::io, "disk gone");
  });
  CHECK(group.wait().error().message == "disk gone");
}

TEST_CASE("errors keep their trail and know their exit status and remedy") {
  const auto inner = []() -> Result<int> { return fail(ErrorCode::wrong_key, "no key fits"); };
  const auto outer = [&]() -> Result<int> {
    const int value = TRY(inner().while_doing("opening the repository"));
    return value + 1;
  };
  const auto error = outer().error();
  CHECK(describe(error) == "no key fits (while opening the repository)");
  CHECK(exit_status_of(error.code) == 12);
  CHECK_FALSE(remedy_of(error.code).empty());
}

TEST_CASE("a file is replaced as a whole and read under a limit") {
  const auto path = std::filesystem::temp_directory_path() / "holdfast_base_test_file";
  CHECK(write_file_atomically(path, as_bytes("one")).has_value());
  CHECK(write_file_atomically(path, as_bytes("two")).has_value());
  CHECK(as_text(read_file(path, 3).value()) == "two");
  CHECK(read_file(path, 2).error().code == ErrorCode::limit_exceeded);
  std::filesystem::remove(path);
  CHECK(read_file(path, 2).error().code == ErrorCode::not_found);
}

TEST_CASE("a program's output and exit status come back, words are split as a shell would") {
  const auto words = split_words("printf  '%s|' \"a b\" c\\ d ''").value();
  CHECK(words == std::vector<std::string>{"printf", "%s|", "a b", "c d", ""});
  CHECK(as_text(run_process(words, Capture::standard_output).value().output) == "a b|c d||");
  CHECK(run_process({"sh", "-c", "exit 7"}, Capture::none).value().exit_status == 7);
  CHECK(run_process({"sh", "-c", "kill -9 $$"}, Capture::none).value().exit_status == 137);
  CHECK(run_process({"/nonexistent/program"}, Capture::none).error().code == ErrorCode::not_found);
  CHECK(run_process({"yes"}, Capture::standard_output).error().code == ErrorCode::limit_exceeded);
  CHECK(split_words("a 'b").error().code == ErrorCode::malformed);
}

TEST_CASE("sizes and spans are read as a person types them, nonsense is refused") {
  CHECK(parse_size("64K").value() == 65536);
  CHECK(parse_size("16 MiB").value() == 16777216);
  CHECK(parse_size("1.5GB").value() == 1610612736);
  CHECK(parse_size("7").value() == 7);
  CHECK(parse_span("1h30m").value() == std::chrono::minutes(90));
  CHECK(parse_span("250ms").value() == std::chrono::milliseconds(250));
  CHECK(parse_span("2d").value() == std::chrono::hours(48));
  for (const auto* bad : {"", "K", "1X", "-1", "1 1", "9999999P"})
    CHECK(parse_size(bad).error().code == ErrorCode::usage);
  for (const auto* bad : {"", "5", "m5", "1y", "200000d", "-3s"})
    CHECK(parse_span(bad).error().code == ErrorCode::usage);
}

TEST_CASE("TRY passes over a success without a value and returns its failure") {
  const auto both = [](Result<void> first) -> Result<int> {
    TRY(std::move(first));
    return 1;
  };
  CHECK(both({}).value() == 1);
  CHECK(both(fail(ErrorCode::io, "x")).error().code == ErrorCode::io);
}

TEST_CASE("a forked process draws other random numbers than its parent") {
  SystemRng rng;
  rng.next();  // the buffer is filled before the fork
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::uint64_t drawn = rng.next();
    ::_exit(::write(ends[1], &drawn, sizeof drawn) == sizeof drawn ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  std::uint64_t drawn = 0;
  REQUIRE(::read(ends[0], &drawn, sizeof drawn) == sizeof drawn);
  CHECK(drawn != rng.next());
  ::close(ends[0]);
  ::close(ends[1]);
}
