// What an issuer lives among in the simulator: a disk that can fail and be crashed, a place where proofs are shown, and who
// uses what was issued.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "acme/doors.h"
#include "io/loop.h"

namespace hale::acme {

// What the disk of a machine holds: outlives the processes that use it.
struct Platter {
    std::map<std::string, std::string> files;
    const void* locked_by = nullptr;
    int writes = 0;
    int fail_at = 0;   // The nth write from the start fails; 0: none.
    bool dead = false;  // The process was killed: nothing more reaches the disk.
};

class TestDisk final : public Disk {
public:
    TestDisk(io::Loop& loop, Platter& platter) : loop_(loop), platter_(platter) {}
    ~TestDisk() override { unlock(); }

    void read_all(std::move_only_function<void(Result<Files>)> done) override {
        loop_.post([this, done = std::move(done)]() mutable { done(Files(platter_.files.begin(), platter_.files.end())); });
    }
    void lock(std::move_only_function<void(Result<bool>)> done) override {
        if (platter_.locked_by == nullptr) platter_.locked_by = this;
        loop_.post([mine = platter_.locked_by == this, done = std::move(done)]() mutable { done(mine); });
    }
    void unlock() override {
        if (platter_.locked_by == this) platter_.locked_by = nullptr;
    }
    void write(std::string name, std::string content, Done done) override {
        const bool fails = ++platter_.writes == platter_.fail_at;
        if (!fails && !platter_.dead) platter_.files[name] = std::move(content);
        loop_.post([fails, done = std::move(done)]() mutable {
            if (fails) done(fail(Code::unavailable, "no space left on device"));
            else done({});
        });
    }

private:
    io::Loop& loop_;
    Platter& platter_;
};

class TestChallenges final : public Challenges {
public:
    explicit TestChallenges(io::Loop& loop) : loop_(loop) {}
    void present(const Challenge& challenge, Done done) override {
        shown[challenge.token] = challenge;
        ++presented;
        loop_.post([done = std::move(done)]() mutable { done({}); });
    }
    void withdraw(const Challenge& challenge, Done done) override {
        shown.erase(challenge.token);
        loop_.post([done = std::move(done)]() mutable { done({}); });
    }
    std::map<std::string, Challenge> shown;
    int presented = 0;

private:
    io::Loop& loop_;
};

struct TestIssued final : Issued {
    void issued(const std::string& host, const Credentials& credentials) override { has[host].push_back(credentials); }
    void gone(const std::string& host) override { has.erase(host); }
    std::map<std::string, std::vector<Credentials>> has;
};

// Every connection here is without TLS.
struct NoTls final : io::TlsDoors {
    Result<std::shared_ptr<const io::ClientTls>> client(const std::shared_ptr<const io::TlsSpec>&) override { return fail(Code::invalid, "there is no TLS here"); }
};

}  // namespace hale::acme
