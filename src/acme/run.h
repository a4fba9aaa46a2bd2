// One order carried out: an Order's commands done one by one, over an authority, with proofs shown by Challenges. Ends by
// its deadline. Destroying it withdraws nothing: stop() does.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "acme/authority.h"
#include "acme/doors.h"
#include "acme/order.h"

namespace hale::acme {

inline constexpr Duration order_patience = 15min;
inline constexpr Duration withdraw_patience = 1min;  // Then it is left standing.

class Run {
public:
    using Ended = std::move_only_function<void(std::expected<Credentials, Failure>)>;

    Run(Ways& ways, Authority& authority, Challenges& challenges, OrderPlan plan, Ended ended);
    ~Run();
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    void start();
    // Ends soon, as failed with this.
    void stop(Failure failure);

private:
    void carry_out(Command command);
    void later(Event event);
    void present(const command::Present& what);
    void withdraw();
    void tick() noexcept;
    void run_out() noexcept;

    Ways& ways_;
    Authority& authority_;
    Challenges& challenges_;
    Order order_;
    Ended ended_;
    std::vector<std::string> names_;
    std::string key_pem_;
    std::optional<Challenge> shown_;
    std::optional<Event> next_;
    std::uint64_t asked_ = 0;  // Answers of an older command are dropped.
    io::Timer timer_, deadline_;
    std::shared_ptr<bool> alive_;
};

}  // namespace hale::acme
