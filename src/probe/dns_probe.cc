#include "probe/dns_probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/reached.h"
#include "base/text.h"
#include "expect/conditions.h"
#include "probe/engine.h"
#include "probe/words.h"

namespace hale::probe {

using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;
using wire::DnsAnswer;

namespace {

constexpr std::size_t length_bytes = 2;

std::string without_dot(std::string_view name) { return lower(name.ends_with('.') ? name.substr(0, name.size() - 1) : name); }

}  // namespace

void DnsProbe::launch() {
    if (!engine_.options_.secret_bytes) return end_error(Phase::none, "there is no source of random ids here");
    const std::string id = engine_.options_.secret_bytes(2);
    id_ = static_cast<std::uint16_t>(static_cast<unsigned char>(id[0]) << 8 | static_cast<unsigned char>(id[1]));
    auto query = wire::dns_query(id_, check().name, check().record);
    if (!query) return end_error(Phase::none, query.error().text);
    query_ = std::move(*query);
    over_tcp_ = check().transport == config::DnsTransport::tcp;
    set_out();
}

void DnsProbe::go_to(const SocketAddress& address) {
    if (over_tcp_ || address.is_unix()) return Conversation::go_to(address);
    if (refused_by_policy(address)) return;
    asked_ = address;
    stage_ = Stage::receiving;
    auto opened = engine_.net_.datagrams(address, *this);
    const int error = opened ? (*opened)->send(query_) : opened.error().system;
    if (error != 0) {
        const auto fault = engine_.fault_of(error, address);
        const std::string what = fmt::format("the question could not be sent: {}", system_text(error));
        if (fault.ours) return end_error(Phase::connect, what);
        return end(Outcome::fail, fault.reason, Phase::connect, sentence(what));
    }
    datagrams_ = std::move(*opened);
    sent_at_ = engine_.loop_.fresh_now();
}

void DnsProbe::on_datagram(std::string_view bytes) noexcept {
    if (over()) return;
    take(bytes);
}

void DnsProbe::on_refused(int error) noexcept {
    if (over()) return;
    datagrams_.reset();
    const auto fault = engine_.fault_of(error, seen_.address);
    if (!fault.ours)
        if (const auto next = next_address()) return go_to(*next);
    const std::string what = error == ECONNREFUSED ? fmt::format("nobody listens there, as its machine said after {}", human(since_start()))
                                                   : fmt::format("{} after {}", system_text(error), human(since_start()));
    if (fault.ours) return end_error(Phase::connect, what);
    end(Outcome::fail, fault.reason, Phase::connect, sentence(what));
}

void DnsProbe::opened() {
    std::string out;
    out += static_cast<char>(query_.size() >> 8);
    out += static_cast<char>(query_.size() & 0xff);
    out += query_;
    say(out);
}

bool DnsProbe::hear(std::string_view bytes) {
    received_ += bytes;
    if (received_.size() < length_bytes) return true;
    const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(received_[0])) << 8 | static_cast<unsigned char>(received_[1]);
    if (received_.size() - length_bytes < length) return true;
    take(std::string_view(received_).substr(length_bytes, length));
    return false;
}

void DnsProbe::take(std::string_view message) {
    const auto answer = wire::parse_dns_answer(message);
    if (!answer)
        return end(Outcome::fail, Reason::protocol_error, Phase::total, sentence(fmt::format("no DNS answer: {}", answer.error().text)), evidence(message));
    // To another question: an old one's, or a forged one. Over TCP nobody else can have asked.
    const bool ours = answer->id == id_ && (answer->question.empty() || (answer->question == without_dot(check().name) && answer->question_type == check().record));
    if (!ours && datagrams_) {
        HALE_REACHED("dns probe: an answer to another question");
        ++to_others_;
        return;
    }
    if (!ours) return end(Outcome::fail, Reason::protocol_error, Phase::total, sentence("the answer is to another question"));
    if (answer->truncated && datagrams_) {
        HALE_REACHED("dns probe: over tcp, since the answer did not fit");
        over_tcp_ = true;
        const SocketAddress to = asked_;
        datagrams_.reset();  // `message` lies in the caller's buffer, not in it.
        return Conversation::go_to(to);
    }
    if (datagrams_) seen_.timings.first_byte = engine_.loop_.fresh_now() - sent_at_;
    judge_answer(*answer);
}

void DnsProbe::judge_answer(const DnsAnswer& answer) {
    const std::string code = wire::dns_rcode_name(answer.rcode);
    const std::string_view type = wire::dns_type_name(check().record);
    // Of the type that was asked for: the aliases on the way to it are no answer.
    std::string body;
    bool found = false;
    std::size_t records = 0;
    for (const wire::DnsRecord& record : answer.answers) {
        if (record.type != check().record) continue;
        body += fmt::format("{}{}", records++ == 0 ? "" : "\n", record.text);
        found = found || std::ranges::any_of(check().answer, [&](const std::string& wanted) { return without_dot(wanted) == lower(record.text) || wanted == record.text; });
    }
    std::string shown = body;
    std::ranges::replace(shown, '\n', ',');
    shown = escaped(shown, evidence_limit);
    const expect::Conditions* conditions = plan().spec->expect.get();
    const bool by_condition = check().rcode == 0 && conditions != nullptr && conditions->mentions_rcode();
    const auto fails = [&](Reason reason, const std::string& what) { end(Outcome::fail, reason, Phase::total, sentence(what), evidence(body)); };
    if (answer.rcode != check().rcode && !by_condition)
        return fails(Reason::status_mismatch, fmt::format("answered {}, and {} is asked for", code, wire::dns_rcode_name(check().rcode)));
    if (!check().answer.empty() && !found)
        return fails(Reason::body_mismatch, fmt::format("answered {}, and {} is asked for", records == 0 ? fmt::format("{} without a record of type {}", code, type) : shown,
                                                        escaped(fmt::format("{}", fmt::join(check().answer, " or ")))));
    // NOERROR and nothing in it: the name is there, what was asked for is not.
    if (check().answer.empty() && records == 0 && answer.rcode == 0 && !by_condition)
        return fails(Reason::body_mismatch, fmt::format("answered {} without a record of type {}", code, type));
    seen_.text = sentence(fmt::format("{}{}{} in {}", code, records == 0 ? "" : ", ", shown, human(since_start())));
    judge(fmt::format("answered {}", code), body, code);
}

void DnsProbe::run_out_later() {
    if (!datagrams_) return Conversation::run_out_later();
    end(Outcome::fail, Reason::first_byte_timeout, Phase::first_byte,
        sentence(fmt::format("no answer came within {}{}", human(plan().timing.timeout),
                             to_others_ == 0 ? "" : fmt::format(", but {} to other questions", to_others_))));
}

void DnsProbe::drop() noexcept {
    Conversation::drop();
    datagrams_.reset();
}

}  // namespace hale::probe
