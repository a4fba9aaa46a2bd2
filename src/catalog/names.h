// Keeps the names of routed instances resolved: asks anew when the time to live (clamped to 1–60 s) is over or
// a connect failed, and keeps the last addresses when an answer fails. Control's thread.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/loop.h"
#include "io/resolver.h"

namespace hale::catalog {

inline constexpr Duration least_ttl = 1s;
inline constexpr Duration most_ttl = 60s;
inline constexpr Duration lookup_timeout = 5s;
inline constexpr Duration retry_failed_lookup = 2s;

class Names {
public:
    using Answered = std::move_only_function<void(const std::string& name, std::vector<Ip> addresses)>;
    // A failed look-up, in words.
    using Failed = std::move_only_function<void(const std::string& name, const Error& error)>;

    Names(io::Loop& loop, io::Resolver& resolver, Answered answered, Failed failed)
        : loop_(loop), resolver_(resolver), answered_(std::move(answered)), failed_(std::move(failed)) {}

    void want(const std::set<std::string>& names);  // Exactly these from now on.
    void doubt(std::string_view name);              // Something failed there: ask now, at most once a second.
    void stop() { wanted_.clear(); }

private:
    struct Name {
        Name(Names& owner, std::string name) : owner(owner), text(std::move(name)), timer(owner.loop_, io::member_fire<&Name::due>, this) {}
        void due() noexcept { owner.ask(*this); }

        Names& owner;
        std::string text;
        std::unique_ptr<io::Resolver::Question> question;
        Instant asked{};
        bool failing = false;
        io::Timer timer;
    };
    void ask(Name& name);
    void take(Name& name, Result<io::Resolution> answer);

    io::Loop& loop_;
    io::Resolver& resolver_;
    Answered answered_;
    Failed failed_;
    std::map<std::string, std::unique_ptr<Name>, std::less<>> wanted_;
};

}  // namespace hale::catalog
