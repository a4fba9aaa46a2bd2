// The directory of certificates and account keys: `<state>/certificates`, for Hale alone. Reads and writes happen on the
// blocking pool and are answered on the asking loop; the lock is flock's, so a process that dies lets it go.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "acme/doors.h"
#include "io/loop.h"
#include "os/blocking_pool.h"
#include "os/descriptor.h"

namespace hale::app {

class Shelf final : public acme::Disk {
public:
    static constexpr std::size_t most_files = 20'000;
    static constexpr std::size_t most_bytes = 1 << 20;  // Of one.

    // `state`: exists.
    Shelf(io::Loop& loop, os::BlockingPool& pool, std::string state);
    ~Shelf() override;

    void read_all(std::move_only_function<void(Result<Files>)> done) override;
    void lock(std::move_only_function<void(Result<bool>)> done) override;
    void unlock() override;
    void write(std::string name, std::string content, acme::Done done) override;

private:
    // `work` on the pool; `done` here, unless this is gone by then.
    template <class T>
    void run(std::move_only_function<Result<T>()> work, std::move_only_function<void(Result<T>)> done);

    io::Loop& loop_;
    os::BlockingPool& pool_;
    const std::string directory_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::optional<os::Descriptor> locked_;
};

}  // namespace hale::app
