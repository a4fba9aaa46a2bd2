// A check is read in layers: built-in, then `defaults.check`, then `defaults.<kind>`, then what the service says,
// then an instance's overlay. Each layer is read by the same table into the same draft, so a later one wins
// key by key. Expectations are replaced as a whole and compiled once, when all layers are read.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/text.h"
#include "config/keys.h"
#include "expect/conditions.h"

namespace hale::config {

namespace {

constexpr KindMask every_kind = for_judged | for_none;

KindMask bit_of(const CheckSpec& spec) {
    for (const auto& [name, bit] : all_kinds())
        if (spec.kind() == name) return bit;
    return 0;
}

CheckKind empty_kind(KindMask bit) {
    switch (bit) {
        case for_tcp: return TcpCheck{};
        case for_exec: return ExecCheck{};
        case for_heartbeat: return HeartbeatCheck{};
        case for_composite: return CompositeCheck{};
        case for_none: return Unchecked{};
        case for_tls: return TlsCheck{};
        case for_redis: return RedisCheck{};
        case for_postgres: return PostgresCheck{};
        case for_smtp: return SmtpCheck{};
        case for_dns: return DnsCheck{};
        default: return HttpCheck{};
    }
}

// What each effective key of one check was said by.
struct Shown {
    std::map<std::string_view, std::pair<std::string, std::string>> values;  // Key → value, origin.
};

enum class Layer : std::uint8_t { shared_default, kind_default, service, overlay };

// Runs of somebody else's judgements: what is good for probes would only delay these, so `defaults.check` leaves their
// own built-in 1 alone.
bool counts_probes(const Key& key, KindMask bit) {
    return (bit == for_heartbeat || bit == for_composite) && (key.name == "rise" || key.name == "fall");
}

// Unknown in a layer of defaults: only what may stand there is listed.
void refuse_in_defaults(Reading& reading, KindMask wanted, const Entry& entry) {
    std::vector<std::string_view> words;
    for (const Key& key : keys_of(Section::check))
        if (key.read != nullptr && !key.is_kind && key.name != "via" && (key.kinds & wanted) == wanted) words.push_back(key.name);
    const auto meant = near(entry.key, words);
    const Reading::Step step(reading, entry.key);
    reading.problem(entry.place, meant ? fmt::format("unknown key; did you mean {}?", *meant) : "unknown key", fmt::format("{}", fmt::join(words, ", ")));
}

// The keys of one layer into the draft. `bit` is the check's kind.
void read_layer(Reading& reading, const Node& node, Layer layer, KindMask bit, CheckDraft& draft, Shown* shown) {
    if (!reading.map(node)) return;
    for (const Entry& entry : node.entries) {
        const Key* key = find_key(Section::check, entry.key);
        const bool is_default = layer == Layer::shared_default || layer == Layer::kind_default;
        if (key == nullptr) {
            if (is_default) refuse_in_defaults(reading, layer == Layer::shared_default ? for_probes : bit, entry);
            else refuse_unknown(reading, Section::check, entry);
            continue;
        }
        if (key->read == nullptr) {
            refuse_unsupported(reading, entry);
            continue;
        }
        const Reading::Step step(reading, entry.key);
        if (is_default && key->is_kind) {
            reading.problem(entry.place, "a default has no kind", fmt::format("keys of checks other than {}", kind_names(every_kind)));
            continue;
        }
        if (layer == Layer::shared_default && (key->kinds & for_probes) != for_probes) {
            reading.problem(entry.place, fmt::format("is not shared by all kinds; only for {}", kind_names(key->kinds)),
                            key->kinds & for_http ? "defaults.http" : fmt::format("defaults.{}", kind_names(key->kinds)));
            continue;
        }
        if (layer == Layer::shared_default && (!(key->kinds & bit) || counts_probes(*key, bit))) continue;
        if (is_default && key->name == "via") {
            reading.problem(entry.place, "is said by each check that goes this way, and has no default", "via: proxy beside its http");
            continue;
        }
        if (layer == Layer::overlay && (entry.key == "scope" || entry.key == "none" || entry.key == "via")) {
            reading.problem(entry.place, "cannot differ by instance");
            continue;
        }
        if (!(key->kinds & bit)) {
            reading.problem(entry.place, key->is_kind && layer == Layer::overlay
                                             ? fmt::format("an instance cannot change the kind of its check, {}", kind_names(bit))
                                             : fmt::format("has no effect on a check of kind {}; only for {}", kind_names(bit), kind_names(key->kinds)));
            continue;
        }
        const Key* outer = std::exchange(reading.key, key);
        const bool effective = std::exchange(reading.effective, false);
        key->read(reading, entry.value, &draft);
        reading.effective = effective;
        reading.key = outer;
        if (shown != nullptr) {
            std::string origin = reading.mark(entry.value.place).text();
            if (!entry.value.origin.empty()) origin = fmt::format("{} ({})", entry.value.origin, origin);
            shown->values[key->name] = {flow_text(entry.value, key->name), std::move(origin)};
        }
    }
}

// One entry of `expect:`: a condition and how grave it is.
struct Wanted {
    const Node* text = nullptr;
    expect::Severity severity = expect::Severity::fail;
};

std::optional<Wanted> wanted(Reading& reading, const Node& item) {
    if (item.is_scalar()) return Wanted{&item, expect::Severity::fail};
    constexpr std::string_view forms = "condition, {warn: condition}, {fail: condition}";
    if (!item.is_map() || item.entries.size() != 1 || !item.entries.front().value.is_scalar()) {
        reading.problem(item, "not a condition", std::string(forms));
        return std::nullopt;
    }
    const Entry& entry = item.entries.front();
    if (entry.key == "warn") return Wanted{&entry.value, expect::Severity::warn};
    if (entry.key == "fail") return Wanted{&entry.value, expect::Severity::fail};
    reading.problem(entry.place, fmt::format("unknown severity \"{}\"", escaped(entry.key, 40)), std::string(forms));
    return std::nullopt;
}

void add_condition(Reading& reading, const Wanted& item, expect::Conditions& conditions, CheckSpec& spec) {
    const Node& node = *item.text;
    if (node.text.contains("[DOMAIN_EXPIRATION]"))
        return reading.problem(node, fmt::format("condition \"{}\": its part is not supported by this version", escaped(node.text, 100)));
    auto compiled = expect::compile(node.text, item.severity);
    if (!compiled) {
        const auto& error = compiled.error();
        Place place = node.place;
        // The mark points into the condition where the source has it as it is.
        if (node.literal && place.line != 0)
            place.column += static_cast<int>(error.column) - 1 + (node.quoted ? 1 : 0);
        return reading.problem(place, fmt::format("condition \"{}\", column {}: {}", escaped(node.text, 100), error.column, error.what), error.allowed);
    }
    if (auto added = conditions.add(std::move(*compiled)); !added) return reading.problem(node, added.error().text);
    spec.expect_text.push_back((item.severity == expect::Severity::warn ? "warn: " : "") + node.text);
}

void compile_expectations(Reading& reading, CheckDraft& draft) {
    CheckSpec& spec = draft.spec;
    const bool http = std::holds_alternative<HttpCheck>(spec.what);
    spec.expect_text.clear();
    auto conditions = std::make_shared<expect::Conditions>();
    const Reading::Step step(reading, "expect");
    if (draft.expect != nullptr) {
        if (draft.expect->items.size() > expect::Conditions::max_conditions)
            return reading.problem(*draft.expect, fmt::format("more than {} conditions", expect::Conditions::max_conditions));
        for (std::size_t i = 0; i < draft.expect->items.size(); ++i) {
            const Reading::Step inner(reading, i);
            if (const auto item = wanted(reading, draft.expect->items[i])) add_condition(reading, *item, *conditions, spec);
        }
    }
    if (http && !conditions->mentions_status()) {
        const expect::Condition& usual = expect::default_status_condition();
        if (auto added = conditions->add(usual); !added) return reading.problem(*draft.expect, added.error().text);
        spec.expect_text.emplace_back(usual.text());
    }
    if (const auto* check = std::get_if<HttpCheck>(&spec.what);
        check != nullptr && check->read == ReadMode::headers && conditions->needs_body() && draft.expect != nullptr)
        reading.problem(*draft.expect, "a condition needs the body, and read: headers does not wait for it", "read: body");
    if (http || !conditions->empty()) spec.expect = std::move(conditions);
    else spec.expect.reset();
}

// What no single key can know.
void check_draft(Reading& reading, const Node& node, CheckDraft& draft) {
    CheckSpec& spec = draft.spec;
    const auto problem = [&](std::string_view key, const Node& at, std::string what, std::string allowed = {}) {
        const Reading::Step step(reading, key);
        reading.problem(at, std::move(what), std::move(allowed));
    };
    if (draft.down_interval_max != nullptr && spec.timing.down_interval_max != Duration{0} &&
        spec.timing.down_interval_max < spec.timing.interval)
        problem("down_interval_max", *draft.down_interval_max, fmt::format("down_interval_max {} is shorter than interval {}",
                                                              duration_text(spec.timing.down_interval_max), duration_text(spec.timing.interval)),
                        "0, or at least the interval");
    if (draft.placed != nullptr && !draft.placed->text.empty() && draft.port != nullptr)
        problem("port", *draft.port, fmt::format("the port is said twice: by {} and by port", spec.kind()), "one of them");
    if (draft.server != nullptr && draft.port != nullptr) problem("port", *draft.port, "the port is said twice: by server and by port", "one of them");
    if (spec.through_proxy()) {
        if (draft.scope != nullptr && spec.scope == CheckScope::instance)
            problem("scope", *draft.scope, "a check via: proxy can't tell which instance answers", "scope: service, or nothing");
        // No instance leaves traffic by it: it would keep itself out.
        spec.scope = CheckScope::service;
        if (draft.port != nullptr && spec.port) problem("port", *draft.port, "port has no effect with via: proxy, which asks at Hale's own listener");
    }
    if (auto* heartbeat = std::get_if<HeartbeatCheck>(&spec.what)) {
        if (draft.every == nullptr) problem("heartbeat", node, "the heartbeat does not say how often it comes", "every: a duration");
        // One silent period is a failure; a judge that waited for several would hide what grace is for.
        spec.timing.interval = std::max<Duration>(heartbeat->every, 1s);
        spec.timing.timeout = heartbeat->grace;
    }
    if (auto* composite = std::get_if<CompositeCheck>(&spec.what)) {
        if (composite->of.empty() && composite->advisory.empty()) problem("composite", node, "the composite has no members", "of: a list of service or service/check");
        const bool by_quorum = composite->need == Need::quorum;
        if (by_quorum && (composite->quorum == 0 || composite->quorum > composite->of.size()))
            problem("composite", draft.quorum != nullptr ? *draft.quorum : node,
                            fmt::format("a quorum of {} among {} members", composite->quorum, composite->of.size()), "1 to the number of members");
        if (!by_quorum && composite->quorum != 0)
            problem("composite", draft.quorum != nullptr ? *draft.quorum : node, "quorum has an effect only with need: quorum");
    }
}

CheckDraft fresh(KindMask bit, std::string_view name) {
    CheckDraft draft;
    draft.spec.name = name;
    draft.spec.what = empty_kind(bit);
    if (bit == for_heartbeat || bit == for_composite) draft.spec.timing.rise = draft.spec.timing.fall = 1;
    return draft;
}

// The one kind a check's map names; 0 after a problem.
KindMask kind_of(Reading& reading, const Node& node) {
    KindMask found = 0;
    for (const Entry& entry : node.entries) {
        const auto kind = std::ranges::find(all_kinds(), entry.key, &KindName::name);
        if (kind == all_kinds().end()) continue;
        if (found != 0) {
            const Reading::Step step(reading, entry.key);
            reading.problem(entry.place, fmt::format("a second kind beside {}", kind_names(found)), fmt::format("exactly one of {}", kind_names(every_kind)));
            return 0;
        }
        found = kind->bit;
    }
    if (found != 0) return found;
    // A kind that is not built yet is said as that, not as a missing one.
    bool told = false;
    for (const Entry& entry : node.entries) {
        const Key* key = find_key(Section::check, entry.key);
        if (key == nullptr) refuse_unknown(reading, Section::check, entry), told = true;
        else if (key->read == nullptr) refuse_unsupported(reading, entry), told = true;
    }
    if (!told) reading.problem(node, "the check has no kind", fmt::format("exactly one of {}", kind_names(every_kind)));
    return 0;
}

void record_check(Reading& reading, const CheckDraft& draft, const Shown& shown, KindMask bit) {
    for (const Key& key : keys_of(Section::check)) {
        if (key.read == nullptr || !(key.kinds & bit) || (key.is_kind && bit != key.kinds)) continue;
        const auto said = shown.values.find(key.name);
        if (key.name == "expect") {
            std::string list;
            for (const std::string& text : draft.spec.expect_text) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", escaped(text, 1000));
            reading.values.push_back({reading.shown + "expect", fmt::format("[{}]", list), said == shown.values.end() ? "default" : said->second.second});
            continue;
        }
        if (said != shown.values.end()) {
            reading.values.push_back({reading.shown + std::string(key.name), said->second.first, said->second.second});
            continue;
        }
        const bool one = (bit == for_heartbeat || bit == for_composite) && (key.name == "rise" || key.name == "fall");
        const bool for_the_service = key.name == "scope" && draft.spec.scope == CheckScope::service;
        if (one) reading.record_default(key.name, "1");
        else if (for_the_service) reading.record_default(key.name, "service");
        else if (!key.fallback.empty()) reading.record_default(key.name, key.fallback);
    }
}

void read_default_layers(Reading& reading, const Node* defaults, KindMask bit, CheckDraft& draft, Shown* shown) {
    if (defaults == nullptr || !defaults->is_map()) return;
    if (const Node* shared = defaults->find("check")) {
        const Reading::Elsewhere there(reading, {"defaults", "check"});
        read_layer(reading, *shared, Layer::shared_default, bit, draft, shown);
    }
    const std::string kind = kind_names(bit);
    if (const Node* own = defaults->find(kind)) {
        const Reading::Elsewhere there(reading, {"defaults", kind});
        read_layer(reading, *own, Layer::kind_default, bit, draft, shown);
    }
}

// Known before the layers are read: what the service says of TLS to its instances is no word on Hale's own listener.
bool via_proxy(const Node& node) {
    const Node* said = node.find("via");
    return said != nullptr && node.find("http") != nullptr && said->is_scalar() && said->text == "proxy";
}

std::shared_ptr<const CheckSpec> unchecked(Reading& reading, const ServiceDraft& draft) {
    CheckDraft check = fresh(for_none, "main");
    auto& reason = std::get<Unchecked>(check.spec.what).reason;
    if (draft.reason == nullptr) {
        const Reading::Step step(reading, "check");
        reading.problem(*draft.check, "check: none without a reason", "check: none with reason: a sentence");
        return nullptr;
    }
    const Reading::Step step(reading, "reason");
    const Key* outer = std::exchange(reading.key, find_key(Section::service, "reason"));
    if (reading.text(*draft.reason, reason, 1024) && trim(reason).empty()) reading.refuse(*draft.reason, "no reason");
    reading.key = outer;
    if (reading.effective) reading.values.push_back({reading.shown + "checks.main.none", escaped(reason, 1000), reading.mark(draft.reason->place).text()});
    return std::make_shared<const CheckSpec>(std::move(check.spec));
}

}  // namespace

std::shared_ptr<const CheckSpec> read_check(Reading& reading, const Node& node, std::string_view name, const Node* defaults,
                                            const std::shared_ptr<const io::TlsSpec>& usual) {
    if (!is_service_name(name)) {
        reading.problem(node, fmt::format("\"{}\" is no name for a check", escaped(name, 80)), "lower case letters, digits, . _ -, at most 63");
        return nullptr;
    }
    if (!reading.map(node)) return nullptr;
    const KindMask bit = kind_of(reading, node);
    if (bit == 0) return nullptr;
    CheckDraft draft = fresh(bit, name);
    Shown shown;
    Shown* collecting = reading.effective ? &shown : nullptr;
    const bool through_proxy = via_proxy(node);
    if (usual && !through_proxy) draft.tls.tls = *usual;
    read_default_layers(reading, defaults, bit, draft, collecting);
    read_layer(reading, node, Layer::service, bit, draft, collecting);
    check_draft(reading, node, draft);
    draft.spec.tls = settled(reading, draft.tls, through_proxy ? nullptr : usual);
    if (through_proxy) draft.spec.tls_behind = usual;
    if (bit & for_connecting) compile_expectations(reading, draft);
    if (collecting != nullptr) record_check(reading, draft, shown, bit);
    return std::make_shared<const CheckSpec>(std::move(draft.spec));
}

CheckList read_checks(Reading& reading, const ServiceDraft& draft, const Node* defaults) {
    CheckList out;
    if (draft.check != nullptr && draft.checks != nullptr) {
        const Reading::Step step(reading, "checks");
        reading.problem(*draft.checks, "check and checks at once; check is short for checks: {main: …}", "one of them");
        return out;
    }
    const bool none = draft.check != nullptr && draft.check->is_scalar() && draft.check->text == "none";
    if (draft.reason != nullptr && !none) {
        const Reading::Step step(reading, "reason");
        reading.problem(*draft.reason, "reason has an effect only beside check: none");
    }
    const std::string kept = reading.shown;
    const auto one = [&](const Node& node, std::string_view name) {
        if (reading.effective) reading.shown = fmt::format("{}checks.{}.", kept, name);
        if (auto check = read_check(reading, node, name, defaults, draft.spec.upstream_tls)) out.push_back(std::move(check));
        reading.shown = kept;
    };
    if (none) {
        if (auto check = unchecked(reading, draft)) out.push_back(std::move(check));
    } else if (draft.check != nullptr) {
        const Reading::Step step(reading, "check");
        const Key* outer = std::exchange(reading.key, find_key(Section::service, "check"));
        one(*draft.check, "main");
        reading.key = outer;
    } else if (draft.checks != nullptr) {
        const Reading::Step step(reading, "checks");
        if (!reading.map(*draft.checks)) return out;
        if (draft.checks->entries.size() > max_checks_per_service) {
            reading.problem(*draft.checks, fmt::format("more than {} checks", max_checks_per_service));
            return out;
        }
        for (const Entry& entry : draft.checks->entries) {
            const Reading::Step inner(reading, entry.key);
            const Key* outer = std::exchange(reading.key, find_key(Section::service, "checks"));
            one(entry.value, entry.key);
            reading.key = outer;
        }
        const bool has_none = std::ranges::any_of(out, [](const auto& check) { return std::holds_alternative<Unchecked>(check->what); });
        if (has_none && out.size() > 1) reading.problem(*draft.checks, "none beside other checks", "either none or checks");
    }
    return out;
}

std::shared_ptr<const CheckList> overlaid(Reading& reading, const InstanceDraft& draft, const CheckList& checks) {
    if (draft.check == nullptr && draft.checks == nullptr) return nullptr;
    if (draft.check != nullptr && draft.checks != nullptr) {
        const Reading::Step step(reading, "checks");
        reading.problem(*draft.checks, "check and checks at once", "one of them");
        return nullptr;
    }
    CheckList out = checks;
    const auto overlay = [&](const Node& node, std::shared_ptr<const CheckSpec>& slot) {
        const KindMask bit = bit_of(*slot);
        CheckDraft layered{.spec = *slot, .tls = {}};
        if (slot->tls) layered.tls.tls = *slot->tls;
        // What the service said stays satisfied; only the overlay's own contradictions are looked for.
        static const Node said;
        if (bit == for_heartbeat) layered.every = &said;
        const auto reading_before = std::holds_alternative<HttpCheck>(slot->what) ? std::get<HttpCheck>(slot->what).read : ReadMode::body;
        read_layer(reading, node, Layer::overlay, bit, layered, nullptr);
        if (layered.placed != nullptr && layered.port == nullptr && layered.placed->text.empty()) layered.spec.port.reset();
        check_draft(reading, node, layered);
        layered.spec.tls = settled(reading, layered.tls, slot->tls);
        if (layered.expect != nullptr) compile_expectations(reading, layered);
        else if (const auto* http = std::get_if<HttpCheck>(&layered.spec.what);
                 http != nullptr && http->read != reading_before && http->read == ReadMode::headers && layered.spec.expect && layered.spec.expect->needs_body())
            reading.problem(node, "a condition needs the body, and read: headers does not wait for it", "read: body");
        slot = std::make_shared<const CheckSpec>(std::move(layered.spec));
    };
    if (draft.check != nullptr) {
        const Reading::Step step(reading, "check");
        auto slot = out.size() == 1 ? out.begin() : std::ranges::find(out, "main", [](const auto& check) -> std::string_view { return check->name; });
        if (slot == out.end()) reading.problem(*draft.check, out.empty() ? "the service has no check to differ from" : "the service has several checks and none is main", "checks: {NAME: …}");
        else overlay(*draft.check, *slot);
    } else {
        const Reading::Step step(reading, "checks");
        if (!reading.map(*draft.checks)) return nullptr;
        for (const Entry& entry : draft.checks->entries) {
            const Reading::Step inner(reading, entry.key);
            const auto slot = std::ranges::find(out, entry.key, [](const auto& check) -> std::string_view { return check->name; });
            if (slot == out.end()) reading.problem(entry.place, "the service has no such check");
            else overlay(entry.value, *slot);
        }
    }
    return std::make_shared<const CheckList>(std::move(out));
}

void read_defaults(Reading& reading, const Node& node) {
    const Reading::Elsewhere there(reading, {"defaults"});
    if (!reading.map(node)) return;
    for (const Entry& entry : node.entries) {
        const Key* key = find_key(Section::defaults, entry.key);
        if (key == nullptr) {
            refuse_unknown(reading, Section::defaults, entry);
            continue;
        }
        const Reading::Step step(reading, entry.key);
        const Key* outer = std::exchange(reading.key, key);
        if (entry.key == "check") {
            CheckDraft draft = fresh(for_http, "main");
            read_layer(reading, entry.value, Layer::shared_default, for_http, draft, nullptr);
        } else {
            const auto bit = std::ranges::find(all_kinds(), entry.key, &KindName::name)->bit;
            CheckDraft draft = fresh(bit, "main");
            read_layer(reading, entry.value, Layer::kind_default, bit, draft, nullptr);
            if (draft.expect != nullptr) compile_expectations(reading, draft);
        }
        reading.key = outer;
    }
}

}  // namespace hale::config
