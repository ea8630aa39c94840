// swift-tools-version: 6.2
import PackageDescription

// A user whose jobs are on a server elsewhere: the one trait for that, and no other.
let package = Package(
    name: "remote-consumer",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "godwit", path: "../..", traits: ["Remote"])],
    targets: [
        .executableTarget(name: "RemoteConsumer", dependencies: [.product(name: "Godwit", package: "godwit")])
    ],
    swiftLanguageModes: [.v6]
)
