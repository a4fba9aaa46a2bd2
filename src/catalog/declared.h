// What is declared now, by whom: the file's document and the objects that the API owns, merged per service.
// Pure bookkeeping: validates one change against the rest and says which services it touches. What a change costs
// is what it touches and what has rules with that, not all there is.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/declarations.h"
#include "catalog/mutation.h"
#include "config/journal.h"

namespace hale::catalog {

// A stored object that has no effect now, and why.
struct Shadowed {
    config::StoredObject object;
    std::string why;
};

// What a change would do.
struct Redeclared {
    // Services that may be different now, as they shall be; null: gone.
    std::map<std::string, std::shared_ptr<const config::ServiceSpec>> services;
    std::set<std::string> changed;  // Those among them that really are.
    bool routes = false;            // The route table differs.
    std::vector<config::Change> journal;
    std::string id;           // Of what was made.
    std::vector<Step> steps;  // Empty: it was not about declarations.
    std::optional<std::vector<Shadowed>> shadowed;  // What is shadowed then, where a document was applied.
};

class Declared {
public:
    // Objects of state.db, parsed by the rules of today. What no longer parses is kept on disk and named in
    // shadowed(), as is what the file declares too; a later document that lets it stand lets it. One pass, unless some contradict others: then by halves.
    void restore(const std::vector<config::StoredObject>& objects, std::shared_ptr<const config::Document> document);

    // Validates the change against everything declared and answers what it would do; afterwards all is as it was.
    // A change that is not about declarations (an override) touches nothing here.
    Result<Redeclared> plan(const Change& change, std::uint64_t revision);
    // What was planned is committed: it is so. Needs: nothing else was accepted since.
    void accept(Redeclared& planned);

    // Null: not declared.
    std::shared_ptr<const config::ServiceSpec> merged(std::string_view service) const;
    std::set<std::string> service_names() const { return all_.service_names(); }
    std::vector<RouteFacts> routes() const { return all_.all_routes(); }
    Entrance entrance(std::string_view service) const;
    bool routed(std::string_view service) const { return !all_.routes_of(service).empty(); }
    const std::shared_ptr<const config::Document>& document() const { return all_.file().document; }
    const std::vector<std::string>& shadowed() const { return shadowed_; }
    // As it was posted; empty: no service of the API.
    std::string declared_json(std::string_view service) const;
    // The API-owned service's revision, else that of the document.
    std::uint64_t service_revision(std::string_view service) const { return all_.service_revision(service); }
    CheckRevisions check_revisions(std::string_view service) const;
    // By service: its own JSON, where labels declare it, and that of each instance of theirs.
    std::map<std::string, std::string> discovered() const;
    // Of the object that the change is about, for If-Match; 0 when there is none.
    std::uint64_t revision_of(const Change& change) const;
    // How many services were laid out whole so far, to be judged or handed on: what the work grows with.
    std::uint64_t merges() const { return merges_; }

private:
    struct Candidate;
    using Candidates = std::vector<Candidate*>;

    void make(Step step, Redeclared& out);
    void undo(std::vector<Step>& steps);
    // Of a service that is touched, before the change and after it.
    struct Face {
        std::shared_ptr<const config::ServiceSpec> spec;
        Entrance entrance;
        std::vector<config::RouteSpec> routes;
    };
    Face face(const std::string& service) const;
    std::vector<Candidate> parse(const std::vector<config::StoredObject>& objects, std::vector<Shadowed>& shadowed);
    void stand(std::span<Candidate* const> some, Candidates& refused, Redeclared& out);
    void stand_as_far_as_they_can(const std::vector<config::StoredObject>& objects, Redeclared& out, std::vector<Shadowed>& shadowed);
    void tell_shadowed(bool homeless_too);
    // What the API said is read again where what it rests on changed: the file's defaults, a service's checks.
    Result<> read_again(Redeclared& out);
    Result<> read_instances_again(const std::string& service, Redeclared& out);
    Result<> edit(const Change& change, std::uint64_t revision, Redeclared& out);
    Result<> edit_document(const ApplyDocument& apply, std::uint64_t revision, Redeclared& out);
    Result<> edit_service(const PutApiService& put, std::uint64_t revision, Redeclared& out);
    void remove_instance(const InService& key, Redeclared& out);
    std::vector<std::string> instances_of(const std::string& service, config::Owner owner) const;
    void take_back_service(const std::string& name, Redeclared& out);
    Result<> edit_discovered(const Discover& said, std::uint64_t revision, Redeclared& out);
    Result<> edit_instance(const PutApiInstance& put, std::uint64_t revision, Redeclared& out);
    Result<> edit_route(const PutApiRoute& put, std::uint64_t revision, Redeclared& out);
    Result<> edit_check(const PutApiCheck& put, std::uint64_t revision, Redeclared& out);
    // Why what the API does not own cannot be removed.
    Result<> not_an_instance(const InService& key) const;
    Result<> not_a_route(const std::string& id) const;
    Result<> remove_service(const RemoveApiService& gone, Redeclared& out);
    // These services with each other and with whoever has rules with them.
    Result<> consistent(const std::set<std::string>& services) const;

    Declarations all_;
    std::vector<Shadowed> kept_;
    std::vector<std::string> shadowed_;  // Said of them.
    mutable std::uint64_t merges_ = 0;
};

}  // namespace hale::catalog
