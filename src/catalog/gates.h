// `verify`: asks every serving instance of an object for evidence gathered from now on, and waits for it,
// bounded. Control's thread; the probing is the checkers'.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "catalog/membership.h"
#include "catalog/mutation.h"
#include "io/loop.h"

namespace hale::catalog {

class Gates {
public:
    // `send` carries commands to the checkers; `revision` reads the folded revision for the answer.
    Gates(io::Loop& loop, Membership& membership, std::function<void(std::vector<CheckerCommand>)> send, std::function<std::uint64_t()> revision)
        : loop_(loop), membership_(membership), send_(std::move(send)), revision_(std::move(revision)) {}

    void open(VerifyRequest request, VerifyReply reply);
    // Answers all that are open.
    void stop(VerifyEnd end = VerifyEnd::timed_out);

private:
    struct Gate {
        Gate(Gates& owner, std::uint64_t id) : owner(owner), id(id), timer(owner.loop_, io::member_fire<&Gate::expired>, this) {}
        void expired() noexcept;

        Gates& owner;
        std::uint64_t id;
        VerifyResult result;
        VerifyReply reply;
        std::size_t waiting = 0;
        bool as_if_serving = false;
        io::Timer timer;
    };
    void take(std::uint64_t id, std::string_view instance, GateOutcome outcome);
    void finish(Gate& gate, VerifyEnd end);

    io::Loop& loop_;
    Membership& membership_;
    std::function<void(std::vector<CheckerCommand>)> send_;
    std::function<std::uint64_t()> revision_;
    std::map<std::uint64_t, std::unique_ptr<Gate>> open_;
    std::uint64_t next_ = 1;
};

}  // namespace hale::catalog
