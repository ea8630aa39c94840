// swift-tools-version: 6.2
import PackageDescription

// What an HTTP server costs without Godwit: a measure for the server's own answers.
let package = Package(
    name: "godwit-http-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0", traits: [])],
    targets: [.executableTarget(name: "bare", dependencies: [.product(name: "Hummingbird", package: "hummingbird")], path: "Sources/Bare")],
    swiftLanguageModes: [.v6]
)
