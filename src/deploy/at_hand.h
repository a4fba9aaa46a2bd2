// What people do with containers by hand, through the daemon: see them, read what they write, run a command in one, stop and
// start one. Only containers that carry Hale's label. Everything on the deployer's loop.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/deploying.h"
#include "deploy/by_hand.h"
#include "deploy/calls.h"
#include "deploy/logs.h"
#include "deploy/turn.h"
#include "docker/engine.h"

namespace hale::deploy {

inline constexpr std::size_t most_containers_told = 1'000;
inline constexpr std::size_t most_looked_at_once = 8;  // Containers and images, of one list.
inline constexpr std::size_t most_lists = 16;
inline constexpr std::size_t most_readers = 64;        // Of logs.
inline constexpr std::size_t most_commands = 16;       // Run inside containers at once.
inline constexpr std::size_t most_turns = 64;
class AtHand {
public:
    struct Parts {
        io::Loop& loop;
        catalog::Deploying& catalog;
        docker::Engine* engine = nullptr;  // Null: there is none, and everything is refused.
        std::function<bool(const std::string& service)> deploys;  // Is a deployment of it under way?
    };
    explicit AtHand(Parts parts);
    ~AtHand();

    // Of one service, or of all; those that do not run only with `all`.
    void list(std::string service, bool all, ContainersReply reply);
    // One that Hale made: Code::denied for any other.
    void run(CommandRequest request, CommandReply reply);
    void act(HandRequest request, HandReply reply);
    // Who acts on an instance of this service or application right now, and on which; empty: nobody.
    std::string busy(const std::string& service) const;

    // `reader` is the caller's number for it.
    void read(std::uint64_t reader, LogsRequest request, LogsHearing hearing);
    void taken(std::uint64_t reader, std::size_t bytes);
    void close(std::uint64_t reader);

private:
    struct Listing;
    void look_on(const std::shared_ptr<Listing>& listing);
    void images_of(const std::shared_ptr<Listing>& listing);
    bool no_engine(auto& reply) const;

    const Parts parts_;
    std::unique_ptr<Calls> calls_;
    std::map<std::string, std::unique_ptr<HandTurn>> turns_;  // By service.
    std::map<std::uint64_t, std::unique_ptr<Logs>> readers_;
    std::size_t lists_ = 0, commands_ = 0;
    std::shared_ptr<AtHand*> self_ = std::make_shared<AtHand*>(this);
};

}  // namespace hale::deploy
