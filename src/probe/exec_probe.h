// A probe that runs a program and reads its exit code as Nagios does: 0 pass, 1 warn, 2 fail, others error.

#pragma once

#include <memory>
#include <string>

#include "io/blocking.h"
#include "probe/flight.h"

namespace hale::probe {

class ExecProbe final : public Flight {
public:
    static constexpr std::size_t most_output = 4096;

    explicit ExecProbe(Engine& engine) : Flight(engine) {}

private:
    void launch() override;
    void run_out() override;
    void drop() noexcept override;

    void exited(Result<io::SpawnResult> result);
    std::string sentence(std::string_view what) const;

    // A child can't be unasked: its answer looks here whether anybody still waits.
    std::shared_ptr<ExecProbe*> waiting_;
};

}  // namespace hale::probe
