#include "docker/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/reached.h"
#include "base/text.h"
#include "docker/answers.h"
#include "wire/http1_write.h"

namespace hale::docker {

Conversation::Conversation(std::shared_ptr<Passage> passage, Request request, Instant by)
    : passage_(std::move(passage)),
      request_(std::move(request)),
      by_(by),
      body_(passage_->ways.scratch),
      deadline_(passage_->ways.loop, io::member_fire<&Conversation::run_out>, this),
      later_(passage_->ways.loop, io::member_fire<&Conversation::tell>, this),
      more_(passage_->ways.loop, io::member_fire<&Conversation::advance>, this) {}

Conversation::~Conversation() {
    abandon();
    passage_->leave(*this);
}

// What is running goes on to its end: its closures live until the conversation is destroyed.
void Conversation::abandon() {
    if (gone_ != nullptr) *gone_ = true;
    gone_ = nullptr;
    stage_ = Stage::over;
    for (io::Timer* timer : {&deadline_, &later_, &more_}) timer->disarm();
    question_.reset();
    if (stream_) stream_->set_handler(nullptr);
    stream_.reset();
}

std::string Conversation::about(std::string_view what) const { return fmt::format("{} at {}: {}", request_.what, passage_->place.shown, what); }

void Conversation::start(Ended ended) {
    ended_ = std::move(ended);
    if (passage_->closed()) return;
    started_ = passage_->ways.loop.now();
    passage_->enter(*this);
    if (!request_.fault.empty()) return end(fail(Code::invalid, about(request_.fault)));
    deadline_.arm(by_);
    if (!request_.versioned || passage_->agreed()) return open();
    stage_ = Stage::agreeing;
    passage_->agree();
}

void Conversation::agreed(const Error* why_not) {
    if (stage_ != Stage::agreeing) return;
    if (why_not != nullptr) return end(std::unexpected(Error{why_not->code, fmt::format("{}: {}", request_.what, why_not->text), why_not->system}));
    open();
}

void Conversation::open() {
    const Place& place = passage_->place;
    stage_ = Stage::connecting;
    if (!place.command.empty()) {
        if (!passage_->ways.dial) return end(fail(Code::invalid, about("there is no way to run ssh here")));
        auto stream = passage_->ways.dial(place.command);
        if (!stream) return unreachable(stream.error().text, stream.error().system);
        return adopt(std::move(*stream));
    }
    if (!place.path.empty()) {
        addresses_.push_back({.path = place.path});
        return connect_next();
    }
    if (const auto ip = Ip::parse(place.host)) {
        addresses_.push_back({.ip = *ip, .port = place.port});
        return connect_next();
    }
    stage_ = Stage::resolving;
    question_ = passage_->ways.resolver.resolve(place.host, by_, [this](Result<io::Resolution> found) {
        if (!found) return end(fail(found.error().code == Code::timed_out ? Code::timed_out : Code::unavailable, about(found.error().text)));
        for (const Ip& ip : found->addresses) {
            if (addresses_.size() == most_addresses_tried) break;
            addresses_.push_back({.ip = ip, .port = passage_->place.port});
        }
        std::ranges::reverse(addresses_);
        connect_next();
    });
}

void Conversation::connect_next() {
    stage_ = Stage::connecting;
    while (!addresses_.empty()) {
        const SocketAddress to = addresses_.back();
        addresses_.pop_back();
        auto stream = passage_->ways.net.connect(to);
        if (stream) return adopt(std::move(*stream));
        why_ = stream.error().system != 0 ? fmt::format("connect to {}: {}", to.text(), system_text(stream.error().system)) : stream.error().text;
        error_ = stream.error().system;
    }
    unreachable(why_.empty() ? "the name has no address" : why_, error_);
}

void Conversation::adopt(std::unique_ptr<io::Stream> stream) {
    stream_ = std::move(stream);
    stream_->set_handler(this);
}

void Conversation::unreachable(const std::string& why, int error) {
    passage_->forget();
    const std::string_view hint = error == EACCES || error == EPERM       ? "; may this user open it (is it in the group docker)?"
                                  : error == ENOENT || error == ECONNREFUSED ? "; is the engine running there?"
                                                                             : "";
    end(fail(error == EACCES || error == EPERM ? Code::denied : Code::unavailable, about(fmt::format("{}{}", why, hint)), error));
}

void Conversation::talk() {
    stage_ = Stage::talking;
    std::string text;
    wire::HeadWriter head(text);
    const std::string target = request_.versioned ? fmt::format("/v{}{}", passage_->agreed().value_or(oldest_api).text(), request_.path) : request_.path;
    head.request(request_.method, target).field("Host", passage_->place.authority).field("User-Agent", passage_->ways.user_agent).field("Connection", "close");
    if (!request_.registry.empty()) head.field("X-Registry-Auth", request_.registry);
    if (!request_.body.empty()) head.field("Content-Type", "application/json").field("Content-Length", request_.body.size());
    else if (request_.method == "POST") head.field("Content-Length", std::uint64_t{0});
    if (!head.end()) return end(fail(Code::invalid, about("that can't be asked over HTTP")));
    text += request_.body;
    body_.begin(std::move(text), wire::method_of(request_.method));
    advance();
}

void Conversation::on_ready(io::Stream& stream, io::Readiness ready) noexcept {
    if (stage_ == Stage::talking) return advance();
    if (stage_ != Stage::connecting) return;
    if (const int error = stream.connect_error(); error != 0) {
        why_ = fmt::format("connect to {}: {}", stream.peer().text(), system_text(error));
        error_ = error;
        if (!addresses_.empty()) HALE_REACHED("docker: the name's next address");
        stream_->set_handler(nullptr);
        stream_.reset();
        return connect_next();
    }
    if (ready.writable) talk();
}

void Conversation::go_on() {
    if (!std::exchange(paused_, false) || stage_ != Stage::talking) return;
    more_.arm(passage_->ways.loop.now());  // What came meanwhile is told by no edge any more.
}

void Conversation::advance() noexcept {
    using Step = http::BodyStream::Step;
    more_.disarm();
    for (int pieces = 0;;) {
        if (paused_) return;
        switch (body_.advance(*stream_)) {
            case Step::waiting: return;
            case Step::head:
                if (!take_head()) return;
                break;
            case Step::payload: {
                if (piece && !refused_) {
                    bool gone = false;
                    gone_ = &gone;
                    Piece running = std::move(piece);  // It may destroy this.
                    auto fine = running(body_.payload(), gone);
                    if (gone) return;
                    gone_ = nullptr;
                    piece = std::move(running);
                    if (!fine) return end(std::unexpected(Error{fine.error().code, about(fine.error().text)}));
                } else {
                    const std::size_t most = refused_ ? most_error_body : most_answer_bytes;
                    whole_.body.append(body_.payload().substr(0, most - whole_.body.size() + 1));
                    if (whole_.body.size() > most) {
                        if (!refused_) return end(fail(Code::exhausted, about(fmt::format("the answer is longer than {} bytes", most))));
                        whole_.body.resize(most);
                        return end(std::move(whole_));
                    }
                }
                if (++pieces < most_pieces_a_turn) break;
                HALE_REACHED("docker: more in the next turn");
                return more_.arm(passage_->ways.loop.now());
            }
            case Step::ended: return end(std::move(whole_));
            case Step::failed: return broke();
        }
    }
}

// False: nothing more is to be done here.
bool Conversation::take_head() {
    const wire::ResponseHead& head = body_.head();
    whole_.status = head.status;
    whole_.date = read_date(head.fields.value(wire::Known::date));
    // 304: it is so already.
    refused_ = head.status >= 300 && head.status != 304;
    if (refused_) return true;
    if (endless) deadline_.disarm();
    if (!begun) return true;
    const Head told{.status = head.status, .content_type = std::string(head.fields.value(wire::Known::content_type))};
    bool gone = false;
    gone_ = &gone;
    Begun running = std::move(begun);
    running(told);
    if (gone) return false;
    gone_ = nullptr;
    return true;
}

void Conversation::broke() {
    passage_->forget();
    const std::string why = !body_.why().empty() ? std::string(body_.why()) : body_.error() != 0 ? system_text(body_.error()) : "the connection broke";
    if (const std::string said = stream_ ? stream_->last_words() : ""; !said.empty()) return end(fail(Code::unavailable, about(said), ECONNRESET));
    const bool no_http = body_.trouble() == http::Trouble::malformed;
    end(fail(no_http ? Code::corrupt : Code::unavailable, about(no_http && !body_.head_came() ? why + "; is that a Docker Engine?" : why), body_.error() == 0 && !no_http ? ECONNRESET : body_.error()));
}

void Conversation::run_out() noexcept {
    const std::string_view doing = stage_ == Stage::agreeing     ? "the engine did not say its version"
                                   : stage_ == Stage::resolving  ? "the name did not resolve"
                                   : stage_ == Stage::connecting ? "no connection"
                                   : !body_.head_came()          ? "no answer"
                                                                 : "no whole answer";
    end(fail(Code::timed_out, about(fmt::format("{} within {}", doing, human(by_ - started_)))));
}

void Conversation::end(Result<Whole> result) {
    if (stage_ == Stage::over) return;
    stage_ = Stage::over;
    deadline_.disarm();
    more_.disarm();
    if (result && refused_) {
        const std::string said = read_message(result->status, result->body);
        // It was replaced by another one meanwhile.
        if (result->status == 400 && said.find("client version") != said.npos) passage_->forget();
        result = fail(code_of(result->status), about(said));
    }
    result_ = std::move(result);
    if (stream_) {
        stream_->set_handler(nullptr);
        stream_.reset();
    }
    later_.arm(passage_->ways.loop.now());
}

void Conversation::tell() noexcept {
    question_.reset();
    passage_->leave(*this);
    auto ended = std::move(ended_);
    auto result = std::move(result_);
    ended(std::move(result));
}

}  // namespace hale::docker
