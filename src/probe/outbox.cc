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
    report_.seen.push_back(std::move(seen));
    added();
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

void Outbox::added() {
    if (report_.changes.size() + report_.seen.size() + report_.first_failures.size() >= most_in_report) return flush();
    // An instant that has come fires in the next turn, after everything else of this one.
    if (!end_of_turn_.armed()) end_of_turn_.arm(loop_.now());
}

void Outbox::flush() noexcept {
    end_of_turn_.disarm();
    if (report_.changes.empty() && report_.seen.empty() && report_.first_failures.empty() && report_.discarded == 0)
        return;
    report_.checker = checker_;
    sink_(std::exchange(report_, {}));
}

}  // namespace hale::probe
