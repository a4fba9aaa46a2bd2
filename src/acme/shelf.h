// What is kept of each host and of each account, as text for the disk and back. One file a host, so that certificate and
// key are always of one another, and the history of failures with them: a restart asks no sooner than was promised.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "acme/doors.h"
#include "base/result.h"
#include "base/time.h"

namespace hale::acme {

struct HostRecord {
    std::string host;
    Credentials credentials;  // Empty: never had one.
    std::string authority;    // Directory that issued it.
    unsigned failures = 0, failures_here = 0;
    std::size_t authority_index = 0;
    std::string asked;        // Directory that failed so often.
    std::string reason;
    Utc next_attempt{};
    bool on_demand = false;  // Nobody declared it: a client asked.
};
std::string file_name(std::string_view host);  // "www.example.json"; "_.example.json" for "*.example".
std::string write_record(const HostRecord& record);
Result<HostRecord> read_record(std::string_view content);

struct AccountRecord {
    std::string directory;
    std::string key_pem;
    std::string account;  // URL; empty: not registered yet.
    std::optional<std::string> contact = {};  // The mail address that the authority was told last, perhaps none at all; nothing: unknown.
};
std::string account_file_name(std::string_view directory);  // "account-0123456789abcdef.json"
bool is_account_file(std::string_view name);
std::string write_account(const AccountRecord& record);
Result<AccountRecord> read_account(std::string_view content);

}  // namespace hale::acme
