// swift-tools-version: 6.2

import PackageDescription

// A separate package, so that users of the library do not resolve what the comparison needs.
let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0")
    ],
    targets: [
        .target(name: "Peer"),
        .executableTarget(name: "epoll-level", dependencies: ["Peer"]),
        .executableTarget(name: "epoll-edge", dependencies: ["Peer"]),
        .executableTarget(name: "udp-loop", dependencies: ["Peer"]),
        .executableTarget(
            name: "libevent",
            dependencies: ["Peer"],
            linkerSettings: [.linkedLibrary("event_core")]
        ),
        .executableTarget(
            name: "libuv",
            dependencies: ["Peer"],
            linkerSettings: [.linkedLibrary("uv")]
        ),
        .executableTarget(
            name: "io-uring",
            dependencies: ["Peer"],
            linkerSettings: [.linkedLibrary("uring")]
        ),
        .executableTarget(name: "asio", dependencies: ["Peer"]),
        .executableTarget(
            name: "nio",
            dependencies: [
                "Peer",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .executableTarget(name: "fairness-client"),
        // Not "dispatch": its entry point would be called `dispatch_main`, as the function is that the
        // main thread ends in.
        .executableTarget(name: "swift-concurrency", dependencies: ["Peer"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx17
)
