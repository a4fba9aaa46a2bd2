#include "sim/byte_pipe.h"

#include <array>

#include "base/check.h"
#include "sim/world.h"

namespace hale::sim {

namespace {

class PipePath final : public Path {
public:
    explicit PipePath(PipeOptions options) : options_(std::move(options)), faults_{options_.left, options_.right} {
        for (auto& faults : faults_)
            if (faults == nullptr) faults = std::make_shared<PipeFaults>();
    }
    std::uint64_t window() override { return options_.window; }
    Duration delay(Side) override { return options_.delay; }
    bool lost(Side) override { return false; }
    std::uint64_t break_at(Side from) override { return of(from).break_at; }
    Permit permit_read(Side side) override {
        PipeFaults& f = of(side);
        return permit(f, f.read_sizes, f.reads, f.most_per_read);
    }
    Permit permit_write(Side side) override {
        PipeFaults& f = of(side);
        return permit(f, f.write_sizes, f.writes, f.most_per_write);
    }

private:
    PipeFaults& of(Side side) { return *faults_[static_cast<std::size_t>(side)]; }
    static Permit permit(PipeFaults& f, const std::vector<std::uint64_t>& sizes, std::uint64_t& count,
                         std::uint64_t rest) {
        Permit result{.most = count < sizes.size() ? sizes[count] : rest};
        HALE_CHECK(result.most > 0);
        ++count;
        if (++f.operations == f.fail_operation) result.error = f.fail_with;
        return result;
    }

    const PipeOptions options_;
    std::array<std::shared_ptr<PipeFaults>, 2> faults_;
};

}  // namespace

StreamPair make_pipe(Loop& left, Loop& right, PipeOptions options) {
    auto totals = options.totals ? options.totals : std::make_shared<Totals>();
    const auto connection =
        std::make_shared<Connection>(left.world().wire(), std::make_unique<PipePath>(std::move(options)), totals);
    connection->place(Side::client, left);
    connection->place(Side::server, right);
    const SocketAddress near{.ip = Ip::v4(192, 0, 2, 1), .port = 40000}, far{.ip = Ip::v4(192, 0, 2, 2), .port = 80};
    StreamPair pair{connection->open(Side::client, {.local = near, .peer = far}),
                    connection->open(Side::server, {.local = far, .peer = near})};
    connection->establish(Side::client);
    connection->establish(Side::server);
    return pair;
}

StreamPair make_pipe(World& world, PipeOptions options) {
    return make_pipe(world.loop(), world.loop(), std::move(options));
}

}  // namespace hale::sim
