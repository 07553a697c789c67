// SwiftNIO: one event loop, and a handler that writes what is read and flushes once it was all.

import NIOCore
import NIOPosix
import Peer

/// Sends back what comes, and after the client's end everything that is owed, then its own.
final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        // Complete when everything before it has been sent.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

let port = Int(peer_begin(CommandLine.argc, CommandLine.unsafeArgv))
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
let server = ServerBootstrap(group: group)
    .serverChannelOption(.backlog, value: 4096)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(AcceptBackoffHandler())
        }
    }
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    .childChannelOption(.allowRemoteHalfClosure, value: true)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            // Nothing is read while more than the write buffer's high mark, 64 KiB, is pending.
            try channel.pipeline.syncOperations.addHandlers(BackPressureHandler(), EchoHandler())
        }
    }
let channel = try await server.bind(host: "127.0.0.1", port: port).get()
try await channel.closeFuture.get()
