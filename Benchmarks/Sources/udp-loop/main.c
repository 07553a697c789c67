// The least that a UDP echo server does: it blocks in recvfrom, and answers with sendto.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

int main(int count, char **arguments) {
    int port = peer_begin(count, arguments);
    int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (server < 0)
        peer_fail("socket", errno);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((in_port_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (bind(server, (struct sockaddr *)&address, sizeof address) < 0)
        peer_fail("bind", errno);
    static char buffer[peer_buffer_size];
    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        ssize_t received =
            recvfrom(server, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &size);
        // What cannot be received or sent is lost, as any datagram may be.
        if (received >= 0)
            (void)sendto(server, buffer, (size_t)received, 0, (struct sockaddr *)&peer, size);
    }
}
