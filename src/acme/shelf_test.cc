// Goal: records are read back as they were written; what was cut, bent or written by a newer Hale is refused with a
// sentence, never half taken. Method: a record, every prefix of its text, and every byte of it changed.

#include "acme/shelf.h"

#include <gtest/gtest.h>

namespace hale::acme {
namespace {

HostRecord sample() {
    return {.host = "www.example",
            .credentials = {.chain_pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", .key_pem = "key\n"},
            .authority = "https://ca.example/dir",
            .failures = 4,
            .failures_here = 1,
            .authority_index = 2,
            .reason = "the authority said \"no\"",
            .next_attempt = Utc{1'795'270'000s},
            .on_demand = true};
}

TEST(Shelf, ReadsBackWhatItWrote) {
    const HostRecord was = sample();
    const auto read = read_record(write_record(was));
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(read->host, was.host);
    EXPECT_EQ(read->credentials.chain_pem, was.credentials.chain_pem);
    EXPECT_EQ(read->credentials.key_pem, was.credentials.key_pem);
    EXPECT_EQ(read->authority, was.authority);
    EXPECT_EQ(read->failures, was.failures);
    EXPECT_EQ(read->failures_here, was.failures_here);
    EXPECT_EQ(read->authority_index, was.authority_index);
    EXPECT_EQ(read->reason, was.reason);
    EXPECT_EQ(read->next_attempt, was.next_attempt);
    EXPECT_TRUE(read->on_demand);
    const auto account = read_account(write_account({.directory = "https://ca.example/dir", .key_pem = "secret", .account = "https://ca.example/a/1"}));
    ASSERT_TRUE(account);
    EXPECT_EQ(account->key_pem, "secret");
    EXPECT_EQ(account->account, "https://ca.example/a/1");
    // Nobody known to have been told is another thing than told of nobody.
    for (const auto& contact : {std::optional<std::string>{}, std::optional<std::string>{""}, std::optional<std::string>{"ops@example.org"}}) {
        const auto read_back = read_account(write_account({.directory = "https://ca.example/dir", .key_pem = "secret", .account = "a", .contact = contact}));
        ASSERT_TRUE(read_back);
        EXPECT_EQ(read_back->contact, contact);
    }
}

TEST(Shelf, RefusesEveryTextThatWasCut) {
    const std::string whole = write_record(sample());
    for (std::size_t size = 0; size + 2 < whole.size(); ++size) {
        const auto read = read_record(whole.substr(0, size));
        ASSERT_FALSE(read) << size;
        EXPECT_EQ(read.error().code, Code::corrupt);
    }
}

TEST(Shelf, TakesAChangedByteForSomethingWholeOrNotAtAll) {
    const std::string whole = write_record(sample());
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string bent = whole;
        bent[at] = static_cast<char>(bent[at] ^ 0x21);
        const auto read = read_record(bent);
        if (read) EXPECT_EQ(read->credentials.chain_pem.empty(), read->credentials.key_pem.empty()) << at;
    }
}

TEST(Shelf, RefusesWhatANewerHaleWrote) {
    std::string text = write_record(sample());
    text.replace(text.find("\"format\": 1"), 11, "\"format\": 2");
    EXPECT_FALSE(read_record(text));
}

TEST(Shelf, NamesFilesSoThatNoHostIsAnothersOrAnAccount) {
    EXPECT_EQ(file_name("www.example"), "www.example.json");
    EXPECT_EQ(file_name("*.example"), "_.example.json");
    const std::string account = account_file_name("https://ca.example/dir");
    EXPECT_TRUE(is_account_file(account)) << account;
    for (const std::string_view host : {"www.example", "account-0123456789abcdef.example", "account-1.example", "*.account-0123456789abcdef"})
        EXPECT_FALSE(is_account_file(file_name(host))) << host;
    EXPECT_NE(account, account_file_name("https://ca.example/dir2"));
}

}  // namespace
}  // namespace hale::acme
