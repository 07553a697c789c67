// swift-tools-version: 6.3

import PackageDescription

let package = Package(
    name: "EchoServer",
    products: [
        .library(name: "EchoServer", targets: ["EchoServer"]),
        .library(name: "EchoClient", targets: ["EchoClient"]),
        .executable(name: "echo", targets: ["echo"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CLibevent",
            path: "Modules/CLibevent",
            pkgConfig: "libevent_core",
            providers: [.apt(["libevent-dev"])]
        ),
        .systemLibrary(
            name: "CLibeventHTTP",
            path: "Modules/CLibeventHTTP",
            pkgConfig: "libevent_extra",
            providers: [.apt(["libevent-dev"])]
        ),
        .systemLibrary(name: "CEchoLinux", path: "Modules/CEchoLinux"),
        .target(name: "CEchoArguments", path: "Modules/CEchoArguments"),
        .target(name: "EchoSockets", dependencies: ["CEchoLinux"]),
        .target(name: "EchoWinsock", dependencies: ["EchoSockets"]),
        .target(
            name: "EchoReactor",
            dependencies: ["CLibevent", "CEchoLinux", "EchoSockets", "EchoWinsock"]
        ),
        .target(name: "EchoHTTP", dependencies: ["CLibeventHTTP", "EchoReactor", "EchoSockets"]),
        .target(name: "EchoProactor", dependencies: ["CEchoLinux", "EchoSockets", "EchoWinsock"]),
        .target(
            name: "EchoServer",
            dependencies: [
                "EchoProactor",
                "EchoReactor",
                "EchoSockets",
                "EchoWinsock",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),
        .target(
            name: "EchoClient",
            dependencies: [
                "EchoProactor",
                "EchoSockets",
                "EchoWinsock",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]
        ),
        .executableTarget(
            name: "echo",
            dependencies: [
                "CEchoArguments",
                "EchoClient",
                "EchoServer",
                "EchoHTTP",
                "EchoSockets",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .target(name: "CEchoTestProcess", path: "Tests/CEchoTestProcess"),
        .target(
            name: "EchoTestSupport",
            dependencies: ["CEchoLinux", "CEchoTestProcess", "EchoClient", "EchoSockets"],
            path: "Tests/EchoTestSupport"
        ),
        .executableTarget(
            name: "echo-fault-run",
            dependencies: [
                "EchoClient",
                "EchoServer",
                "EchoSockets",
                "EchoTestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/FaultRun"
        ),
        .testTarget(
            name: "EchoTestSupportTests",
            dependencies: ["EchoSockets", "EchoTestSupport"]
        ),
        .testTarget(
            name: "EchoSocketsTests",
            dependencies: ["CEchoLinux", "EchoSockets", "EchoTestSupport"]
        ),
        .testTarget(
            name: "EchoClientTests",
            dependencies: ["EchoClient", "EchoSockets", "EchoTestSupport"]
        ),
        .testTarget(
            name: "EchoReactorTests",
            dependencies: [
                "CEchoLinux", "EchoReactor", "EchoHTTP", "EchoSockets", "EchoTestSupport",
                "EchoWinsock",
            ]
        ),
        .testTarget(
            name: "EchoProactorTests",
            dependencies: [
                "CEchoLinux", "EchoProactor", "EchoSockets", "EchoTestSupport", "EchoWinsock",
            ]
        ),
        .testTarget(
            name: "EchoServerTests",
            dependencies: [
                "CEchoLinux",
                "EchoClient",
                "EchoServer",
                "EchoSockets",
                "EchoTestSupport",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "InMemoryLogging", package: "swift-log"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle"),
            ]
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "CEchoLinux", "echo", "EchoClient", "EchoServer", "EchoSockets", "EchoTestSupport",
                "echo-fault-run",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]
        ),
        .testTarget(
            name: "SystemdTests",
            dependencies: ["echo", "EchoServer", "EchoSockets", "EchoTestSupport"]
        ),
        .testTarget(
            name: "DocumentationTests",
            dependencies: [
                "echo",
                "EchoClient",
                "EchoServer",
                "EchoProactor",
                "EchoSockets",
                "EchoTestSupport",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6]
)

var settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461
    .enableUpcomingFeature("InferIsolatedConformances"),  // SE-0470
    .enableUpcomingFeature("ImmutableWeakCaptures"),  // SE-0481
    .strictMemorySafety(),  // SE-0458
]

// For working on the package itself, as `.ci/run` does. A package that depends on this one must not
// fail to build over a warning, of a later compiler for example; and Swift Build passes these to
// dependencies together with `-suppress-warnings`, which the compiler rejects. The name does not
// begin with ECHO_, as the command's settings do.
let isDevelopment = Context.environment["ECHOSERVER_DEVELOPMENT"] == "1"
if isDevelopment {
    settings += [
        .treatAllWarnings(as: .error),  // SE-0480
        .treatWarning("ExplicitSendable", as: .error),
    ]
}

for target in package.targets where target.type != .system {
    target.swiftSettings = settings
    // What is tested is optimised; to optimise the tests as well takes minutes, for nothing.
    if isDevelopment, target.type == .test {
        let unoptimised = SwiftSetting.unsafeFlags(["-Onone"], .when(configuration: .release))
        target.swiftSettings?.append(unoptimised)
    }
}
