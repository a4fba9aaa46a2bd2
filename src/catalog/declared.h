// What is declared now, by whom: the file's document and the objects that the API owns, merged per service.
// Pure bookkeeping: validates one change against all the rest and says which services it touches.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/facts.h"
#include "catalog/mutation.h"
#include "config/document.h"
#include "config/journal.h"

namespace hale::catalog {

class Declared;

// What a change would do.
struct Redeclared {
    // Services that may be different now, as they shall be; null: gone.
    std::map<std::string, std::shared_ptr<const config::ServiceSpec>> services;
    std::set<std::string> changed;  // Those among them that really are.
    bool routes = false;            // The route table differs.
    std::vector<config::Change> journal;
    std::string id;                        // Of what was made.
    std::shared_ptr<const Declared> next;  // Takes this one's place once it is committed.
};

class Declared {
public:
    // Objects of state.db, parsed by the rules of today. What no longer parses is kept on disk and named in
    // shadowed(), as is what the file declares too.
    void restore(const std::vector<config::StoredObject>& objects, std::shared_ptr<const config::Document> document);

    // Validates the change against everything declared and answers what it would do; changes nothing. A change
    // that is not about declarations (an override) touches nothing here.
    Result<Redeclared> plan(const Change& change, std::uint64_t revision) const;

    // Null: not declared.
    std::shared_ptr<const config::ServiceSpec> merged(std::string_view service) const;
    std::set<std::string> service_names() const;
    std::vector<RouteFacts> routes() const;
    // The Host that checks of this service send: its first exact host's; empty when it has none.
    std::string check_host(std::string_view service) const;
    bool routed(std::string_view service) const;
    const std::shared_ptr<const config::Document>& document() const { return document_; }
    const std::vector<std::string>& shadowed() const { return shadowed_; }
    // The API-owned service's revision, else that of the document.
    std::uint64_t service_revision(std::string_view service) const;
    // Of the object that the change is about, for If-Match; 0 when there is none.
    std::uint64_t revision_of(const Change& change) const;

private:
    template <class T>
    struct Owned {
        std::shared_ptr<const T> spec;
        std::uint64_t revision = 0;
    };
    using Key = std::pair<std::string, std::string>;  // Service and name.

    void take(std::shared_ptr<const config::Document> document, std::uint64_t revision);
    void index_routes();
    Result<> edit(const Change& change, std::uint64_t revision, Redeclared& out);
    Result<> edit_service(const PutApiService& put, std::uint64_t revision, Redeclared& out);
    Result<> edit_instance(const PutApiInstance& put, std::uint64_t revision, Redeclared& out);
    Result<> edit_route(const PutApiRoute& put, std::uint64_t revision, Redeclared& out);
    Result<> edit_check(const PutApiCheck& put, std::uint64_t revision, Redeclared& out);
    Result<> consistent() const;
    const config::ServiceSpec* file_service(std::string_view name) const;

    std::shared_ptr<const config::Document> document_ = std::make_shared<const config::Document>();
    std::uint64_t document_revision_ = 0;
    std::map<std::string, std::size_t, std::less<>> file_services_;  // Index into document_->services.
    std::map<std::string, Owned<config::ServiceSpec>, std::less<>> services_;
    std::map<std::string, std::vector<config::RouteSpec>, std::less<>> services_routes_;  // Declared inside them.
    std::map<Key, Owned<config::InstanceSpec>> instances_;
    std::map<std::string, Owned<config::RouteSpec>, std::less<>> routes_;
    std::map<Key, Owned<config::CheckSpec>> checks_;
    std::map<std::string, std::string, std::less<>> host_of_service_;  // Every routed service; "" for only "*".
    std::vector<std::string> shadowed_;
};

}  // namespace hale::catalog
