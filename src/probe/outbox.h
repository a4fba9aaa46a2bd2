// What a checker has to say to control: gathered for the length of a turn, then handed over at once. A scheduled
// pass that changed nothing is no news: it may wait for company, because waking two threads for each of thousands
// a second would cost more than the probes.

#pragma once

#include <cstddef>
#include <functional>

#include "catalog/checking.h"
#include "io/loop.h"

namespace hale::probe {

using ReportSink = std::move_only_function<void(catalog::CheckReport)>;

class Outbox {
public:
    static constexpr std::size_t most_in_report = 4096;  // Then it is handed over within the turn.
    static constexpr Duration no_news_wait = 20ms;

    Outbox(io::Loop& loop, unsigned checker, ReportSink sink);

    void changed(catalog::VerdictChanged change);
    void seen(catalog::Seen seen);
    void first_failure(catalog::FirstFailure failure);
    void discarded(std::uint64_t count = 1);
    void flush() noexcept;

    std::uint64_t discarded_in_all() const { return discarded_in_all_; }

private:
    void added(Duration wait = {});

    io::Loop& loop_;
    unsigned checker_;
    ReportSink sink_;
    catalog::CheckReport report_;
    io::Timer end_of_turn_;
    std::uint64_t discarded_in_all_ = 0;
};

}  // namespace hale::probe
