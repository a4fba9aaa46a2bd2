// Everything that is declared, by key: the file's document beside the objects that the API owns, and the indices
// over both. Storage only, it allows anything: `declared` judges.
//
// Every change is a Step that exchanges what stands under a key with what the step carries. So the same step makes
// a change, undoes it, and makes it again, and its cost is that of what it touches, not of all there is.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "catalog/facts.h"
#include "config/document.h"

namespace hale::catalog {

template <class T>
struct Owned {
    std::shared_ptr<const T> spec;
    std::uint64_t revision = 0;
    std::string json{};  // As it was posted, where its meaning rests on what others declare; else empty.
};

struct OwnedService {
    std::shared_ptr<const config::ServiceSpec> spec;
    std::vector<config::RouteSpec> routes;  // Declared inside it.
    std::uint64_t revision = 0;
    std::string json{};
};

struct FileDeclares {
    std::shared_ptr<const config::Document> document = std::make_shared<const config::Document>();
    std::uint64_t revision = 0;
    std::map<std::string, std::size_t, std::less<>> services;                           // Into document->services.
    std::map<std::string, std::vector<const config::RouteSpec*>, std::less<>> routes;  // By service, in file order.
};
FileDeclares file_declares(std::shared_ptr<const config::Document> document, std::uint64_t revision);

using InService = std::pair<std::string, std::string>;  // Service and name.

// Nothing carried: nothing shall stand there.
template <class Key, class T>
struct StepAt {
    Key key;
    std::optional<T> what;
};
using ServiceStep = StepAt<std::string, OwnedService>;
using InstanceStep = StepAt<InService, Owned<config::InstanceSpec>>;
using CheckStep = StepAt<InService, Owned<config::CheckSpec>>;
using RouteStep = StepAt<std::string, Owned<config::RouteSpec>>;
struct FileStep {
    FileDeclares file;
};
using Step = std::variant<FileStep, ServiceStep, InstanceStep, CheckStep, RouteStep>;

class Declarations {
public:
    void exchange(Step& step);

    const FileDeclares& file() const { return file_; }
    const config::ServiceSpec* file_service(std::string_view name) const;
    const std::map<std::string, OwnedService, std::less<>>& services() const { return services_; }
    const std::map<InService, Owned<config::InstanceSpec>>& instances() const { return instances_; }
    const std::map<InService, Owned<config::CheckSpec>>& checks() const { return checks_; }
    const std::map<std::string, Owned<config::RouteSpec>, std::less<>>& routes() const { return routes_; }

    // As one owner declared it, without what the API added to it; null: not declared.
    std::shared_ptr<const config::ServiceSpec> base(std::string_view service) const;
    // With everything that was added to it.
    std::shared_ptr<const config::ServiceSpec> merged(std::string_view service) const;
    std::set<std::string> service_names() const;
    std::uint64_t service_revision(std::string_view service) const;
    // The file's first, then those declared inside services, then those by themselves.
    std::vector<RouteFacts> all_routes() const;
    std::vector<const config::RouteSpec*> routes_of(std::string_view service) const;

    // The services whose rules with each other a change of these may break: those that claim the same host and path,
    // the composites that look at them, directly or through others, and the members of every composite among all of
    // these.
    std::set<std::string> neighbourhood(const std::set<std::string>& services) const;

private:
    void index_routes(const std::vector<const config::RouteSpec*>& routes, bool in);
    void index_members(const std::string& service, const config::CheckSpec& check, bool in);
    void index(const FileDeclares& file, bool in);
    void index(const OwnedService& service, bool in);

    FileDeclares file_;
    std::map<std::string, OwnedService, std::less<>> services_;
    std::map<InService, Owned<config::InstanceSpec>> instances_;
    std::map<InService, Owned<config::CheckSpec>> checks_;
    std::map<std::string, Owned<config::RouteSpec>, std::less<>> routes_;
    std::map<std::string, std::set<std::string>, std::less<>> routes_to_;  // Ids in routes_, by service.
    // Two may stand there while a change is being judged.
    std::multiset<std::pair<std::string, std::string>> claims_;   // Host with path, and the service that claims it.
    std::multiset<std::pair<std::string, std::string>> members_;  // A member service, and whose composite names it.
};

}  // namespace hale::catalog
