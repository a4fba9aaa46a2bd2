#include "probe/tls_probe.h"

#include <fmt/format.h>

#include "base/text.h"
#include "probe/engine.h"

namespace hale::probe {

void TlsProbe::reached(bool) {
    const io::SecureStream& stream = *connection_->secured();
    const auto shown = stream.peer_certificate();
    std::string heard{stream.version()};
    if (shown) {
        const Duration left = shown->not_after - engine_.loop_.utc();
        const auto days = std::chrono::duration_cast<std::chrono::days>(left).count();
        const std::string name = shown->names.empty() ? shown->subject : shown->names.front();
        heard += fmt::format(", certificate of {}, {} {} left (until {})", escaped(name, 80), days, days == 1 || days == -1 ? "day" : "days",
                             rfc3339(shown->not_after).substr(0, 10));
    }
    seen_.text = sentence(fmt::format("{} in {}", heard, human(since_start())));
    judge(heard);
}

}  // namespace hale::probe
