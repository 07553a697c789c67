// swift-tools-version: 6.2

import PackageDescription

// A separate package, so that users of the library do not resolve the examples' dependencies.
let package = Package(
    name: "Examples",
    dependencies: [
        .package(name: "EchoServer", path: ".."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
    ],
    targets: [
        .executableTarget(
            name: "ServiceGroupExample",
            dependencies: [
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "EchoServer", package: "EchoServer"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]
        ),
        .executableTarget(
            name: "StartShutdownExample",
            dependencies: [.product(name: "EchoServer", package: "EchoServer")]
        ),
        .target(name: "YourServer"),
        .testTarget(
            name: "YourServerTests",
            dependencies: ["YourServer", .product(name: "EchoClient", package: "EchoServer")]
        ),
    ],
    swiftLanguageModes: [.v6]
)
