// Puts TXT records where the operator's name servers are, and takes them away: by a command, or by a webhook. The command
// or the hook answers once the record can be seen by everybody.
//
//   exec:  COMMAND... present|withdraw _acme-challenge.www.example VALUE       exit 0
//   url:   POST   {"name":"_acme-challenge.www.example","type":"TXT","value":"..."}   2xx
//          DELETE with the same body

#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "acme/doors.h"
#include "acme/fetch.h"
#include "io/blocking.h"

namespace hale::acme {

struct DnsHookSettings {
    std::vector<std::string> exec;
    std::string url;
    std::string user;  // Runs the command; empty: Hale's own.
    bool operator==(const DnsHookSettings&) const = default;
};

inline constexpr Duration dns_hook_patience = 5min;
inline constexpr std::size_t most_dns_hooks_at_once = 16;

class DnsHook final : public Challenges {
public:
    DnsHook(Ways& ways, io::Spawner* spawner, DnsHookSettings settings);
    ~DnsHook() override;
    void present(const Challenge& challenge, Done done) override;
    void withdraw(const Challenge& challenge, Done done) override;

private:
    void tell(bool present, const Challenge& challenge, Done done);
    void run(bool present, const Challenge& challenge, Done done);
    void call(bool present, const Challenge& challenge, Done done);

    Ways& ways_;
    io::Spawner* spawner_;
    DnsHookSettings settings_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Fetch>> calls_;
    std::uint64_t last_ = 0;
    std::shared_ptr<bool> alive_;
};

}  // namespace hale::acme
