// Boost.Asio: a session for each connection, which receives, sends all of it, and receives again.
// The one thread runs all handlers.
#include "peer.h"

#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio.hpp>

using boost::asio::ip::tcp;
using boost::system::error_code;

class Session : public std::enable_shared_from_this<Session> {
public:
    explicit Session(tcp::socket socket) : socket(std::move(socket)) {}

    void receive() {
        socket.async_read_some(
            boost::asio::buffer(bytes),
            [self = shared_from_this()](error_code error, std::size_t count) {
                // The last reference ends with this handler, and the connection with it.
                if (!error) {
                    self->send(count);
                }
            });
    }

private:
    void send(std::size_t count) {
        boost::asio::async_write(
            socket, boost::asio::buffer(bytes, count),
            [self = shared_from_this()](error_code error, std::size_t) {
                if (!error) {
                    self->receive();
                }
            });
    }

    tcp::socket socket;
    std::array<char, peer_buffer_size> bytes;
};

class Server {
public:
    Server(boost::asio::io_context &context, tcp::endpoint endpoint)
        : acceptor(context), pause(context) {
        acceptor.open(endpoint.protocol());
        acceptor.set_option(tcp::acceptor::reuse_address(true));
        acceptor.bind(endpoint);
        acceptor.listen(boost::asio::socket_base::max_listen_connections);
        accept();
    }

private:
    void accept() {
        acceptor.async_accept([this](error_code error, tcp::socket socket) {
            if (error && peer_is_shortage(error.value())) {
                pause.expires_after(std::chrono::milliseconds(peer_pause_milliseconds));
                pause.async_wait([this](error_code) { accept(); });
                return;
            }
            if (!error) {
                error_code ignored;
                socket.set_option(tcp::no_delay(true), ignored);
                std::make_shared<Session>(std::move(socket))->receive();
            }
            accept();
        });
    }

    tcp::acceptor acceptor;
    boost::asio::steady_timer pause;
};

int main(int count, char **arguments) {
    auto port = static_cast<unsigned short>(peer_begin(count, arguments));
    boost::asio::io_context context(1);
    Server server(context, {boost::asio::ip::address_v4::loopback(), port});
    context.run();
}
