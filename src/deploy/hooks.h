// The hooks of a deployment: asked one after the other, each within its time, until one says no. An HTTP hook is a request
// with the deployment as JSON, made by the probes' engine; an exec hook is a program with the deployment in its environment,
// run by the spawn helper under the rules of exec checks. Everything on the deployer's loop.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "catalog/deploying.h"
#include "config/deploy_spec.h"
#include "io/blocking.h"
#include "io/loop.h"

namespace hale::deploy {

// A program may wait so long for its turn; an answer so long for being told.
inline constexpr Duration hook_margin = 5s;

// What a hook is told.
struct HookFacts {
    std::string when;  // "before", "after"
    std::string deployment, service, image;
    std::uint64_t number = 0;
    std::vector<std::string> targets;  // Where the new version is; as far as that is known.
    bool operator==(const HookFacts&) const = default;
};

struct HookCall {
    config::DeployHook hook;
    HookFacts facts;
};

// How long all of them may take.
Duration hooks_budget(const std::vector<config::DeployHook>& hooks);

// {"when": "before", "deployment": …, "service": …, "number": …, "image": …, "targets": […]}
std::string hook_json(const HookFacts& facts);
// HALE_WHEN, HALE_DEPLOYMENT, HALE_SERVICE, HALE_NUMBER, HALE_IMAGE, HALE_TARGETS.
std::vector<std::string> hook_environment(const HookFacts& facts);

class Hooks {
public:
    struct Parts {
        io::Loop& loop;
        catalog::Deploying& catalog;
        io::Spawner* spawner = nullptr;  // Null: no program can be run here.
        std::string exec_user;           // As whom; empty: as the daemon.
    };
    using Done = std::move_only_function<void(Result<>)>;

    explicit Hooks(Parts parts) : parts_(std::move(parts)) {}

    // The error is the sentence of the hook that said no. Whoever is still asked when this is destroyed is not heard.
    void run(std::vector<HookCall> calls, Done done);

private:
    void next();
    void ask(const HookCall& call);
    void spawn(const HookCall& call);
    void answered(std::size_t which, Result<> answer);

    const Parts parts_;
    std::vector<HookCall> calls_;
    std::size_t at_ = 0;
    Done done_;
    std::shared_ptr<Hooks*> self_ = std::make_shared<Hooks*>(this);
};

}  // namespace hale::deploy
