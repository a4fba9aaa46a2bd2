// `hale token …`: who may ask the daemon from elsewhere.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/daemon.h"
#include "cli/exits.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/verbs.h"

namespace hale::cli {

int run_token_create(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    Json body{{"name", asked.target}, {"role", asked.word}};
    if (asked.lasting) body["for"] = duration_text(*asked.lasting);
    const auto answer = daemon.post("/api/v1/tokens", body);
    if (!answer) return daemon.fail(answer.error());
    if (asked.format == Format::table || asked.format == Format::wide) {
        around.out(text_at(*answer, "secret") + "\n");
        around.err(fmt::format("token {} has role {}; it is shown only now\n", tame(asked.target), asked.word));
    } else {
        print(asked, around, *answer,
              Table{.heads = {"name", "secret"}, .rows = {{asked.target, text_at(*answer, "secret")}}});
    }
    return exits::ok;
}

int run_token_list(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto tokens = daemon.all("/api/v1/tokens");
    if (!tokens) return daemon.fail(tokens.error());
    Table table{.heads = {"NAME", "ROLE", "CREATED", "EXPIRES"}, .rows = {}};
    for (const Json& token : at(*tokens, "items")) {
        const std::string expires = text_at(token, "expires");
        table.rows.push_back({Cell(tame(text_at(token, "name"))), text_at(token, "role"), text_at(token, "created"),
                              expires.empty() ? "never" : expires});
    }
    print(asked, around, *tokens, table);
    return exits::ok;
}

int run_token_remove(const Invocation& asked, Surroundings& around) {
    Daemon daemon(asked, around);
    const auto answer = daemon.ask({.method = "DELETE", .target = "/api/v1/tokens/" + percent_encoded(asked.target)});
    if (!answer) return daemon.fail(answer.error());
    around.err(fmt::format("token {} opens nothing any more\n", tame(asked.target)));
    return exits::ok;
}

}  // namespace hale::cli
