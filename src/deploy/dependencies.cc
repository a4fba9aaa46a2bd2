#include "deploy/dependencies.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "config/check_spec.h"
#include "config/load.h"

namespace hale::deploy {

namespace {

struct Looking {
    std::vector<std::string> sentences;  // Of each; empty: it is there.
    std::size_t left = 0;
    std::move_only_function<void(std::vector<std::string>)> then;

    void told(std::size_t which, std::string sentence) {
        sentences[which] = std::move(sentence);
        if (--left > 0) return;
        std::erase(sentences, "");
        then(std::move(sentences));
    }
};

std::shared_ptr<const config::CheckSpec> connection_question() {
    auto out = std::make_shared<config::CheckSpec>();
    out->name = "needs";
    out->what = config::TcpCheck{};
    out->timing.timeout = dependency_timeout;
    out->connection = config::ConnectionMode::fresh;
    return out;
}

std::string standing_of(const std::string& service, const catalog::ServiceNow& now) {
    if (!now.spec) return fmt::format("it needs {}, and no service has that name", service);
    if (std::ranges::any_of(now.instances, &catalog::InstanceNow::eligible)) return {};
    return fmt::format("it needs {}, and none of its {} instances is eligible: `hale explain {}` says why", service, now.instances.size(), service);
}

}  // namespace

void look_at_dependencies(catalog::Deploying& catalog, const std::vector<std::string>& needs, std::move_only_function<void(std::vector<std::string>)> then) {
    if (needs.empty()) return then({});
    auto looking = std::make_shared<Looking>();
    looking->sentences.resize(needs.size());
    looking->left = needs.size();
    looking->then = std::move(then);
    for (std::size_t i = 0; i < needs.size(); ++i) {
        const std::string& need = needs[i];
        if (config::is_service_name(need)) {
            catalog.look(need, [looking, i, need](const catalog::ServiceNow& now) { looking->told(i, standing_of(need, now)); });
            continue;
        }
        catalog.probe(need, connection_question(), [looking, i, need](Result<verdict::Observation> seen) {
            const std::string why = !seen ? seen.error().text : seen->outcome == verdict::Outcome::pass || seen->outcome == verdict::Outcome::warn ? "" : seen->text;
            looking->told(i, why.empty() ? "" : fmt::format("it needs {}, which does not answer: {}", need, why));
        });
    }
}

}  // namespace hale::deploy
