// Where access lines go: standard output or a file that a rotation may move away. One per worker; whole lines
// are appended with one write, so workers' lines never mix within a line.

#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "os/descriptor.h"
#include "proxy/access_log.h"

namespace hale::app {

class LogFile final : public proxy::LogSink {
public:
    // "stdout", or a path that can be appended to. Not for "none".
    static Result<std::unique_ptr<LogFile>> open(const std::string& where);

    bool write(std::string_view lines) override;
    void reopen() override;

private:
    explicit LogFile(std::string path) : path_(std::move(path)) {}
    Result<> open_again();

    std::string path_;  // Empty: standard output.
    os::Descriptor file_;
};

}  // namespace hale::app
