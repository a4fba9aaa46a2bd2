// What `hale check URL` means by its URL: where, and which check. Pure: nothing is resolved or read.
//
//   http://h[:80]/path?query   https://…   h:80[/path]   unix:/path          an HTTP request
//   tcp://h:5432               tls://h[:443]                                 a connection; a handshake
//   redis://[user@]h[:6379][?role=master]          rediss://…                PING
//   postgres://[user@]h[:5432][/database][?tls_mode=require&role=primary&query=SELECT%202]
//   smtp://h[:25][?starttls=required]              smtps://h[:465]           the greeting, and EHLO
//   dns://server[:53]/name[?type=AAAA&rcode=NXDOMAIN&transport=tcp]
//
// Parameters are called like the keys of the configuration. A password in a URL is refused: everybody on the machine sees it.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/check_spec.h"
#include "config/target.h"

namespace hale::cli {

struct Subject {
    config::Target target;
    config::CheckKind what;

    bool takes_password() const;
    bool speaks_tls() const;
};

// Fails with Code::invalid and a sentence without secrets.
Result<Subject> subject_of(std::string_view url);
// Needs: takes_password().
void set_password(Subject& subject, std::string password);

}  // namespace hale::cli
