#include "acme/issuer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "acme/keys.h"
#include "base/log.h"
#include "base/reached.h"
#include "base/text.h"
#include "tls/credentials.h"

namespace hale::acme {

namespace {

RosterSettings roster_settings(const IssuerSettings& settings) {
    RosterSettings made{.at_once = settings.at_once, .renew_before = settings.renew_before, .seed = settings.seed};
    for (const auto& one : settings.authorities) made.authorities.push_back(one.directory);
    return made;
}

// What `now` has to do with it is not looked at: an expired certificate is one, too.
Result<Facts> facts_of(const std::string& host, const Credentials& credentials, std::optional<Utc> now) {
    const std::string what = fmt::format("the certificate of {}", host);
    if (now) {
        HALE_ASSIGN(const auto read, tls::Credentials::parse(credentials.chain_pem, credentials.key_pem, what, *now));
        if (!read->covers(host) && std::ranges::find(read->names(), host) == read->names().end())
            return fail(Code::invalid, fmt::format("{} is for other names", what));
        return Facts{.not_before = read->not_before(), .not_after = read->not_after(), .issuer = read->issuer(), .fingerprint = read->fingerprint(),
                     .renewal_id = renewal_id(credentials.chain_pem)};
    }
    const auto life = lifetime(credentials.chain_pem);
    if (!life) return fail(Code::corrupt, fmt::format("{} can't be read", what));
    return facts_of(host, credentials, life->first + (life->second - life->first) / 2);
}

}  // namespace

Issuer::Issuer(Ways ways, Disk& disk, Challenges& challenges, Issued& issued, IssuerSettings settings)
    : ways_(std::move(ways)),
      disk_(disk),
      challenges_(challenges),
      issued_(issued),
      settings_(std::move(settings)),
      roster_(roster_settings(settings_)),
      on_demand_(settings_.ask_per_hour),
      lock_timer_(ways_.loop, io::member_fire<&Issuer::try_lock>, this),
      timer_(ways_.loop, io::member_fire<&Issuer::look>, this),
      alive_(std::make_shared<bool>(true)) {
    make_authorities();
}

Issuer::~Issuer() {
    *alive_ = false;
    asking_.clear();
    runs_.clear();
    ended_runs_.clear();
}

void Issuer::make_authorities() {
    for (const auto& one : settings_.authorities) {
        auto& made = authorities_.emplace_back(std::make_unique<Authority>(ways_, disk_, one));
        if (const auto known = accounts_.find(one.directory); known != accounts_.end()) made->restore(known->second);
    }
}

void Issuer::start() {
    started_ = true;
    read_shelf([this] { try_lock(); });
}

void Issuer::read_shelf(io::Task then) {
    disk_.read_all([this, alive = alive_, then = std::move(then)](Result<Disk::Files> files) mutable {
        if (!*alive || stopping_) return;
        if (files) take_shelf(*files);
        else log(LogLevel::error, fmt::format("the certificates kept can't be read: {}", files.error().text));
        then();
    });
}

void Issuer::take_shelf(const Disk::Files& files) {
    for (const auto& [name, content] : files) {
        if (is_account_file(name)) {
            auto record = read_account(content);
            if (!record) {
                log(LogLevel::error, fmt::format("{}: {}", name, record.error().text));
                continue;
            }
            accounts_.insert_or_assign(record->directory, *record);
            for (auto& one : authorities_) one->restore(*record);
            continue;
        }
        auto record = read_record(content);
        if (record && file_name(record->host) == name) take_record(std::move(*record));
        else log(LogLevel::error, fmt::format("{}: {}", name, record ? "it is another host's" : record.error().text));
    }
    join_wanted();
}

void Issuer::take_record(HostRecord record) {
    const std::string host = record.host;
    if (record.on_demand && !settings_.ask_url.empty() && std::ranges::find(demanded_, host) == demanded_.end()) demanded_.push_back(host);
    const auto had = records_.find(host);
    const bool news = had == records_.end() || had->second.credentials.chain_pem != record.credentials.chain_pem || had->second.next_attempt != record.next_attempt;
    records_.insert_or_assign(host, std::move(record));
    if (news && roster_.wanted(host)) use_record(host);
}

// What the shelf has of a host that is wanted is in use from here on.
void Issuer::use_record(const std::string& host) {
    const auto found = records_.find(host);
    if (found == records_.end()) return;
    const HostRecord& record = found->second;
    std::optional<Facts> facts;
    if (!record.credentials.chain_pem.empty()) {
        auto read = facts_of(host, record.credentials, std::nullopt);
        if (read) facts = std::move(*read);
        else log(LogLevel::error, fmt::format("{}; another one will be asked for", read.error().text));
    }
    const bool usable = facts.has_value();
    roster_.restore(record, std::move(facts), ways_.loop.utc());
    if (usable) issued_.issued(host, record.credentials);
}

void Issuer::try_lock() noexcept {
    if (stopping_ || issuing_) return;
    disk_.lock([this, alive = alive_](Result<bool> locked) {
        if (!*alive || stopping_) return;
        if (!locked) log(LogLevel::error, fmt::format("certificates can't be asked for: {}", locked.error().text));
        if (!locked || !*locked) {
            HALE_REACHED("acme: another process issues");
            // What the other process got meanwhile is ours, too.
            return read_shelf([this] { lock_timer_.arm(ways_.loop.now() + lock_interval); });
        }
        // The other process may have got some until its last moment.
        read_shelf([this] {
            issuing_ = true;
            look();
        });
    });
}

void Issuer::want(std::vector<std::string> hosts) {
    std::ranges::sort(hosts);
    const auto again = std::ranges::unique(hosts);
    hosts.erase(again.begin(), again.end());
    if (hosts.size() > most_hosts) {
        log(LogLevel::error, fmt::format("{} hosts want certificates; only the first {} are asked for", hosts.size(), most_hosts));
        hosts.resize(most_hosts);
    }
    declared_ = std::move(hosts);
    join_wanted();
    arm();
}

void Issuer::join_wanted() {
    std::vector<std::string> all = declared_;
    for (const std::string& host : demanded_)
        if (std::ranges::find(declared_, host) == declared_.end()) all.push_back(host);
    std::vector<std::string> before;
    for (const Status& one : roster_.list(ways_.loop.utc())) before.push_back(one.host);
    for (const std::string& host : roster_.want(all, ways_.loop.utc()))
        if (const auto run = runs_.find(host); run != runs_.end()) run->second->stop({.kind = FailureKind::ours, .text = "nobody wants it any more"});
    for (const std::string& host : before)
        if (!roster_.wanted(host)) issued_.gone(host);
    for (const std::string& host : all)
        if (!std::ranges::binary_search(before, host)) use_record(host);
}

void Issuer::set(IssuerSettings settings) {
    const bool same_authorities = settings.authorities == settings_.authorities;
    if (settings.ask_per_hour != settings_.ask_per_hour) on_demand_ = OnDemand(settings.ask_per_hour);
    settings_ = std::move(settings);
    if (settings_.ask_url.empty()) demanded_.clear();
    if (!same_authorities) {
        // Orders under way end where they began.
        for (auto& one : authorities_) {
            if (one->key() != nullptr) accounts_.insert_or_assign(one->settings().directory, one->record());
            retired_.push_back(std::move(one));
        }
        authorities_.clear();
        for (auto& [host, run] : runs_) run->stop({.kind = FailureKind::ours, .text = "the authorities were changed"});
        make_authorities();
    }
    roster_.set(roster_settings(settings_));
    join_wanted();
    arm();
    // The authorities may have something to be told that no certificate waits for.
    if (!same_authorities && issuing_ && !stopping_) timer_.arm(ways_.loop.now());
}

void Issuer::arm() {
    if (!issuing_ || stopping_) return;
    const auto next = roster_.next_due();
    Duration sleep = longest_sleep;
    if (next) sleep = std::clamp<Duration>(*next - ways_.loop.utc(), 0s, longest_sleep);
    // What is due and has no room waits for an end, which looks again.
    if (sleep == Duration::zero() && !runs_.empty()) sleep = 1s;
    timer_.arm(ways_.loop.now() + sleep);
}

void Issuer::look() noexcept {
    if (!issuing_ || stopping_) return;
    ended_runs_.clear();
    if (runs_.empty()) retired_.clear();
    for (const Roster::Start& start : roster_.due(ways_.loop.utc()))
        if (!runs_.contains(start.host)) begin(start);
    for (auto& one : authorities_) one->tell_contact();
    ask_renewal_windows();
    arm();
}

void Issuer::begin(const Roster::Start& start) {
    OrderPlan plan{.names = {start.host}, .challenge = settings_.challenge};
    Authority& authority = *authorities_[start.authority];
    const auto facts = roster_.facts(start.host);
    const auto record = records_.find(start.host);
    // Of the same authority only: no other knows it.
    if (facts && authority.offers_renewal_info() && record != records_.end() && record->second.authority == authority.settings().directory) plan.replaces = facts->renewal_id;
    log(LogLevel::info, fmt::format("asking {} for a certificate of {}", authority.settings().directory, start.host));
    auto run = std::make_unique<Run>(ways_, authority, challenges_, std::move(plan),
                                     [this, host = start.host, &authority](std::expected<Credentials, Failure> result) { ended(host, authority, std::move(result)); });
    Run& started = *run;
    runs_.insert_or_assign(start.host, std::move(run));
    started.start();
}

void Issuer::ended(const std::string& host_named, Authority& authority, std::expected<Credentials, Failure> result) {
    const std::string host = host_named;  // The caller's dies with the run.
    if (auto run = runs_.extract(host); !run.empty()) ended_runs_.push_back(std::move(run.mapped()));
    if (stopping_) {
        if (runs_.empty()) finish_stopping();
        return;
    }
    const Utc now = ways_.loop.utc();
    const bool known_authority = std::ranges::any_of(authorities_, [&](const auto& one) { return one.get() == &authority; });
    if (!roster_.wanted(host)) {
        log(LogLevel::info, fmt::format("the order for {} is given up: nobody wants it any more", host));
    } else if (!known_authority && !result) {
        roster_.stopped(host);
    } else {
        std::expected<Facts, Failure> facts = std::unexpected(Failure{});
        if (!result) {
            facts = std::unexpected(std::move(result.error()));
        } else if (auto read = facts_of(host, *result, now); read) {
            facts = std::move(*read);
        } else {
            facts = std::unexpected(Failure{.kind = FailureKind::refused, .text = fmt::format("what {} issued can't be used: {}", authority.settings().directory, read.error().text)});
        }
        if (facts) {
            authority.account_proved();
            log(LogLevel::info, fmt::format("{} has a certificate of {}, until {}", host, facts->issuer, rfc3339(facts->not_after)));
            roster_.issued(host, std::move(*facts), now);
            keep(host, &*result);
            issued_.issued(host, *result);
        } else {
            roster_.failed(host, facts.error(), now);
            const auto status = roster_.status(host, now);
            log(LogLevel::warning, fmt::format("no certificate of {} yet: {}; the next attempt is at {}", host, facts.error().text,
                                               status && status->next_attempt ? rfc3339(*status->next_attempt) : "once there is room"));
            keep(host, nullptr);
        }
    }
    timer_.arm(ways_.loop.now());
}

// `credentials`: new ones; else those that the shelf has.
void Issuer::keep(const std::string& host, const Credentials* credentials) {
    HostRecord record = roster_.record(host);
    if (credentials != nullptr) record.credentials = *credentials;
    else if (const auto had = records_.find(host); had != records_.end()) record.credentials = had->second.credentials;
    record.on_demand = std::ranges::find(demanded_, host) != demanded_.end();
    std::string content = write_record(record);
    records_.insert_or_assign(host, std::move(record));
    disk_.write(file_name(host), std::move(content), [host](Result<> kept) {
        if (!kept) log(LogLevel::error, fmt::format("the certificate of {} can't be kept, a restart will ask for another: {}", host, kept.error().text));
    });
}

void Issuer::ask_renewal_windows() {
    const Utc now = ways_.loop.utc();
    for (const Status& one : roster_.list(now)) {
        if (one.state != State::active || one.failures != 0) continue;
        const auto record = records_.find(one.host);
        const auto facts = roster_.facts(one.host);
        if (record == records_.end() || !facts || facts->renewal_id.empty()) continue;
        const auto authority = std::ranges::find_if(authorities_, [&](const auto& each) { return each->settings().directory == record->second.authority; });
        // Without its directory nobody knows whether it has windows; asking for one is not worth a conversation.
        if (authority == authorities_.end() || ((*authority)->knows_directory() && !(*authority)->offers_renewal_info())) continue;
        auto& asked = window_asked_[one.host];
        if (asked != Utc{} && now >= asked && now - asked < renewal_info_interval) continue;
        asked = now;
        (*authority)->send(this, {.to = Errand::To::renewal_info, .url = facts->renewal_id},
                           [this, alive = alive_, host = one.host, id = facts->renewal_id](std::expected<Answer, Failure> answer) {
                               if (!*alive || !answer || !answer->ok()) return;
                               const auto window = read_renewal_info(answer->body);
                               if (!window) return log(LogLevel::warning, window.error().text);
                               const auto still = roster_.facts(host);
                               if (!still || still->renewal_id != id) return;
                               roster_.suggest(host, *window, ways_.loop.utc());
                               arm();
                           });
    }
    std::erase_if(window_asked_, [this](const auto& one) { return !roster_.wanted(one.first); });
}

void Issuer::asked_for(std::string_view host) {
    if (!issuing_ || stopping_ || settings_.ask_url.empty() || roster_.wanted(host) || roster_.size() >= most_hosts) return;
    const Instant now = ways_.loop.now();
    if (on_demand_.wanted(host, now) != OnDemand::Verdict::ask) return;
    const std::string name(host);
    auto& fetch = asking_[name] = std::make_unique<Fetch>(ways_);
    fetch->start({.url = fmt::format("{}{}domain={}", settings_.ask_url, settings_.ask_url.contains('?') ? '&' : '?', name)}, [this, name](Result<Answer> answer) {
        const auto kept = std::move(asking_.extract(name).mapped());
        const bool yes = answer && answer->ok();
        on_demand_.answered(name, yes, ways_.loop.now());
        if (!yes) {
            const std::string why = answer ? fmt::format("it answered {}", answer->status) : answer.error().text;
            return log(LogLevel::info, fmt::format("no certificate for {} on demand: {} says no: {}", name, settings_.ask_url, why));
        }
        demanded_.push_back(name);
        join_wanted();
        arm();
    });
}

Result<> Issuer::renew(std::string_view host) {
    if (!issuing_) return fail(Code::unavailable, "another Hale process of this machine asks for certificates now; try again when it has ended");
    HALE_TRY(roster_.renew(host, ways_.loop.utc()));
    timer_.arm(ways_.loop.now());
    return {};
}

void Issuer::stop(io::Task done) {
    stopping_ = true;
    stopped_ = std::move(done);
    lock_timer_.disarm();
    timer_.disarm();
    asking_.clear();
    for (auto& one : authorities_) one->forget(this);
    if (runs_.empty()) return finish_stopping();
    for (auto& [host, run] : runs_) run->stop({.kind = FailureKind::ours, .text = "Hale is stopping"});
}

void Issuer::finish_stopping() {
    if (issuing_) disk_.unlock();
    issuing_ = false;
    if (stopped_) ways_.loop.post(std::move(stopped_));
    stopped_ = nullptr;
}

std::vector<Status> Issuer::list() const { return roster_.list(ways_.loop.utc()); }
std::optional<Status> Issuer::status(std::string_view host) const { return roster_.status(host, ways_.loop.utc()); }

}  // namespace hale::acme
