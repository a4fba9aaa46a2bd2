// A probe that runs a program and reads its exit code as Nagios does: 0 pass, 1 warn, 2 fail, others error.

#pragma once

#include <memory>
#include <string>

#include "base/time.h"
#include "io/blocking.h"
#include "probe/flight.h"

namespace hale::probe {

class ExecProbe final : public Flight {
public:
    static constexpr std::size_t most_output = 4096;
    static constexpr Duration longest_wait = 30s;  // For its turn among the programs that run.
    static constexpr Duration report_grace = 5s;   // For the helper to end a program and say so.

    explicit ExecProbe(Engine& engine) : Flight(engine) {}

private:
    void launch() override;
    void run_out() override;
    void drop() noexcept override;

    void exited(Result<io::SpawnResult> result);
    void killed();

    // A child can't be unasked: its answer looks here whether anybody still waits.
    std::shared_ptr<ExecProbe*> waiting_;
};

}  // namespace hale::probe
