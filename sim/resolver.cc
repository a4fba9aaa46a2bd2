#include "sim/resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace hale::sim {

namespace {

// IPv4 and IPv6 in the order of the answer, IPv4 first: as io/resolver.h promises.
std::vector<Ip> ordered(std::vector<Ip> addresses) {
    std::ranges::stable_partition(addresses, [](const Ip& ip) { return ip.is_v4(); });
    return addresses;
}

class PendingQuestion final : public io::Resolver::Question {
public:
    PendingQuestion(Names& names, Loop& loop, std::string name, Instant deadline, io::Resolver::Answer answer)
        : names_(names),
          name_(std::move(name)),
          deadline_(deadline),
          answer_(std::move(answer)),
          timer_(loop, io::member_fire<&PendingQuestion::due>, this) {
        const Names::Entry* const entry = names_.find(name_);
        const Instant told = loop.now() + (entry ? entry->delay : Names::Entry{}.delay);
        late_ = (entry && entry->silent) || told > deadline;
        timer_.arm(late_ ? deadline : told);
    }

private:
    void due() noexcept {
        auto answer = std::move(answer_);  // The asker may withdraw the question inside it.
        const Names::Entry* const entry = names_.find(name_);
        if (late_) return answer(fail(Code::timed_out, fmt::format("resolve {}: no answer in time", name_)));
        if (entry && entry->error) return answer(std::unexpected(*entry->error));
        if (entry == nullptr || entry->addresses.empty())
            return answer(fail(Code::not_found, fmt::format("resolve {}: no such name", name_)));
        answer(io::Resolution{ordered(entry->addresses), entry->ttl});
    }

    Names& names_;
    const std::string name_;
    const Instant deadline_;
    io::Resolver::Answer answer_;
    bool late_ = false;
    io::Timer timer_;
};

}  // namespace

void Names::set(std::string_view name, std::vector<std::string_view> addresses, Duration ttl) {
    Entry entry{.ttl = ttl};
    for (const std::string_view text : addresses) {
        const auto ip = Ip::parse(text);
        HALE_CHECK(ip.has_value());
        entry.addresses.push_back(*ip);
    }
    set(name, std::move(entry));
}

void Names::set(std::string_view name, Entry entry) { entries_.insert_or_assign(lower(name), std::move(entry)); }
void Names::remove(std::string_view name) { entries_.erase(lower(name)); }
Names::Entry& Names::at(std::string_view name) { return entries_[lower(name)]; }

const Names::Entry* Names::find(std::string_view name) const {
    const auto found = entries_.find(lower(name));
    return found == entries_.end() ? nullptr : &found->second;
}

std::unique_ptr<io::Resolver::Question> Resolver::resolve(std::string_view name, Instant deadline, Answer answer) {
    HALE_CHECK(loop_.here());
    ++names_.questions;
    return std::make_unique<PendingQuestion>(names_, loop_, std::string(name), deadline, std::move(answer));
}

}  // namespace hale::sim
