// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// What only the server, its HTTP interface and the command line need: with `traits: []` none of it is downloaded.
let server: TargetDependencyCondition? = .when(traits: ["Server"])

/// What only the broker for a server elsewhere needs.
let remote: TargetDependencyCondition? = .when(traits: ["Remote"])

let package = Package(
    name: "godwit",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Godwit", targets: ["Godwit"]),
        .library(name: "GodwitHTTP", targets: ["GodwitHTTP"]),
        .library(name: "GodwitTesting", targets: ["GodwitTesting"]),
        .executable(name: "godwit", targets: ["GodwitCLI"]),
        .executable(name: "timeline", targets: ["Timeline"]),
    ],
    traits: [
        .trait(
            name: "Server",
            description: "The HTTP interface, `godwit serve` and the command line.",
            enabledTraits: ["Remote"]
        ),
        .trait(name: "Remote", description: "Jobs on a server elsewhere: http:// and https:// brokers."),
        .default(enabledTraits: ["Server"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log.git", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.9.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.9.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.3.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0", traits: []),
        .package(url: "https://github.com/hummingbird-project/swift-mustache.git", from: "2.1.1"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.30.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
    ],
    targets: [
        .target(name: "CCRC32C"),
        .target(name: "GodwitCore", swiftSettings: settings),
        .target(name: "GodwitWire", dependencies: ["GodwitCore"], swiftSettings: settings),
        .target(name: "GodwitJournal", dependencies: ["CCRC32C"], swiftSettings: settings),
        .target(
            name: "GodwitEngine",
            dependencies: [
                "GodwitCore", "GodwitJournal",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GodwitRemote",
            dependencies: [
                "GodwitCore", "GodwitWire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "AsyncHTTPClient", package: "async-http-client", condition: remote),
                .product(name: "NIOCore", package: "swift-nio", condition: remote),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: remote),
                .product(name: "NIOPosix", package: "swift-nio", condition: remote),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: remote),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "Godwit",
            dependencies: [
                "GodwitCore", "GodwitEngine", "GodwitJournal",
                .target(name: "GodwitRemote", condition: remote),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GodwitTesting",
            dependencies: [
                "Godwit", "GodwitCore", "GodwitEngine", "GodwitJournal",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GodwitHTTP",
            dependencies: [
                "Godwit", "GodwitCore", "GodwitWire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Hummingbird", package: "hummingbird", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: server),
                .product(name: "NIOCore", package: "swift-nio", condition: server),
                .product(name: "Crypto", package: "swift-crypto", condition: server),
            ],
            resources: [.embedInCode("openapi.json")],
            swiftSettings: settings
        ),
        .target(
            name: "GodwitPage",
            dependencies: [
                "GodwitCore", "GodwitHTTP",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Hummingbird", package: "hummingbird", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: server),
                .product(name: "Mustache", package: "swift-mustache", condition: server),
                .product(name: "NIOCore", package: "swift-nio", condition: server),
            ],
            resources: [.embedInCode("Assets"), .embedInCode("Templates")],
            swiftSettings: settings
        ),
        .target(
            name: "GodwitServer",
            dependencies: [
                "Godwit", "GodwitCore", "GodwitHTTP", "GodwitPage",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Hummingbird", package: "hummingbird", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: server),
                .product(name: "NIOCore", package: "swift-nio", condition: server),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: server),
                .product(name: "NIOPosix", package: "swift-nio", condition: server),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: server),
                .product(name: "Crypto", package: "swift-crypto", condition: server),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "GodwitBench",
            dependencies: [
                "Godwit", "GodwitCore", "GodwitEngine", "GodwitJournal",
                .product(name: "Histogram", package: "hdrhistogram-swift", condition: server),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "GodwitCLI",
            dependencies: [
                "Godwit", "GodwitBench", "GodwitCore", "GodwitEngine", "GodwitHTTP", "GodwitJournal", "GodwitServer",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser", condition: server),
                .product(name: "Configuration", package: "swift-configuration", condition: server),
                .product(name: "AsyncHTTPClient", package: "async-http-client", condition: server),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: server),
                .product(name: "Hummingbird", package: "hummingbird", condition: server),
                .product(name: "NIOCore", package: "swift-nio", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: server),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "Timeline",
            dependencies: [
                "Godwit", "GodwitHTTP",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Hummingbird", package: "hummingbird", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: server),
                .product(name: "NIOCore", package: "swift-nio", condition: server),
            ],
            path: "Examples/Timeline",
            exclude: ["README.md"],
            resources: [.embedInCode("Assets")],
            swiftSettings: settings
        ),
        .target(
            name: "GodwitSimulation",
            dependencies: [
                "GodwitCore", "GodwitEngine", "GodwitJournal",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/Simulation",
            swiftSettings: settings
        ),
        .executableTarget(name: "simulate", dependencies: ["GodwitSimulation"], path: "Tests/SimulationCommand", swiftSettings: settings),
        .executableTarget(
            name: "stress",
            dependencies: [
                "GodwitCore", "GodwitEngine", "GodwitJournal",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/Stress",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "two-processes",
            dependencies: [
                "Godwit", "GodwitCore",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Tests/TwoProcesses",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "soak",
            dependencies: ["GodwitBench", .product(name: "Logging", package: "swift-log")],
            path: "Tests/Soak",
            swiftSettings: settings
        ),
        .testTarget(name: "SimulationTests", dependencies: ["GodwitSimulation", "GodwitEngine", "GodwitJournal"], swiftSettings: settings),
        .testTarget(name: "GodwitCoreTests", dependencies: ["GodwitCore"], swiftSettings: settings),
        .testTarget(
            name: "GodwitWireTests",
            dependencies: ["GodwitWire", "GodwitEngine", "GodwitJournal", "GodwitCore"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitJournalTests",
            dependencies: ["GodwitJournal", "CCRC32C"],
            exclude: ["Golden"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitBenchTests",
            dependencies: [
                "GodwitBench", "Godwit", "GodwitCore", "GodwitEngine", "GodwitJournal",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitEngineTests",
            dependencies: ["GodwitEngine", "GodwitJournal", "GodwitCore"],
            exclude: ["Golden"],
            swiftSettings: settings
        ),
        .target(
            name: "HTTPTestSupport",
            dependencies: [
                "GodwitCore", "GodwitEngine", "GodwitJournal", "GodwitHTTP", "GodwitServer",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "NIOCore", package: "swift-nio", condition: server),
                .product(name: "NIOPosix", package: "swift-nio", condition: server),
            ],
            path: "Tests/HTTPTestSupport",
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitHTTPTests",
            dependencies: [
                "GodwitHTTP", "Godwit", "GodwitCore", "GodwitWire", "GodwitJournal", "HTTPTestSupport",
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Hummingbird", package: "hummingbird", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: server),
                .product(name: "NIOCore", package: "swift-nio", condition: server),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitServerTests",
            dependencies: [
                "GodwitServer", "GodwitHTTP", "GodwitCore", "HTTPTestSupport",
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: server),
                .product(name: "NIOCore", package: "swift-nio", condition: server),
                .product(name: "NIOPosix", package: "swift-nio", condition: server),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitPageTests",
            dependencies: [
                "GodwitPage", "GodwitServer", "GodwitHTTP", "GodwitCore", "HTTPTestSupport",
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Mustache", package: "swift-mustache", condition: server),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitTests",
            dependencies: [
                "Godwit", "GodwitTesting", "GodwitEngine", "GodwitJournal", "GodwitCore",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "TracingTests",
            dependencies: [
                "Godwit", "GodwitTesting", "GodwitCore", "GodwitServer", "HTTPTestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitCLITests",
            dependencies: [
                "GodwitCLI", "GodwitBench", "GodwitCore", "GodwitEngine", "GodwitHTTP", "GodwitServer",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser", condition: server),
                .product(name: "Configuration", package: "swift-configuration", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types", condition: server),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GodwitRemoteTests",
            dependencies: [
                "GodwitRemote", "GodwitWire", "Godwit", "GodwitCore", "GodwitEngine", "GodwitJournal", "GodwitServer", "HTTPTestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "NIOCore", package: "swift-nio", condition: remote),
                .product(name: "NIOHTTP1", package: "swift-nio", condition: remote),
                .product(name: "NIOPosix", package: "swift-nio", condition: remote),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: remote),
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "TimelineTests", dependencies: ["Timeline"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
