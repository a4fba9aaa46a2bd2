#include "acme/dns_hook.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace hale::acme {

namespace {

// What a command said, on one line: its last line break is none of the sentence's.
std::string said(std::string_view output) {
    while (output.ends_with('\n') || output.ends_with('\r')) output.remove_suffix(1);
    const auto text = escaped(trim(output), 300);
    return text.empty() ? text : ": " + text;
}

}  // namespace

DnsHook::DnsHook(Ways& ways, io::Spawner* spawner, DnsHookSettings settings)
    : ways_(ways), spawner_(spawner), settings_(std::move(settings)), alive_(std::make_shared<bool>(true)) {}

DnsHook::~DnsHook() { *alive_ = false; }

void DnsHook::present(const Challenge& challenge, Done done) { tell(true, challenge, std::move(done)); }
void DnsHook::withdraw(const Challenge& challenge, Done done) { tell(false, challenge, std::move(done)); }

void DnsHook::tell(bool present, const Challenge& challenge, Done done) {
    const auto refuse = [&](Code code, std::string why) {
        ways_.loop.post([done = std::move(done), code, why = std::move(why)]() mutable { done(fail(code, std::move(why))); });
    };
    if (!settings_.url.empty()) {
        if (calls_.size() >= most_dns_hooks_at_once) return refuse(Code::exhausted, fmt::format("more than {} DNS hooks are under way", most_dns_hooks_at_once));
        return call(present, challenge, std::move(done));
    }
    if (settings_.exec.empty() || spawner_ == nullptr) return refuse(Code::invalid, "dns-01 needs a hook that sets TXT records, and none is configured");
    run(present, challenge, std::move(done));
}

void DnsHook::run(bool present, const Challenge& challenge, Done done) {
    io::SpawnRequest request{.arguments = settings_.exec, .user = settings_.user, .timeout = dns_hook_patience};
    request.arguments.emplace_back(present ? "present" : "withdraw");
    request.arguments.push_back("_acme-challenge." + challenge.host);
    request.arguments.push_back(challenge.dns_value);
    spawner_->spawn(ways_.loop, std::move(request), [what = settings_.exec.front(), alive = alive_, done = std::move(done)](Result<io::SpawnResult> result) mutable {
        if (!*alive) return;
        if (!result) return done(fail(result.error().code, fmt::format("the DNS hook {}: {}", what, result.error().text)));
        if (result->exit_code == 0) return done({});
        const std::string how = result->timed_out      ? fmt::format("did not end within {}", human(dns_hook_patience))
                                : result->exit_code < 0 ? fmt::format("was killed by signal {}", result->signal)
                                                        : fmt::format("ended with {}", result->exit_code);
        done(fail(Code::unavailable, fmt::format("the DNS hook {} {}{}", what, how, said(result->output))));
    });
}

void DnsHook::call(bool present, const Challenge& challenge, Done done) {
    const nlohmann::json body{{"name", "_acme-challenge." + challenge.host}, {"type", "TXT"}, {"value", challenge.dns_value}};
    const std::uint64_t number = ++last_;
    auto& fetch = calls_[number] = std::make_unique<Fetch>(ways_);
    fetch->start({.method = present ? "POST" : "DELETE", .url = settings_.url, .content_type = "application/json", .body = body.dump(), .patience = dns_hook_patience},
                 [this, number, done = std::move(done)](Result<Answer> result) mutable {
                     const auto kept = std::move(calls_.extract(number).mapped());
                     if (!result) return done(fail(result.error().code, fmt::format("the DNS hook: {}", result.error().text)));
                     if (result->ok()) return done({});
                     done(fail(Code::unavailable, fmt::format("the DNS hook answered {}: {}", result->status, escaped(result->body, 300))));
                 });
}

}  // namespace hale::acme
