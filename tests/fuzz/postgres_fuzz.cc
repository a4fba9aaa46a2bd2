// Any bytes as what PostgreSQL might say: messages read the same in two pieces as at once, and so do SCRAM's challenges;
// every body is tried as everything it might be.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tests/fuzz/in_two_pieces.h"
#include "wire/postgres.h"
#include "wire/scram.h"

using namespace hale::wire;

namespace {

auto read(std::string_view text, std::size_t cut) {
    return hale::fuzz::read_in_two_pieces<PostgresStatus>(PostgresReader({.max_body = 512}), text, cut);
}

void read_body(std::string_view body) {
    (void)postgres_authentication(body);
    if (const auto error = postgres_error(body)) HALE_CHECK(!error->text().empty());
    if (const auto row = postgres_row(body)) HALE_CHECK(row->size() <= most_postgres_columns);
    (void)postgres_columns(body);
    (void)postgres_parameter(body);
    Scram scram("u", "abcdefgh");
    if (const auto challenge = scram.challenge(body)) HALE_CHECK(challenge->iterations <= Scram::most_iterations && !challenge->salt.empty());
    HALE_CHECK(!scram.confirm(body));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    const auto whole = read(text, text.size());
    HALE_CHECK(read(text, data[0] % text.size()) == whole);
    for (const PostgresMessage& message : whole.items) read_body(message.body);
    read_body(text);
    return 0;
}
