// The containers of one deployment, as its commands need them: each call says once how it ended, and what is done already
// is found done. Everything on the engine's loop; destroying it ends what is under way unheard.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/deploy_spec.h"
#include "deploy/container_plan.h"
#include "docker/engine.h"

namespace hale::deploy {

inline constexpr Duration stop_margin = 20s;         // Beyond the grace of a stop: for the engine itself.
inline constexpr std::uint32_t most_log_lines = 50;  // Told of a container that failed.
inline constexpr std::size_t most_log_bytes = 32u << 10;

class Containers {
public:
    using Done = std::move_only_function<void(Result<>)>;

    explicit Containers(docker::Engine& engine) : engine_(engine) {}

    // The image as the engine has it; Code::not_found when it does not.
    void image(const std::string& name, std::move_only_function<void(Result<docker::ImageFacts>)> then);
    void pull(const std::string& name, const docker::RegistryAuth& auth, Instant by, Done then);
    // The network of its own where there is none, and the container. One of that name that another made is left alone:
    // Code::conflict.
    void create(docker::ContainerPlan plan, Done then);
    // Tells where it answers.
    void start(const std::string& name, const std::string& network, std::uint16_t port, std::move_only_function<void(Result<std::string>)> then);
    void inspect(const std::string& name, std::move_only_function<void(Result<docker::Inspected>)> then);
    void stop(const std::string& name, Duration grace, Done then);
    // Those that are not there are fine, and those of somebody else are left alone.
    void remove(const std::string& name, const std::string& service, Duration grace, Done then);
    void logs(const std::string& name, std::move_only_function<void(std::vector<std::string>)> then);
    // Those of a service, in every state, by name: the newest first.
    void of_service(const std::string& service, std::move_only_function<void(Result<std::vector<docker::Listed>>)> then);

private:
    template <class Begin>
    void begin(Begin begin);
    // Ends the call that is telling, in a later turn: it is still inside it.
    void over(std::uint64_t id);

    docker::Engine& engine_;
    std::map<std::uint64_t, docker::Call> calls_;
    std::uint64_t next_ = 1;
    std::shared_ptr<Containers*> self_ = std::make_shared<Containers*>(this);
};

}  // namespace hale::deploy
