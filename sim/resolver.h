// Names of the simulated world: scripted, changeable at any time, silent when told so.
//
// `Names` is what the world's name servers say; each loop asks through a Resolver of its own. Both must live
// as long as questions are open; a question whose resolver is gone is never answered.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/resolver.h"
#include "sim/loop.h"

namespace hale::sim {

class Names {
public:
    struct Entry {
        std::vector<Ip> addresses;  // Empty: the name does not exist (Code::not_found).
        Duration ttl = 30s;
        Duration delay = 1ms;
        bool silent = false;         // No answer: the question ends at its deadline.
        std::optional<Error> error;  // Instead of an answer: SERVFAIL, a server of ours that is down.
    };

    // Addresses as text; they must be valid. IPv4 is told first.
    void set(std::string_view name, std::vector<std::string_view> addresses, Duration ttl = 30s);
    void set(std::string_view name, Entry entry);
    void remove(std::string_view name);  // NXDOMAIN from now on.
    Entry& at(std::string_view name);    // To change one fact of it.
    const Entry* find(std::string_view name) const;

    std::uint64_t questions = 0;  // Asked so far, for tests of caches.

private:
    std::map<std::string, Entry, std::less<>> entries_;
};

class Resolver final : public io::Resolver {
public:
    Resolver(Names& names, Loop& loop) : names_(names), loop_(loop) {}
    // The answer is what the names say when the delay is over, not when the question was asked.
    std::unique_ptr<Question> resolve(std::string_view name, Instant deadline, Answer answer) override;

private:
    Names& names_;
    Loop& loop_;
};

}  // namespace hale::sim
