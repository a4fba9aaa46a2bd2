#include "deploy/at_hand.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "deploy/container_plan.h"

namespace hale::deploy {

namespace {

const std::string& first_name(const docker::Listed& one) { return one.names.front(); }

std::unexpected<Error> too_many(std::string_view what, std::size_t most) { return fail(Code::exhausted, fmt::format("{} {} already; try again when one has ended", most, what)); }

}  // namespace

AtHand::AtHand(Parts parts) : parts_(std::move(parts)), calls_(parts_.engine != nullptr ? std::make_unique<Calls>(*parts_.engine) : nullptr) {}
AtHand::~AtHand() = default;

bool AtHand::no_engine(auto& reply) const {
    if (parts_.engine != nullptr) return false;
    reply(fail(Code::unavailable, "this daemon has no engine for containers: docker.host says where one is"));
    return true;
}

// ---- What there is ----

struct AtHand::Listing {
    std::vector<std::string> names;
    std::size_t next = 0, under_way = 0;
    std::vector<ContainerNow> found;
    std::vector<std::string> images;
    std::map<std::string, std::string> digests;  // By image id.
    bool of_images = false;
    ContainersReply reply;
};

void AtHand::list(std::string service, bool all, ContainersReply reply) {
    if (no_engine(reply)) return;
    if (lists_ >= most_lists) return reply(too_many("lists are being made", most_lists));
    ++lists_;
    auto listing = std::make_shared<Listing>();
    listing->reply = [this, reply = std::move(reply)](Result<std::vector<ContainerNow>> answer) mutable {
        --lists_;
        reply(std::move(answer));
    };
    std::string label(service_label);
    if (!service.empty()) label += "=" + service;
    calls_->ask<std::vector<docker::Listed>>(
        [&](docker::Engine& engine, auto done) { return engine.list({label}, engine.soon(), std::move(done)); },
        [this, listing, all](Result<std::vector<docker::Listed>> found) {
            if (!found) return listing->reply(std::unexpected(std::move(found.error())));
            std::erase_if(*found, [&](const auto& one) { return one.names.empty() || (!all && one.state != docker::ContainerState::running && one.state != docker::ContainerState::restarting && one.state != docker::ContainerState::paused); });
            std::ranges::sort(*found, {}, first_name);
            if (found->size() > most_containers_told)
                return listing->reply(fail(Code::exhausted, fmt::format("there are {} containers; at most {} are told at once: name a service", found->size(), most_containers_told)));
            for (const auto& one : *found) listing->names.push_back(first_name(one));
            look_on(listing);
        });
}

void AtHand::look_on(const std::shared_ptr<Listing>& listing) {
    if (!listing->reply) return;
    while (listing->next < listing->names.size() && listing->under_way < most_looked_at_once) {
        ++listing->under_way;
        const std::string& name = listing->names[listing->next++];
        calls_->ask<docker::Inspected>([&](docker::Engine& engine, auto done) { return engine.inspect(name, engine.soon(), std::move(done)); },
                                       [this, listing](Result<docker::Inspected> it) {
                                           --listing->under_way;
                                           if (it) listing->found.push_back({std::move(*it), ""});
                                           // What went meanwhile is no trouble.
                                           else if (it.error().code != Code::not_found && listing->reply) std::exchange(listing->reply, {})(std::unexpected(std::move(it.error())));
                                           look_on(listing);
                                       });
    }
    if (listing->under_way > 0 || listing->next < listing->names.size()) return;
    std::ranges::sort(listing->found, {}, [](const auto& one) { return one.container.name; });
    std::set<std::string> images;
    for (const auto& one : listing->found) images.insert(one.container.image_id);
    listing->images.assign(images.begin(), images.end());
    listing->next = 0;
    images_of(listing);
}

void AtHand::images_of(const std::shared_ptr<Listing>& listing) {
    while (listing->next < listing->images.size() && listing->under_way < most_looked_at_once) {
        ++listing->under_way;
        const std::string& id = listing->images[listing->next++];
        calls_->ask<docker::ImageFacts>([&](docker::Engine& engine, auto done) { return engine.inspect_image(id, engine.soon(), std::move(done)); },
                                        [this, listing, id](Result<docker::ImageFacts> image) {
                                            --listing->under_way;
                                            if (image && !image->digests.empty()) listing->digests[id] = image->digests.front();
                                            images_of(listing);
                                        });
    }
    if (listing->under_way > 0 || !listing->reply) return;
    for (auto& one : listing->found)
        if (const auto found = listing->digests.find(one.container.image_id); found != listing->digests.end()) one.digest = found->second;
    std::exchange(listing->reply, {})(std::move(listing->found));
}

// ---- A command inside ----

void AtHand::run(CommandRequest request, CommandReply reply) {
    if (no_engine(reply)) return;
    if (commands_ >= most_commands) return reply(too_many("commands run in containers", most_commands));
    ++commands_;
    auto ended = [this, reply = std::move(reply)](Result<docker::ExecDone> done) mutable {
        --commands_;
        reply(std::move(done));
    };
    const std::string name = request.container;
    calls_->ask<docker::Inspected>(
        [&](docker::Engine& engine, auto done) { return engine.inspect(name, engine.soon(), std::move(done)); },
        [this, request = std::move(request), ended = std::move(ended)](Result<docker::Inspected> it) mutable {
            if (!it) return ended(std::unexpected(std::move(it.error())));
            if (!it->labels.contains(std::string(service_label))) return ended(fail(Code::denied, fmt::format("container {} is none of Hale's: it has no label {}", escaped(it->name, 80), service_label)));
            const docker::ExecPlan plan{.command = std::move(request.command), .environment = {}, .user = std::move(request.user), .working_folder = std::move(request.folder)};
            calls_->ask<docker::ExecDone>([&](docker::Engine& engine, auto done) { return engine.exec(it->name, plan, parts_.loop.now() + request.within, std::move(done)); },
                                          [within = request.within, ended = std::move(ended)](Result<docker::ExecDone> done) mutable {
                                              if (!done && done.error().code == Code::timed_out)
                                                  done.error().text = fmt::format("the command did not end within {}; it runs on in the container, which an engine can't end it in; --timeout gives it longer", human(within));
                                              ended(std::move(done));
                                          });
        });
}

// ---- Stopping and starting ----

std::string AtHand::busy(const std::string& service) const {
    const auto found = std::ranges::find_if(turns_, [&](const auto& one) { return one.first == service || one.second->application() == service; });
    if (found == turns_.end()) return {};
    const auto& request = found->second->request();
    return fmt::format("{} of {} by {} is under way", text(request.verb), request.instance, request.actor);
}

void AtHand::act(HandRequest request, HandReply reply) {
    if (no_engine(reply)) return;
    const std::string service = request.service;
    if (parts_.deploys(service)) return reply(fail(Code::conflict, fmt::format("a deployment of service \"{}\" is under way: wait for its end (hale deployments), or abort it", escaped(service, 80))));
    if (const std::string other = busy(service); !other.empty()) return reply(fail(Code::conflict, fmt::format("{}: one of a service at a time; ask again when it has ended", other)));
    if (turns_.size() >= most_turns) return reply(too_many("instances are being stopped or started", most_turns));
    auto& turn = turns_[service];
    turn = std::make_unique<HandTurn>(HandTurn::Parts{.loop = parts_.loop, .catalog = parts_.catalog, .engine = *parts_.engine}, std::move(request), std::move(reply), [this, service] { turns_.erase(service); });
    turn->begin();
}

// ---- What they write ----

void AtHand::read(std::uint64_t reader, LogsRequest request, LogsHearing hearing) {
    if (no_engine(hearing.begun)) return;
    if (readers_.size() >= most_readers) return hearing.begun(too_many("logs are being read", most_readers));
    auto& logs = readers_[reader];
    logs = std::make_unique<Logs>(*parts_.engine, std::move(request), std::move(hearing));
    logs->start();
}

void AtHand::taken(std::uint64_t reader, std::size_t bytes) {
    if (const auto found = readers_.find(reader); found != readers_.end()) found->second->taken(bytes);
}

void AtHand::close(std::uint64_t reader) { readers_.erase(reader); }

}  // namespace hale::deploy
