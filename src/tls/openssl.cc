#include "tls/openssl.h"

#include <openssl/err.h>

namespace hale::tls {

std::string openssl_sentence(std::string_view otherwise) {
    // The first in the queue is what went wrong; the later ones say who noticed.
    const unsigned long first = ERR_peek_error();
    const char* reason = first != 0 ? ERR_reason_error_string(first) : nullptr;
    std::string sentence(reason != nullptr ? std::string_view(reason) : otherwise);
    ERR_clear_error();
    return sentence;
}

}  // namespace hale::tls
