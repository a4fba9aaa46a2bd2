#include "catalog/gates.h"

#include <algorithm>
#include <utility>

#include "verdict/ledger.h"
#include "catalog/folding.h"

namespace hale::catalog {

namespace {
// A checker's answer to a timeout arrives a little after it; only then the whole gate gives up.
constexpr Duration grace = 250ms;
inline constexpr std::size_t most_open_gates = 1'000;
}  // namespace

void Gates::open(VerifyRequest request, VerifyReply reply) {
    std::vector<Instance*> wanted;
    if (Instance* one = request.instance.empty() ? nullptr : membership_.instance(request.instance)) wanted.push_back(one);
    if (Service* service = request.service.empty() ? nullptr : membership_.service(request.service))
        for (const auto& instance : service->instances)
            if (instance->lifecycle == verdict::Lifecycle::serving && !instance->candidate()) wanted.push_back(instance.get());
    if (wanted.empty() || open_.size() >= most_open_gates) {
        VerifyResult nothing;
        nothing.end = wanted.empty() ? VerifyEnd::nothing_to_verify : VerifyEnd::timed_out;
        nothing.revision = revision_();
        reply(std::move(nothing));
        return;
    }
    const std::uint64_t id = next_++;
    auto& gate = *open_.emplace(id, std::make_unique<Gate>(*this, id)).first->second;
    gate.reply = std::move(reply);
    gate.as_if_serving = request.as_if_serving;
    gate.waiting = wanted.size();
    gate.timer.arm(loop_.now() + request.timeout + grace);
    std::vector<CheckerCommand> commands;
    for (Instance* instance : wanted) {
        gate.result.instances.push_back({.instance = instance->id.str(), .name = instance->name.str(), .outcome = {.end = GateEnd::timed_out}});
        OpenGate open{.row = instance->current.row, .generation = instance->current.number, .gate = id, .timeout = request.timeout};
        // The answer comes on a checker's loop, maybe after this gate (not after control) is gone: post only.
        open.reply = [this, id, instance_id = instance->id](GateOutcome outcome) mutable {
            loop_.post([this, id, instance_id = std::move(instance_id), outcome = std::move(outcome)]() mutable {
                take(id, instance_id, std::move(outcome));
            });
        };
        commands.emplace_back(std::move(open));
    }
    send_(std::move(commands));
}

void Gates::take(std::uint64_t id, std::string_view instance_id, GateOutcome outcome) {
    const auto found = open_.find(id);
    if (found == open_.end()) return;
    Gate& gate = *found->second;
    const auto entry = std::ranges::find(gate.result.instances, instance_id, [](const Verified& one) { return std::string_view(one.instance); });
    if (entry == gate.result.instances.end()) return;
    // Eligible by the word itself: the folded copy may be a turn behind.
    if (const Instance* instance = membership_.instance(instance_id)) {
        verdict::Standing standing = standing_of(*instance);
        if (gate.as_if_serving) standing.lifecycle = verdict::Lifecycle::serving;
        standing.word = verdict::read_word(instance->current.cell->word.load(std::memory_order_acquire), instance->current.number);
        entry->eligible = verdict::eligibility(standing).eligible;
    }
    const GateEnd end = outcome.end;
    entry->outcome = std::move(outcome);
    --gate.waiting;
    if (end == GateEnd::failed || end == GateEnd::gone || (end == GateEnd::passed && !entry->eligible)) return finish(gate, VerifyEnd::not_eligible);
    if (end == GateEnd::timed_out) return finish(gate, VerifyEnd::timed_out);
    if (gate.waiting == 0) finish(gate, VerifyEnd::eligible);
}

void Gates::Gate::expired() noexcept { owner.finish(*this, VerifyEnd::timed_out); }

void Gates::finish(Gate& gate, VerifyEnd end) {
    auto node = open_.extract(gate.id);
    std::vector<CheckerCommand> close;
    for (const auto& entry : gate.result.instances)
        if (const Instance* instance = membership_.instance(entry.instance)) close.emplace_back(CloseGate{instance->current.row, gate.id});
    gate.result.end = end;
    gate.result.revision = revision_();
    send_(std::move(close));
    gate.reply(std::move(gate.result));
}

void Gates::stop(VerifyEnd end) {
    while (!open_.empty()) finish(*open_.begin()->second, end);
}

}  // namespace hale::catalog
