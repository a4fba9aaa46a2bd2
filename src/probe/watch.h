// One check of one instance: its judge, its schedule, and the probe that is under way. There is one for each
// of a hundred thousand, so it holds what every check needs always; what only troubled ones need is beside it.
//
//   asleep ──(slot, confirmation, somebody asks)──▶ probing ──▶ judged ──▶ asleep
//      └─(horizon: no news for too long)──▶ judged

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/time.h"
#include "catalog/checking.h"
#include "io/loop.h"
#include "probe/flight.h"
#include "probe/memory.h"
#include "probe/plan.h"
#include "verdict/cadence.h"
#include "verdict/judge.h"

namespace hale::probe {

class Subject;

// Several on-demand callers wait for the same probes, each for its own set of checks.
struct Asker {
    std::move_only_function<void(std::vector<catalog::ProbeAnswer>)> reply;
    std::vector<catalog::ProbeAnswer> answers;
    std::size_t open = 0;  // Checks that still owe an answer.
    void answered_one() {
        if (--open == 0) reply(std::move(answers));
    }
};

class Watch final : public ProbeSink {
public:
    static constexpr std::size_t most_recent = 5;
    static constexpr std::size_t most_askers = 4096;

    Watch(Subject& subject, const Plan& plan, std::uint8_t index, const verdict::Judge& judge, verdict::PhaseKey key,
          Instant first_probe);
    ~Watch();

    const Plan& plan() const { return *plan_; }
    const verdict::Judge& judge() const { return judge_; }
    bool probing() const { return flight_ != nullptr; }
    bool critical() const { return plan_->spec->critical; }

    // Begins now, unless a probe is under way.
    void probe_now(verdict::Trigger trigger);
    // Live traffic met trouble; at most one probe per confirm_interval.
    void passive();
    void beat(const catalog::HeartbeatSeen& seen);
    void members(const std::vector<catalog::MemberState>& changed);
    // The engine's word; the same again is none.
    void container(const std::shared_ptr<const catalog::ContainerWord>& word);
    void ask(std::shared_ptr<Asker> asker, std::optional<Duration> max_age);
    // Returns whether the judge has something new to show.
    bool hold(Instant until);
    // Another plan for the same check. A changed question keeps the verdict and is judged anew.
    void replan(const Plan& plan, bool question_changed, std::uint8_t index);
    // The destination or Host changed under it.
    void question_changed();
    void known_before() { passed_once_ = true; }

    catalog::CheckStanding standing() const;
    const std::optional<catalog::Decided>& decided() const { return decided_; }
    std::span<const std::shared_ptr<const verdict::Observation>> recent() const;

private:
    // What a quiet check does without.
    struct Extra {
        std::vector<std::shared_ptr<const verdict::Observation>> recent;  // Since trouble began, oldest first.
        struct Waiting {
            std::shared_ptr<Asker> asker;
            bool shared;
        };
        std::vector<Waiting> askers;
        Beat beat;
        std::vector<catalog::MemberState> members;
        std::shared_ptr<const catalog::ContainerWord> container;
    };
    // The last probe, small enough to be kept by everybody.
    struct Last {
        Instant started{};
        Instant ended = Instant::min();
        float dns = -1, connect = -1, first_byte = -1, total = -1;  // Seconds.
        std::uint16_t status = 0;
        verdict::Trigger trigger = verdict::Trigger::scheduled;
        verdict::Vehicle vehicle = verdict::Vehicle::none;
        bool counted = false;
        bool plain = false;  // A pass; else the last of `recent` tells all.
    };

    void on_probed(verdict::Observation&& seen) noexcept override;
    void wake() noexcept;
    void begin(verdict::Trigger trigger, bool fresh);
    void look_now(verdict::Trigger trigger);
    Look look_at_memory() const;
    void finish(verdict::Observation&& seen);
    void remember(const verdict::Observation& seen, std::shared_ptr<const verdict::Observation>& detail);
    void miss_slots(Instant from, Instant until);
    void schedule(Instant last_end);
    static Instant together(const verdict::NextProbe& next);
    void rearm();
    void abandon();
    void answer(const verdict::Observation& seen);
    verdict::Observation told_whole(verdict::Observation seen) const;
    verdict::Observation last_observation() const;
    Extra& extra();
    // Whether readers see something new of it; keeps what decided.
    bool noted(const verdict::Judgement& judged);

    Subject& subject_;
    const Plan* plan_;
    verdict::Judge judge_;
    verdict::PhaseKey key_;
    io::Timer timer_;
    Flight* flight_ = nullptr;
    verdict::NextProbe next_;
    Instant last_passive_ = Instant::min();
    Last last_;
    std::unique_ptr<Extra> extra_;
    std::uint32_t number_ = 0;  // Of the probe under way or last, among all of the subject's.
    std::uint8_t index_;
    std::optional<catalog::Decided> decided_;
    bool passed_once_ = false;
    bool turn_ = false;  // connection: both takes turns.
};

}  // namespace hale::probe
