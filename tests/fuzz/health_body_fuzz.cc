// Any bytes as a health body: what is read can be written in every shape and read back, never as more health.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/health_body.h"

using namespace hale::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto body = read_health_body({reinterpret_cast<const char*>(data), size});
    if (!body) return 0;
    HALE_CHECK(body->components.size() <= max_health_components);
    for (const HealthShape shape : {HealthShape::health_json, HealthShape::spring, HealthShape::microprofile,
                                    HealthShape::xabaril, HealthShape::simple}) {
        const auto back = read_health_body(write_health_body(shape, *body).body);
        HALE_CHECK(back.has_value());
        const bool down = back->overall == Health::fail;
        HALE_CHECK(body->overall != Health::unknown || back->overall == Health::unknown || down);
        HALE_CHECK(body->overall != Health::fail || down);
        HALE_CHECK(back->components.size() == body->components.size());
    }
    return 0;
}
