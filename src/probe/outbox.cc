#include "probe/outbox.h"

#include <utility>

namespace hale::probe {

Outbox::Outbox(io::Loop& loop, unsigned checker, ReportSink sink)
    : loop_(loop),
      checker_(checker),
      sink_(std::move(sink)),
      end_of_turn_(loop, io::member_fire<&Outbox::flush>, this) {}

void Outbox::changed(catalog::VerdictChanged change) {
    report_.changes.push_back(std::move(change));
    added();
}

void Outbox::seen(catalog::Seen seen) {
    const bool news = seen.outcome != verdict::Outcome::pass || seen.trigger != verdict::Trigger::scheduled;
    report_.seen.push_back(std::move(seen));
    added(news ? Duration{} : no_news_wait);
}

void Outbox::first_failure(catalog::FirstFailure failure) {
    report_.first_failures.push_back(std::move(failure));
    added();
}

void Outbox::discarded(std::uint64_t count) {
    report_.discarded += count;
    discarded_in_all_ += count;
    added();
}

void Outbox::added(Duration wait) {
    if (report_.changes.size() + report_.seen.size() + report_.first_failures.size() >= most_in_report) return flush();
    // An instant that has come fires in the next turn, after everything else of this one.
    const Instant at = loop_.now() + wait;
    if (!end_of_turn_.armed() || end_of_turn_.at() > at) end_of_turn_.arm(at);
}

void Outbox::flush() noexcept {
    end_of_turn_.disarm();
    if (report_.changes.empty() && report_.seen.empty() && report_.first_failures.empty() && report_.discarded == 0)
        return;
    report_.checker = checker_;
    sink_(std::exchange(report_, {}));
}

}  // namespace hale::probe
