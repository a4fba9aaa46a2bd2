#include "app/reloading.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <utility>

#include "app/certificates.h"
#include "base/log.h"

namespace hale::app {

namespace {
void answer_all(std::vector<catalog::MutationReply>& replies, const catalog::MutationResult& result) {
    for (auto& reply : replies)
        if (reply) reply(result);
}
}  // namespace

std::expected<config::Document, config::Problems> load_to_serve(const std::string& source) {
    auto plain = config::load_path(source, {}, false, certificate_sense());
    if (!plain) return plain;
    std::size_t instances = 0;
    for (const auto& service : plain->services) instances += service.instances.size();
    return instances <= most_instances_with_origins ? config::load_path(source, {}, true, certificate_sense()) : std::move(plain);
}

void Reloading::watch() {
    auto watcher = os::FileWatcher::watch_path(loop_, source_, [this] { reload("file", {}); });
    if (!watcher)
        return log(LogLevel::warning, fmt::format("{} is not watched for changes ({}); use `hale config reload` or SIGHUP", source_,
                                                  watcher.error().text));
    watcher_ = std::move(*watcher);
}

void Reloading::stop() {
    watcher_.reset();
    folders_.clear();
}

void Reloading::watch_too(const std::vector<std::string>& paths) {
    std::map<std::string, std::unique_ptr<os::FileWatcher>> wanted;
    for (const std::string& path : paths) {
        const std::string folder = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
        if (wanted.contains(folder)) continue;
        if (wanted.size() >= most_watched_folders) {
            log(LogLevel::warning, fmt::format("certificates lie in more than {} folders: {} and further ones are not watched for changes; use `hale config reload` or SIGHUP",
                                               most_watched_folders, folder));
            break;
        }
        if (const auto known = folders_.find(folder); known != folders_.end()) {
            wanted[folder] = std::move(known->second);
            continue;
        }
        auto watcher = os::FileWatcher::watch_path(loop_, folder, [this] { reload("file", {}); });
        if (watcher) wanted[folder] = std::move(*watcher);
        else log(LogLevel::warning, fmt::format("{} is not watched for changes ({}); use `hale config reload` or SIGHUP", folder, watcher.error().text));
    }
    folders_ = std::move(wanted);
}

void Reloading::reload(std::string actor, catalog::MutationReply reply, std::optional<catalog::KeptAnswer> kept) {
    if (reading_) {
        again_ = true;
        next_.actor = std::move(actor);
        next_.replies.push_back(std::move(reply));
        if (kept) next_.kept = std::move(kept);
        return;
    }
    Asked asked{std::move(actor), {}, std::move(kept)};
    asked.replies.push_back(std::move(reply));
    read(std::move(asked));
}

void Reloading::read(Asked asked) {
    reading_ = true;
    using Loaded = std::expected<config::Document, config::Problems>;
    auto loaded = std::make_shared<std::optional<Loaded>>();
    auto shared = std::make_shared<Asked>(std::move(asked));
    const auto done = [this, loaded, shared] {
        reading_ = false;
        const auto finish = [shared](catalog::MutationResult result) {
            answer_all(shared->replies, result);
        };
        if (*loaded && **loaded) {
            auto document = std::make_shared<const config::Document>(std::move(***loaded));
            for (const auto& warning : document->warnings) log(LogLevel::warning, warning);
            const auto applied = [this, document, finish](catalog::MutationResult result) {
                if (result && applied_) applied_(*document);
                finish(std::move(result));
            };
            control_.mutate({.change = catalog::ApplyDocument{document}, .actor = shared->actor, .action = "reload", .object = source_,
                             .idempotent = std::move(shared->kept)},
                            applied);
        } else {
            std::vector<std::string> lines;
            if (*loaded)
                for (const auto& problem : (**loaded).error()) lines.push_back(problem.text());
            for (const auto& line : lines) log(LogLevel::error, fmt::format("not reloaded: {}", line));
            std::string all;
            for (const auto& line : lines) all += (all.empty() ? "" : "\n") + line;
            control_.mutate({.change = catalog::RejectDocument{std::move(lines), source_}, .actor = shared->actor, .action = "reload", .object = source_},
                            [finish, all](catalog::MutationResult) mutable {
                                finish(std::unexpected(catalog::MutationFailed{{Code::invalid, all}, {}}));
                            });
        }
        if (std::exchange(again_, false)) read(std::exchange(next_, {}));
    };
    const auto queued = pool_.run(
        loop_,
        [this, loaded] {
            *loaded = load_to_serve(source_);
            malloc_trim(0);  // What the YAML parser took and freed goes back to the machine.
        },
        done);
    if (!queued) {
        reading_ = false;
        answer_all(shared->replies, std::unexpected(catalog::MutationFailed{queued.error(), {}}));
    }
}

}  // namespace hale::app
