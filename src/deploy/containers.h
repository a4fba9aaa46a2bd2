// The containers of one deployment, as its commands need them: each call says once how it ended, and what is done already
// is found done. Everything on the engine's loop; destroying it ends what is under way unheard.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/deploy_spec.h"
#include "deploy/container_plan.h"
#include "deploy/preflight.h"
#include "docker/engine.h"

namespace hale::deploy {

inline constexpr Duration stop_margin = 20s;         // Beyond the grace of a stop: for the engine itself.
inline constexpr std::uint32_t most_log_lines = 50;  // Told of a container that failed.
inline constexpr std::size_t most_log_bytes = 32u << 10;

struct Label {
    std::string_view name;
    std::string value;
};

class Containers {
public:
    using Done = std::move_only_function<void(Result<>)>;

    explicit Containers(docker::Engine& engine) : engine_(engine) {}

    // What the engine's machine has, and what of `ports` is taken.
    void room(const std::vector<config::PublishedPort>& ports, std::move_only_function<void(Result<Room>)> then);
    // The image as the engine has it; Code::not_found when it does not.
    void image(const std::string& name, std::move_only_function<void(Result<docker::ImageFacts>)> then);
    void pull(const std::string& name, const docker::RegistryAuth& auth, Instant by, std::move_only_function<void(const docker::PullProgress&)> progress, Done then);
    // The network of its own where there is none, and the container. One of that name that another made is left alone:
    // Code::conflict.
    void create(docker::ContainerPlan plan, Done then);
    // Nothing is created from now on. Tells when what the engine was asked to create is there, or is not: what comes late is nobody's.
    void create_no_more(io::Task then);
    // Tells where it answers; port 0: nowhere. One that ended at once answers nowhere either, and is told.
    struct Begun {
        std::string address;
        std::optional<docker::Inspected> ended;
    };
    void start(const std::string& name, const std::string& network, std::uint16_t port, std::move_only_function<void(Result<Begun>)> then);
    void inspect(const std::string& name, std::move_only_function<void(Result<docker::Inspected>)> then);
    void stop(const std::string& name, Duration grace, Done then);
    // Those that are not there are fine, and those of somebody else are left alone.
    void remove(const std::string& name, const Label& whose, Duration grace, Done then);
    void logs(const std::string& name, std::move_only_function<void(std::vector<std::string>)> then);
    // Those with this label, in every state: the newest first.
    void labelled(const Label& label, std::move_only_function<void(Result<std::vector<docker::Listed>>)> then);

private:
    void with_network(const std::string& name, const std::string& service, Done then);
    template <class Begin>
    void begin(Begin begin);
    void make(docker::ContainerPlan plan, Done then);
    // Ends the call that is telling, in a later turn: it is still inside it.
    void over(std::uint64_t id);

    docker::Engine& engine_;
    std::map<std::uint64_t, docker::Call> calls_;
    std::map<std::string, std::vector<Done>> networks_;  // Being made, and who waits for each.
    std::uint64_t next_ = 1;
    std::size_t creating_ = 0;
    bool no_more_ = false;
    std::vector<io::Task> waiting_;  // For the last of them.
    std::shared_ptr<Containers*> self_ = std::make_shared<Containers*>(this);
};

}  // namespace hale::deploy
