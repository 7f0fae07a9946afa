// The files in config/ load, and the effective configuration of each is the same fleet.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct ExampleTests {
  @Test(arguments: Example.names)
  func exampleLoadsAndItsEffectiveTextIsTheSameFleet(_ name: String) throws {
    let file = try ConfigurationFile.read(Example.bytes(name), path: "config/\(name).yaml")
    let again = try ConfigurationFile.read(Array(file.effective.utf8), path: "effective")
    #expect(again.fleet == file.fleet)
    #expect(!again.effective.contains("# default"))
  }
}
