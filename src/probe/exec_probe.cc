#include "probe/exec_probe.h"

#include <fmt/format.h>

#include "base/text.h"
#include "probe/engine.h"
#include "probe/words.h"

namespace hale::probe {

using verdict::Outcome;
using verdict::Phase;
using verdict::Reason;

void ExecProbe::launch() {
    stage_ = Stage::running;
    if (engine_.spawner_ == nullptr) return end_error(Phase::none, "this process can't run programs");
    const config::ExecCheck& check = *plan().exec();
    io::SpawnRequest request{.arguments = check.arguments,
                             .user = check.user.empty() ? engine_.options_.exec_user : check.user,
                             .timeout = plan().timing.timeout,
                             .patience = longest_wait,
                             .output_limit = most_output};
    // The helper keeps the time: it knows when the program started, and says so once the program is gone.
    set_due(due() + longest_wait + report_grace);
    waiting_ = std::make_shared<ExecProbe*>(this);
    engine_.spawner_->spawn(engine_.loop_, std::move(request), [token = waiting_](Result<io::SpawnResult> result) {
        if (*token != nullptr) (*token)->exited(std::move(result));
    });
}

void ExecProbe::exited(Result<io::SpawnResult> result) {
    if (!result) return end_error(Phase::none, result.error().text);
    seen_.timings.total = since_start() - result->waited;
    if (result->timed_out) return killed();
    const std::string_view output = result->output;
    const std::string_view line = output.substr(0, output.find('\n'));
    const std::string said = line.empty() ? std::string("said nothing") : evidence(line);
    if (result->exit_code < 0) return end_error(Phase::none, fmt::format("killed by signal {}", result->signal));
    switch (result->exit_code) {
        case 0:
            return end_pass();
        case 1:
            return end(Outcome::warn, Reason::exec_failed, Phase::total, sentence(said), evidence(output));
        case 2:
            return end(Outcome::fail, Reason::exec_failed, Phase::total, sentence(said), evidence(output));
        default:
            return end_error(Phase::total, fmt::format("exit code {}: {}", result->exit_code, said));
    }
}

void ExecProbe::run_out() { end_error(Phase::none, "the spawn helper said nothing of it"); }

void ExecProbe::killed() {
    end(Outcome::fail, Reason::exec_timeout, Phase::total,
        sentence(fmt::format("did not end within {} and was killed", human(plan().timing.timeout))));
}

void ExecProbe::drop() noexcept {
    if (waiting_) *waiting_ = nullptr;
    waiting_.reset();
}

}  // namespace hale::probe
