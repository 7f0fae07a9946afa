// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

/// `embedded` files become `PackageResources` of the room.
func room(
  _ name: String, _ dependencies: [Target.Dependency], embedded: [Resource] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, resources: embedded, swiftSettings: strict)
}

func suite(_ room: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(room)Tests", dependencies: [.byName(name: room)] + dependencies,
    swiftSettings: strict)
}

let package = Package(
  name: "steelyard",
  targets: [
    .systemLibrary(name: "CSystem"),
    .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    room("Primitives", []),
    room("IO", ["COpenSSL", "CSystem", "Primitives"]),
    room("HTTP", ["CNghttp2", "Primitives"]),
    room("Client", ["CZlib", "HTTP", "IO", "Primitives"]),
    room("Fleet", ["Primitives"]),
    room("Certificates", ["CSystem", "Fleet", "IO", "Primitives"]),
    room("Exposition", ["CSystem", "Primitives"]),
    room("Configuration", ["CYAML", "Fleet", "Primitives"]),
    room("Status", ["Exposition", "Fleet", "Primitives"]),
    room("Upgrade", ["IO", "Primitives"]),
    room("Terminal", ["CSystem", "IO", "Primitives"]),
    room("Manual", []),
    room("StatusPage", [], embedded: [.embedInCode("web")]),
    room(
      "Discovery",
      ["Certificates", "Client", "Configuration", "Fleet", "HTTP", "IO", "Primitives"]),
    room("Controller", ["Client", "Exposition", "Fleet", "HTTP", "IO", "Primitives"]),
    room(
      "Balancer",
      ["CSystem", "Certificates", "Fleet", "HTTP", "Exposition", "IO", "Primitives"]),
    room("Shared", ["Balancer", "Fleet", "IO", "Primitives"]),
    room(
      "Metrics",
      [
        "Balancer", "Certificates", "Controller", "Discovery", "Events", "Exposition", "Fleet",
        "HTTP", "IO", "Primitives", "Shared", "Status",
      ]),
    room(
      "Admin",
      [
        "Balancer", "CZlib", "Certificates", "Configuration", "Controller", "Discovery", "Events",
        "Exposition", "Fleet", "HTTP", "IO", "Metrics", "Primitives", "Status", "StatusPage",
      ],
      embedded: [.embedInCode("openapi.yaml")]),
    room("Events", ["Client", "CSystem", "Fleet", "HTTP", "IO", "Primitives"]),
    room("Demo", ["Client", "Exposition", "Fleet", "HTTP", "IO", "Primitives", "Simulation"]),
    room(
      "Simulation",
      ["Balancer", "Configuration", "Controller", "Exposition", "Fleet", "Primitives"]),
    room(
      "CLI",
      [
        "Admin", "CSystem", "Certificates", "Client", "Configuration", "Controller", "Demo",
        "Events", "Exposition", "Fleet", "HTTP", "IO", "Manual", "Metrics", "Primitives",
        "Simulation", "Terminal",
      ]),
    .executableTarget(
      name: "steelyard",
      dependencies: [
        "Admin", "Balancer", "CLI", "CSystem", "Certificates", "Configuration", "Controller",
        "Demo", "Discovery", "Events", "Exposition", "Fleet", "IO", "Metrics", "Primitives",
        "Shared", "Status", "Terminal", "Upgrade",
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "control-bench", dependencies: ["Controller", "Fleet", "Primitives", "Simulation"],
      path: "Benchmarks/ControlBench", swiftSettings: strict),
    .executableTarget(
      name: "exposition-bench", dependencies: ["CSystem", "Exposition"],
      path: "Benchmarks/ExpositionBench", swiftSettings: strict),
    .executableTarget(
      name: "socket-race", dependencies: ["CSystem", "Demo", "IO", "Primitives"],
      path: "Benchmarks/SocketRace", swiftSettings: strict),
    .executableTarget(
      name: "instruction-bench",
      dependencies: ["Balancer", "CSystem", "Exposition", "Fleet", "HTTP", "IO", "Primitives"],
      path: "Benchmarks/InstructionBench", swiftSettings: strict),
    .executableTarget(
      name: "load-bench", dependencies: ["CSystem", "HTTP", "IO", "Primitives"],
      path: "Benchmarks/LoadBench", swiftSettings: strict),
    // What `make fuzz` runs; Tests/FuzzTests replays its corpus.
    .systemLibrary(name: "CFuzzer", path: "Fuzz/CFuzzer"),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Admin", "Balancer", "Client", "Configuration", "Controller", "Exposition", "Fleet", "HTTP",
        "IO", "Primitives", "Shared",
      ],
      path: "Fuzz/Targets", swiftSettings: strict),
    .executableTarget(
      name: "fuzz", dependencies: ["CFuzzer", "FuzzTargets"], path: "Fuzz/Program",
      swiftSettings: strict),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], swiftSettings: strict),
    suite("IO", ["Primitives", "CSystem"]),
    suite("HTTP", ["Primitives"]),
    suite("Fleet", ["Primitives"]),
    suite("Certificates", ["Fleet", "IO", "Primitives"]),
    suite("Exposition", ["Primitives"]),
    suite("Configuration", ["Fleet", "Primitives"]),
    suite("Client", ["HTTP", "IO", "Primitives"]),
    suite("Controller", ["Client", "Fleet", "Exposition", "HTTP", "IO", "Primitives"]),
    suite("Discovery", ["Fleet", "Primitives"]),
    suite("Status", ["Exposition", "Fleet", "Primitives"]),
    suite("Terminal", ["Primitives"]),
    suite("Upgrade", ["IO", "Primitives"]),
    suite("Manual"),
    suite("Events", ["Fleet", "HTTP", "IO", "Primitives"]),
    suite("Demo", ["Fleet", "Primitives"]),
    suite(
      "Admin",
      [
        "Balancer", "Controller", "Discovery", "Events", "Fleet", "HTTP", "Metrics", "Primitives",
        "Status", "StatusPage",
      ]),
    suite(
      "Metrics",
      [
        "Balancer", "Controller", "Discovery", "Events", "Exposition", "Fleet", "Primitives",
        "Status",
      ]),
    .testTarget(
      name: "LoadBenchTests", dependencies: ["load-bench", "Primitives"], swiftSettings: strict),
    suite("CLI", ["Controller", "Demo", "Fleet", "Manual", "Primitives", "Simulation"]),
    suite("Simulation", ["Balancer", "Configuration", "Controller", "Fleet", "Primitives"]),
    suite("Shared", ["Balancer", "Fleet", "IO", "Primitives"]),
    suite("Balancer", ["CSystem", "Certificates", "Fleet", "HTTP", "IO", "Primitives"]),
  ]
)
