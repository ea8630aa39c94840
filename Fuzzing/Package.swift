// swift-tools-version: 6.2
import PackageDescription

// A package of its own: libFuzzer wants its flags on every module, and a `main` that is its own. The modules under test are the project's,
// by symbolic links; of two of them only the files that decode.

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-sanitize=fuzzer"]),
]

let package = Package(
    name: "godwit",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log.git", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
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
            name: "GodwitRequests",
            dependencies: ["GodwitCore", .product(name: "HTTPTypes", package: "swift-http-types")],
            swiftSettings: settings
        ),
        .target(name: "GodwitCrontab", dependencies: ["GodwitCore"], swiftSettings: settings),
        .executableTarget(
            name: "fuzz",
            dependencies: ["GodwitCore", "GodwitCrontab", "GodwitEngine", "GodwitJournal", "GodwitRequests", "GodwitWire"],
            path: "Sources/Fuzz",
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]
        ),
    ],
    swiftLanguageModes: [.v6]
)
