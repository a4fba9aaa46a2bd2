// Which services and instances there are: turns declarations into ids, generations and rows, and says what
// has to be told to checkers, workers and readers. Belongs to control's thread; touches nothing but the model
// and the ledger, so a mutation is: change the model here, then carry out the Effects.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/text_index.h"
#include "catalog/model.h"
#include "catalog/unclaimed.h"
#include "config/journal.h"
#include "verdict/ledger.h"

namespace hale::catalog {

// What follows from a change of the model, in the order in which it is carried out.
struct Effects {
    std::vector<CheckerCommand> commands;
    std::vector<decltype(Delta::what)> tell;
    std::set<SharedText, std::less<>> services;  // To be published anew.
    bool routes = false;                  // The route table changed.
    std::vector<verdict::RowId> retired;  // To be recycled once no worker and no request knows them.
    std::vector<config::Change> remember; // Not durable: last verdicts of what came and went.
    // Of services that went: workers and checkers read them until they took the news.
    std::vector<std::shared_ptr<verdict::Epoch>> epochs;
};

struct Moment {
    Instant now{};
    Utc utc{};
};

// A next generation's versions start so far above the current one's, which goes on counting beside it: an
// instance's version never goes back when the next takes over.
inline constexpr std::uint32_t generation_version_gap = 1'000;

class Membership {
public:
    struct Options {
        Duration drain_timeout = 30s;
        Duration last_known_max_age = 10min;
        std::uint32_t first_version = 0;
        std::uint64_t first_revision = 0;  // Above all of an earlier life.
    };

    Membership(verdict::Ledger& ledger, Random& random) : ledger_(ledger), random_(random) {}
    Options options;

    // Verdicts of an earlier life, consumed as instances with the same identity appear.
    void remember(std::vector<config::StoredVerdict> verdicts);
    // What is left was not declared any more; call once after the first document.
    std::vector<config::Change> forget_unclaimed();

    // Gives the first probes of everything restored their places. Once, when all of it was put.
    static void spread_restored(Effects& effects);

    // Makes the service what `spec` says: instances that kept their identity keep id, row and verdict.
    // Not `changed`: the same
    // words in another document; nothing is published for it.
    struct Put {
        std::shared_ptr<const config::ServiceSpec> spec;
        Entrance entrance;
        bool routed = false;
        std::uint64_t revision = 0;
        bool changed = true;
        CheckRevisions check_revisions = {};
        Candidate candidate = {};
    };
    void put(Put what, Moment at, Effects& effects);
    void remove(std::string_view service, Moment at, Effects& effects);

    // What the engine says of the container that this instance of the service is; null: it is none. Kept, whether or not the
    // instance is known already.
    void set_container(const std::string& service, const std::string& instance, std::shared_ptr<const ContainerWord> word, Moment at, Effects& effects);
    const std::map<std::pair<std::string, std::string>, std::shared_ptr<const ContainerWord>>& containers() const { return containers_; }

    // A look-up answered for `name`. Make-before-break for `resolve: first`, one instance each for `each`.
    void resolved(std::string_view name, const std::vector<Ip>& addresses, Moment at, Effects& effects);

    // The next generation takes over (it is eligible, or its time is up).
    void replace(Instance& instance, Moment at, Effects& effects);
    // Instances that may go now, and replacements whose time is up. Says when to come again.
    Instant sweep(Moment at, Effects& effects);

    // Tells readers (and through `services` the workers) what an instance or service now is.
    void touch(Instance& instance, Effects& effects);
    void touch(Service& service, Effects& effects, bool same = false);

    Service* service(std::string_view name);
    Instance* instance(std::string_view id);
    // By its name or id, as long as it stays; looks through that service's own.
    Instance* instance_of(std::string_view service, std::string_view name);
    // By row of its current or next generation; `next` says which.
    struct Found {
        Instance* instance = nullptr;
        Generation* generation = nullptr;
    };
    Found by_row(verdict::RowId row, std::uint16_t generation);
    // Every row below rows(), for walks that go on another time; null: nobody's.
    std::size_t rows() const { return by_row_.size(); }
    Instance* at_row(verdict::RowId row) const { return row < by_row_.size() ? by_row_[row] : nullptr; }
    std::map<std::string, std::unique_ptr<Service>, std::less<>>& services() { return services_; }
    // The checks that are judged on this instance's own rows.
    std::shared_ptr<const config::CheckList> carried(const Instance& instance) const;
    // Names that routed instances, and those made of a name's addresses, need resolved now.
    std::set<std::string> names() const;

private:
    Instance& add(Service& service, std::shared_ptr<const config::InstanceSpec> spec, std::string name, Moment at,
                  Effects& effects, std::optional<SocketAddress> address = std::nullopt);
    // What a service was and is, as far as its instances' checks care.
    struct Turn {
        const config::ServiceSpec* before = nullptr;
        bool same_checks = false;
        bool surroundings_changed = false;
    };
    void keep(Instance& instance, std::shared_ptr<const config::InstanceSpec> next, const Turn& turn, Moment at, Effects& effects);
    void restore_each(Service& service, std::size_t index, Moment at, Effects& effects);
    void add_scope(Service& service, Moment at, Effects& effects);
    void end_scope(Service& service, Effects& effects);
    void leave(Instance& instance, Moment at, Effects& effects);
    void bury(Service& service, Instance& instance, Effects& effects);  // The caller takes it out of the service.
    void open(Generation& generation, Instance& instance);
    void close(Generation& generation, Effects& effects);
    void assign(Instance& instance, Generation& generation, Moment at, Effects& effects,
                std::optional<LastKnown> last_known = std::nullopt);
    void move_to(Instance& instance, std::optional<SocketAddress> address, Moment at, Effects& effects);
    std::optional<config::StoredVerdict> claim(const Service& service, const config::InstanceSpec& spec, std::string_view name, bool each);
    bool claimable(const Service& service, const config::InstanceSpec& spec) const;

    std::shared_ptr<const ContainerWord> container_of(const Instance& instance) const;

    verdict::Ledger& ledger_;
    Random& random_;
    std::map<std::pair<std::string, std::string>, std::shared_ptr<const ContainerWord>> containers_;  // By service and instance.
    std::map<std::string, std::unique_ptr<Service>, std::less<>> services_;
    static std::string_view id_of(const Instance* instance) { return instance->id; }
    TextIndex<Instance*, nullptr> by_id_;
    std::vector<Instance*> by_row_;
    std::vector<Slot> free_instance_slots_, free_service_slots_;
    Slot next_instance_slot_ = 0, next_service_slot_ = 0;
    Unclaimed unclaimed_;
    std::map<std::string, std::vector<Ip>, std::less<>> last_answers_;
};

}  // namespace hale::catalog
