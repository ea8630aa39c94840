// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "godwit-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "godwit", path: "..", traits: [])],
    targets: [
        .executableTarget(name: "bench", dependencies: [.product(name: "Godwit", package: "godwit")], path: "Sources/Bench")
    ],
    swiftLanguageModes: [.v6]
)
