// swift-tools-version: 6.2
import PackageDescription

// A user of the embedded engine alone, who turned every trait off.
let package = Package(
    name: "consumer",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "godwit", path: "../..", traits: [])],
    targets: [
        .executableTarget(name: "Consumer", dependencies: [.product(name: "Godwit", package: "godwit")])
    ],
    swiftLanguageModes: [.v6]
)
