#include "deploy/hooks.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "config/check_spec.h"
#include "expect/conditions.h"
#include "wire/url.h"

namespace hale::deploy {

namespace {

constexpr std::size_t most_hook_words = 200;  // Of what it said.

std::shared_ptr<const expect::Conditions> wanted(std::uint16_t status) {
    auto compiled = expect::compile(status == 0 ? std::string("[STATUS] == 2xx") : fmt::format("[STATUS] == {}", status));
    auto out = std::make_shared<expect::Conditions>();
    HALE_CHECK(compiled.has_value() && out->add(std::move(*compiled)).has_value());
    return out;
}

std::shared_ptr<const config::CheckSpec> question_of(const HookCall& call, const std::string& path) {
    auto out = std::make_shared<config::CheckSpec>();
    out->name = "hook";
    config::HttpCheck http{.path = path, .method = std::string(call.hook.method)};
    for (const auto& header : call.hook.headers) {
        http.headers.emplace_back(header.name, header.value);
        if (header.secret) http.secret_headers.push_back(header.name);
    }
    if (call.hook.method != "GET") {
        http.headers.emplace_back("Content-Type", "application/json");
        http.body = hook_json(call.facts);
    }
    out->what = std::move(http);
    out->timing.timeout = call.hook.timeout;
    out->connection = config::ConnectionMode::fresh;
    out->expect = wanted(call.hook.status);
    return out;
}

std::string first_line(std::string_view output) { return escaped(output.substr(0, output.find('\n')), most_hook_words); }

std::string name_of(const HookCall& call) {
    return fmt::format("the hook {} {}", call.facts.when, call.hook.exec.empty() ? redacted_url(call.hook.url) : call.hook.exec.front());
}

}  // namespace

Duration hooks_budget(const std::vector<config::DeployHook>& hooks) {
    Duration sum{0};
    for (const auto& hook : hooks) sum += hook.timeout + hook_margin;
    return sum;
}

std::string hook_json(const HookFacts& facts) {
    const nlohmann::ordered_json json = {{"when", facts.when},       {"deployment", facts.deployment}, {"service", facts.service},
                                         {"number", facts.number},   {"image", facts.image.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(facts.image)},
                                         {"targets", facts.targets}};
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::vector<std::string> hook_environment(const HookFacts& facts) {
    return {"HALE_WHEN=" + facts.when,   "HALE_DEPLOYMENT=" + facts.deployment,         "HALE_SERVICE=" + facts.service, fmt::format("HALE_NUMBER={}", facts.number),
            "HALE_IMAGE=" + facts.image, fmt::format("HALE_TARGETS={}", fmt::join(facts.targets, " "))};
}

void Hooks::run(std::vector<HookCall> calls, Done done) {
    calls_ = std::move(calls);
    at_ = 0;
    done_ = std::move(done);
    next();
}

void Hooks::next() {
    if (at_ == calls_.size()) return std::exchange(done_, {})({});
    const HookCall& call = calls_[at_];
    if (call.hook.exec.empty()) ask(call);
    else spawn(call);
}

void Hooks::ask(const HookCall& call) {
    const auto url = wire::parse_url(call.hook.url);
    if (!url) return answered(at_, fail(Code::invalid, "its URL can't be read"));
    std::string path = url->path.empty() ? "/" : std::string(url->path);
    if (url->query) path += fmt::format("?{}", *url->query);
    const std::string& all = call.hook.url;
    const auto authority = all.find("://") + 3;
    parts_.catalog.probe(all.substr(0, all.find_first_of("/?#", authority)), question_of(call, path), [this, which = at_, here = std::weak_ptr(self_)](Result<verdict::Observation> seen) {
        if (here.expired()) return;
        if (!seen) return answered(which, std::unexpected(std::move(seen.error())));
        if (seen->outcome == verdict::Outcome::pass || seen->outcome == verdict::Outcome::warn) return answered(which, {});
        answered(which, fail(Code::unavailable, seen->text));
    });
}

void Hooks::spawn(const HookCall& call) {
    if (parts_.spawner == nullptr) return answered(at_, fail(Code::unavailable, "this process can't run programs"));
    io::SpawnRequest request{.arguments = call.hook.exec, .user = parts_.exec_user, .timeout = call.hook.timeout, .patience = hook_margin, .environment = hook_environment(call.facts)};
    parts_.spawner->spawn(parts_.loop, std::move(request), [this, which = at_, timeout = call.hook.timeout, here = std::weak_ptr(self_)](Result<io::SpawnResult> ended) {
        if (here.expired()) return;
        if (!ended) return answered(which, std::unexpected(std::move(ended.error())));
        if (ended->timed_out) return answered(which, fail(Code::timed_out, fmt::format("it did not end within {} s and was killed", std::chrono::duration<double>(timeout).count())));
        if (ended->exit_code == 0) return answered(which, {});
        const std::string how = ended->exit_code < 0 ? fmt::format("it was killed by signal {}", ended->signal) : fmt::format("exit code {}", ended->exit_code);
        const std::string said = first_line(ended->output);
        answered(which, fail(Code::unavailable, said.empty() ? how : fmt::format("{}: {}", how, said)));
    });
}

void Hooks::answered(std::size_t which, Result<> answer) {
    if (which != at_ || !done_) return;
    if (!answer) {
        const std::string who = name_of(calls_[at_]);
        return std::exchange(done_, {})(fail(answer.error().code, fmt::format("{}: {}", who, answer.error().text)));
    }
    ++at_;
    next();
}

}  // namespace hale::deploy
